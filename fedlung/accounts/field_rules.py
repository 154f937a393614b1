"""What the fields of an account may hold. A check returns ``{field: what is wrong with it}``, empty if all is well."""

from __future__ import annotations

from fedlung.accounts import texts
from fedlung.stores.users import ADMIN, HOSPITAL_ID, LANGUAGES, ROLES, normal_display_name, normal_username


def wrong_username(username: str) -> dict[str, str]:
    return {} if normal_username_or_empty(username) else {"username": texts.USERNAME_REFUSED}


def wrong_display_name(display_name: str) -> dict[str, str]:
    try:
        normal_display_name(display_name)
    except ValueError:
        return {"display_name": texts.DISPLAY_NAME_REFUSED}
    return {}


def wrong_language(language: str) -> dict[str, str]:
    return {} if language in ("", *LANGUAGES) else {"language": texts.LANGUAGE_UNKNOWN}


def wrong_place(role: str, hospital_id: str | None) -> dict[str, str]:
    if role not in ROLES:
        return {"role": texts.ROLE_UNKNOWN}
    if role != ADMIN and not HOSPITAL_ID.fullmatch(hospital_id or ""):
        return {"hospital_id": texts.HOSPITAL_NEEDED}
    return {}


def hospital_for(role: str, hospital_id: str | None) -> str | None:
    """An administrator belongs to no hospital, whatever a form says."""
    return None if role == ADMIN else hospital_id


def normal_username_or_empty(username: str) -> str:
    """The name's normal form, or nothing where nobody can have this name."""
    try:
        return normal_username(username)
    except ValueError:
        return ""
