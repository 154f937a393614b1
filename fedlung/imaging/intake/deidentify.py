"""Names that tell nothing: a scan's UID and a patient's key, made with a secret of this installation.

Voxels and geometry are kept and every header is written from nothing, so there is nothing else to clean
(DICOM PS3.15 annex E knows finer profiles, for those who have to hand headers on).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

HEX_DIGITS = 32
"""128 bits: DICOM PS3.5 B.2 makes a UID of such a number and ``2.25.``, without a registered root."""


def uid_remapper(site_secret: bytes, hospital_id: str) -> Callable[[str], str]:
    """The function from an original UID (or file stem) to the UID under which that scan is stored.

    The same name gives the same UID in one hospital, so annotations that come later find their scan; in another
    hospital, or with another secret, it gives an unrelated one, and nobody can go back.
    """

    def remap(original_uid: str) -> str:
        return f"2.25.{int(_digest(site_secret, 'uid', hospital_id, original_uid), 16)}"

    return remap


def patient_key(site_secret: bytes, hospital_id: str, patient_id: str) -> str:
    """A name for the patient of a scan, to find earlier scans by; "" where no PatientID is known."""
    return _digest(site_secret, "patient", hospital_id, patient_id) if patient_id else ""


def _digest(site_secret: bytes, *parts: str) -> str:
    # The lengths keep ("a", "bc") and ("ab", "c") apart.
    message = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
    return hmac.new(site_secret, message, hashlib.sha256).hexdigest()[:HEX_DIGITS]
