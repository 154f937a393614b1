"""What is known about one stored scan, and a scan that is about to be stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ScanRecord:
    """What is known about a stored scan, without anything that tells who the patient is.

    Attributes:
        scan_id: series uid and file stem.
        label: what the hospital calls it; may be changed.
        uploaded_as: name of the file that was sent, for the hospital's own staff.
        source: metaimage, nifti, dicom, or folder (copied there by hand).
        patient_key: the same for scans of the same patient; empty when not known.
        study_date: YYYY-MM-DD, only known from DICOM; empty otherwise.
        received, by: when (UTC, ISO 8601) and from whom it came.
        voxels_sha256: of the HU in LPS order.
        checks: ``{"code", "level", "text", "values"}``, as `fedlung.imaging.intake.scan_facts.Check`.
        removed: names of what was not kept of the file.
        lung_volume_l: litres; None where no lungs were found.
    """

    scan_id: str
    label: str
    uploaded_as: str
    source: str
    received: str
    by: str
    voxels_sha256: str
    shape_zyx: tuple[int, int, int]
    spacing_zyx_mm: tuple[float, float, float]
    patient_key: str = ""
    study_date: str = ""
    manufacturer: str = ""
    model_name: str = ""
    slice_thickness_mm: float | None = None
    kernel: str = ""
    checks: tuple[Mapping[str, Any], ...] = ()
    removed: tuple[str, ...] = ()
    lung_volume_l: float | None = None
    has_original_dicom: bool = False

    @property
    def is_usable(self) -> bool:
        """No check found an error."""
        return all(check["level"] != "error" for check in self.checks)


@dataclass(frozen=True)
class NewScan:
    """A checked scan in a folder on the same disk: ``<uid>.mhd`` + ``.raw``, perhaps its picture and its lungs.

    Attributes:
        originals: DICOM files to keep; they are moved.
    """

    folder: Path
    record: ScanRecord
    originals: tuple[Path, ...] = ()


def read_record(path: Path) -> ScanRecord | None:
    """None where there is no record, or it is damaged: it can be made again from the scan."""
    try:
        return record_from_json(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def record_from_json(content: Mapping[str, Any]) -> ScanRecord:
    """What ``dataclasses.asdict`` made, after a way through JSON; fields of later versions are passed over.

    Raises:
        KeyError, TypeError: it is something else.
    """
    names = {each.name for each in fields(ScanRecord)}
    values = {name: value for name, value in content.items() if name in names}
    lists = {name: tuple(values[name]) for name in ("shape_zyx", "spacing_zyx_mm", "checks", "removed")}
    return ScanRecord(**{**values, **lists})
