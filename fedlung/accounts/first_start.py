"""The accounts of a first start. Nobody has a default password: random ones are made, and returned to be shown once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fedlung.accounts.accounts import Accounts
from fedlung.accounts.passwords import LONGEST, length
from fedlung.errors import BadSettings
from fedlung.stores.users import ADMIN, CLINICIAN, STAFF, UserStore

BY = "first start"  # who did it, for the audit


class NewAccount(NamedTuple):
    """An account that was made, or got a new password, at this start."""

    username: str
    role: str
    hospital_id: str | None
    password: str


def first_admin(users: UserStore, accounts: Accounts) -> list[NewAccount]:
    """Make the administrator when there is nobody at all; the password has to be changed at the first sign-in."""
    if users.all():
        return []
    user, password = accounts.create_user(BY, "admin", "Administrator", ADMIN, None)
    return [NewAccount(user.username, user.role, user.hospital_id, password)]


def demo_accounts(
    users: UserStore, accounts: Accounts, hospital_ids: Sequence[str], password: str | None = None
) -> list[NewAccount]:
    """Make one account for every role, staff and clinician once per hospital; those that exist stay.

    With ``password``, all of them get it, existing ones too, and need not change it: for automation.
    Without, new ones get random passwords. Returned are the accounts whose password is news.

    Raises:
        BadSettings: the password is longer than anybody may type.
    """
    if length(password or "") > LONGEST:
        raise BadSettings(f"FEDLUNG_DEMO_PASSWORD: must have at most {LONGEST} characters")
    made = []
    for username, display_name, role, hospital_id in _people(hospital_ids):
        user = users.by_username(username)
        if user is None:
            user, known = accounts.create_user(BY, username, display_name, role, hospital_id, password)
        elif password is not None:
            user, known = accounts.set_password(BY, user.id, password), password
        else:
            continue
        made.append(NewAccount(user.username, user.role, user.hospital_id, known))
    return made


def _people(hospital_ids: Sequence[str]) -> Iterator[tuple[str, str, str, str | None]]:
    """``hospital_a`` has ``staff_a`` and ``clinician_a``."""
    yield "admin", "Administrator", ADMIN, None
    for role, title in ((STAFF, "Staff"), (CLINICIAN, "Clinician")):
        for hospital_id in hospital_ids:
            letter = hospital_id.removeprefix("hospital_")
            yield f"{role}_{letter}", f"{title} {letter.upper()}", role, hospital_id
