"""What all views of scans share: the asking person's own hospital, and what a body may hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flask_babel import gettext

from fedlung.errors import InvalidInput
from fedlung.stores.hospital_store import HospitalStore
from fedlung.web.scans.refusal_words import in_words
from fedlung.web.services import services
from fedlung.web.sessions import signed_in_user

_UID = re.compile(r"[0-9.]{1,64}")


def own_store() -> HospitalStore:
    """The stores of the person's own hospital: whatever id is asked for, it is looked up there only.

    Raises:
        NotFound: the hospital has no folder.
    """
    return services().scans.hospital(signed_in_user().hospital_id or "")


def flag(payload: Mapping[str, Any], name: str) -> bool | None:
    """True or false, None where it is missing. Raises InvalidInput for anything else."""
    value = payload.get(name)
    if value is not None and not isinstance(value, bool):
        raise InvalidInput(fields={name: gettext("Yes or no is needed.")})
    return value


def sentence(text: str, values: Mapping[str, Any]) -> str:
    """A sentence that was made elsewhere, in the reader's language where there is a translation."""
    translated = str(gettext(text)) if text else ""
    if not values:
        return translated if translated != text else in_words(text)
    try:
        return translated % dict(values)
    except (KeyError, TypeError, ValueError):
        return text


def scan_in_audit(store: HospitalStore, scan_id: str) -> str:
    """What administrators, and the mirror in Supabase, read of a scan: its UID, or the digest of its voxels.

    A scan that was copied by hand is called as its file was, and that may be a patient's name. Raises NotFound.
    """
    if _UID.fullmatch(scan_id):
        return scan_id
    record = store.scans.record(scan_id)
    return f"voxels {record.voxels_sha256[:16]}" if record is not None and record.voxels_sha256 else "voxels unknown"
