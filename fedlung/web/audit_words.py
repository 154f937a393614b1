"""What the audit says of a deed, in the reader's language.

The log holds names of fields, codes and numbers. Here they get words when they are shown; what is not known here, as in
a record of an earlier version, is shown as it stands.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any

from flask_babel import format_decimal, format_percent, gettext, lazy_gettext

from fedlung.stores.audit import Action
from fedlung.stores.users import ADMIN, CLINICIAN, STAFF
from fedlung.web.js_texts import JS_TEXTS

HospitalName = Callable[[str], str]  # id -> the name it is shown under

ABOUT_A_HOSPITAL = (Action.HOSPITAL_ADDED, Action.READINESS_CHANGED, Action.ANNOTATIONS_DOWNLOADED)
NAMES: Mapping[str, Any] = {
    "accepted": lazy_gettext("accepted"),
    "added": lazy_gettext("added"),
    "address": lazy_gettext("Address"),
    "before": lazy_gettext("Before"),
    "display_name": lazy_gettext("Display name"),
    "file": lazy_gettext("File"),
    "findings": lazy_gettext("Findings"),
    "hospital_id": lazy_gettext("Hospital"),
    "intact": lazy_gettext("Intact"),
    "is_active": lazy_gettext("May sign in"),
    "is_ready": lazy_gettext("Ready for training"),
    "keep_original_dicom": lazy_gettext("Keep the original DICOM files"),
    "language": lazy_gettext("Language"),
    "name_en": lazy_gettext("Name in English"),
    "name_zh": lazy_gettext("Name in Chinese"),
    "nodules": lazy_gettext("Nodules"),
    "open": lazy_gettext("open"),
    "origin": lazy_gettext("Source"),
    "password": lazy_gettext("Password"),
    "reason": lazy_gettext("Reason"),
    "rejected": lazy_gettext("rejected"),
    "role": lazy_gettext("Role"),
    "scans": lazy_gettext("Scans"),
    "sha256": "SHA-256",
    "source": lazy_gettext("Came as"),
    "state": lazy_gettext("State"),
    "threshold": lazy_gettext("Threshold"),
    "username": lazy_gettext("User name"),
    "version": lazy_gettext("Version"),
}
ACTORS: Mapping[str, Any] = {  # who is no account
    "first start": lazy_gettext("first start"),
    "command line": lazy_gettext("command line"),
    "supabase": "Supabase",
}
_YES_NO = {"True": lazy_gettext("yes"), "False": lazy_gettext("no")}
_ROLES = {
    ADMIN: lazy_gettext("Administrator"),
    STAFF: lazy_gettext("Hospital staff"),
    CLINICIAN: lazy_gettext("Clinician"),
}
# Field -> what is stored -> words. Reasons of refused sign-ins come from `fedlung.accounts` and the copy of accounts.
VALUES: Mapping[str, Mapping[str, Any]] = {
    "role": _ROLES,
    "language": {"en": "English", "zh": "中文"},
    "reason": {
        "unknown user name": lazy_gettext("unknown user name"),
        "wrong password": lazy_gettext("wrong password"),
        "damaged hash": lazy_gettext("the stored password is damaged"),
        "inactive": lazy_gettext("the account is disabled"),
        "the copy of the accounts is too old": lazy_gettext("the copy of the accounts is too old"),
        "Supabase refuses this server": lazy_gettext("Supabase refuses this server"),
    },
    "origin": {
        "click": lazy_gettext("marked by hand"),
        "csv": lazy_gettext("CSV table"),
        "xml": lazy_gettext("LIDC XML"),
        "prediction": lazy_gettext("suggestions of the model"),
        "table": lazy_gettext("table in the folder"),
    },
}
_IN_SCRIPTS = {"strategy": "strategy.", "schedule": "schedule.", "state": "state.", "source": "scan.source_"}
_SHARES = ("fraction", "held_out_share")
_MERGED = {"Supabase's is kept": lazy_gettext("Supabase's is kept"), "stays inactive": lazy_gettext("stays inactive")}
_PLACE_KEPT = re.compile(r"(\w+) of (\S+|no hospital) is kept")
_NOTHING = (None, "", "None", "{}")


def actor_words(actor: str) -> str:
    """The account's name, or what acted without one; a space or a name in this list is in no account of a person."""
    return str(ACTORS.get(actor, actor))


def target_words(entry: Mapping[str, Any], hospital_name: HospitalName) -> str:
    """What a deed concerned: hospitals by their names, everything else by its id."""
    target, hospital_id = entry["target"], entry["hospital_id"]
    what, where = target, hospital_name(hospital_id) if hospital_id else ""
    if entry["action"] in ABOUT_A_HOSPITAL:  # names may change, ids do not
        what, where = hospital_name(target), target
    words: str = gettext("%(what)s (%(where)s)", what=what, where=where) if what and where else what or where
    return words


def details_in_words(details: Mapping[str, Any], hospital_name: HospitalName) -> list[tuple[str, str]]:
    """(what, value) of everything that says something."""
    return [
        (_name(field), _change(field, value, hospital_name))
        for field, value in details.items()
        if value not in _NOTHING
    ]


def _name(field: str) -> str:
    return str(NAMES.get(field) or JS_TEXTS.get(f"config.{field}", field))


def _change(field: str, value: Any, hospital_name: HospitalName) -> str:
    """``staff -> clinician``, as changes of accounts are noted, or one value."""
    if isinstance(value, str):
        before, arrow, after = value.partition(" -> ")
        if arrow:
            return f"{_value(field, before, hospital_name)} → {_value(field, after, hospital_name)}"
    return _value(field, value, hospital_name)


def _value(field: str, value: Any, hospital_name: HospitalName) -> str:
    text = str(value)
    if field in ("hospitals", "hospital_id"):
        return _hospitals(text, hospital_name)
    if field == "strategy_options":
        return _options(text)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number(field, value)
    known = VALUES.get(field, {}).get(text) or _YES_NO.get(text) or _MERGED.get(text)
    known = known or JS_TEXTS.get(_IN_SCRIPTS.get(field, "\0") + text)
    return str(known) if known else _place_kept(text, hospital_name)


def _number(field: str, value: float) -> str:
    if field in _SHARES:
        return str(format_percent(value, "#,##0.##%"))
    words = str(format_decimal(value, "0.######"))
    return f"{words} s" if field.endswith("_seconds") else words


def _hospitals(text: str, hospital_name: HospitalName) -> str:
    comma = str(gettext(", "))
    return comma.join("–" if each == "None" else hospital_name(each) for each in text.split(", "))


def _options(text: str) -> str:
    """The options of a strategy, which are noted as Python writes a table of numbers."""
    try:
        options = dict(ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError):  # cut off
        return text
    comma = str(gettext(", "))
    return comma.join(f"{JS_TEXTS.get(f'option.{name}', name)} {value}" for name, value in options.items())


def _place_kept(text: str, hospital_name: HospitalName) -> str:
    found = _PLACE_KEPT.fullmatch(text)
    if found is None or found[1] not in _ROLES:
        return text
    where = gettext("no hospital") if found[2] == "no hospital" else hospital_name(found[2])
    words: str = gettext("%(role)s, %(hospital)s is kept", role=_ROLES[found[1]], hospital=where)
    return words
