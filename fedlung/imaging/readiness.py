"""What a hospital has declared about its scans: ``scans.json`` beside them.

::

    {"format": 1, "is_ready": true, "keep_original_dicom": false,
     "scans": {"<seriesuid>": {"is_ready": false, "by": "staff_a", "time": "2026-11-22T21:30:00+00:00"}}}

Without the file, and for a scan that is not listed, everything counts as read and ready: a folder that somebody filled
by hand is trained on as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fedlung.errors import HospitalData

READINESS_FILE = "scans.json"
FORMAT = 1


@dataclass(frozen=True)
class Declared:
    """What was last said about one scan; ``time`` is UTC, ISO 8601."""

    is_ready: bool
    by: str = ""
    time: str = ""


@dataclass(frozen=True)
class Readiness:
    """What may be trained on.

    Attributes:
        is_ready: the hospital takes part in trainings.
        keep_original_dicom: uploaded DICOM files are kept beside the scan that was made of them.
        scans: series uid -> what was declared about the scan.
    """

    is_ready: bool = True
    keep_original_dicom: bool = False
    scans: Mapping[str, Declared] = field(default_factory=dict)

    def holds_back(self, series_uid: str) -> bool:
        """The scan is listed as not ready."""
        declared = self.scans.get(series_uid)
        return declared is not None and not declared.is_ready


def read_readiness(folder: Path) -> Readiness:
    """What the hospital in ``folder`` has declared.

    Raises:
        HospitalData: the file cannot be read. It is not taken for a missing one: that would train on everything.
    """
    try:
        content = json.loads((folder / READINESS_FILE).read_bytes())
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']!r}, expected {FORMAT}")
        return Readiness(
            _flag(content["is_ready"]),
            _flag(content.get("keep_original_dicom", False)),
            {str(uid): _declared(entry) for uid, entry in content["scans"].items()},
        )
    except FileNotFoundError:
        return Readiness()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"{type(error).__name__} {error}"
        raise HospitalData(f"hospital {folder.name}: {READINESS_FILE} cannot be read: {reason}") from None


def _declared(entry: Mapping[str, object]) -> Declared:
    return Declared(_flag(entry["is_ready"]), str(entry.get("by", "")), str(entry.get("time", "")))


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"expected true or false, got {value!r:.40}")
    return value
