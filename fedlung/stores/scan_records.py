"""What is known about one stored scan, and a scan that is about to be stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from fedlung.imaging.checked_files import FileLooks, looks_from_json
from fedlung.imaging.intake.scan_facts import Check
from fedlung.imaging.intake.texts import N_

REPLACED = Check(
    "replaced",
    "warning",
    N_(
        "Its files were replaced after it had been checked, by another scan or with other geometry. Marks that were"
        " made before may not fit: look at them before you declare it ready for training."
    ),
)
_SAME_PLACE_WITHIN = 1e-3  # mm, and directions


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
        place: origin (mm) and direction of the grid in LPS order, 12 numbers; empty when not noted.
        files: how its files looked before they were read; empty when not noted.
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
    place: tuple[float, ...] = ()
    files: tuple[FileLooks, ...] = ()

    @property
    def is_usable(self) -> bool:
        """No check found an error."""
        return all(check["level"] != "error" for check in self.checks)

    @property
    def was_replaced(self) -> bool:
        """Other files have come in the place of those that were accepted."""
        return any(check["code"] == REPLACED.code for check in self.checks)

    def shows_the_same(self, other: ScanRecord) -> bool:
        """The same voxels in the same place of the world."""
        if not self.voxels_sha256 or self.voxels_sha256 != other.voxels_sha256:
            return False
        is_near = np.allclose(self.spacing_zyx_mm, other.spacing_zyx_mm, rtol=0, atol=_SAME_PLACE_WITHIN)
        if not self.place or not other.place:
            return is_near
        return is_near and np.allclose(self.place, other.place, rtol=0, atol=_SAME_PLACE_WITHIN)


def looked_at_again(former: ScanRecord | None, found: ScanRecord) -> ScanRecord:
    """What is noted when files that were looked at before have changed.

    The same scan keeps what is known of it. Another one keeps its name only, and says that it came in the place of one
    that was accepted: what people had said about that one is not about this.
    """
    if former is None:
        return found
    if former.shows_the_same(found):
        return replace(former, place=found.place, files=found.files)
    stood_for_another = former.was_replaced or former.is_usable
    checks = (*found.checks, asdict(REPLACED)) if stood_for_another else found.checks
    return replace(found, label=former.label, checks=checks)


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
    values["files"] = looks_from_json(values.get("files", ()))
    lists = {name: tuple(values[name]) for name in ("shape_zyx", "spacing_zyx_mm", "checks", "removed")}
    lists["place"] = tuple(values.get("place", ()))
    return ScanRecord(**{**values, **lists})
