"""What is kept of an uploaded scan besides its voxels, and the form of one check."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Level = Literal["ok", "warning", "error"]
Source = Literal["metaimage", "nifti", "dicom", "folder"]
Values = dict[str, str | int | float]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at, told in plain words.

    Attributes:
        code: stable name of the check (``size``, ``spacing``, ``hu``...).
        level: "error": the scan is not usable; "warning": it is, and somebody should look.
        text: an English sentence with ``%(name)s`` placeholders, the key of its translation.
        values: what stands in the placeholders; numbers and plain words, nothing about the patient.
    """

    code: str
    level: Level
    text: str
    values: Values = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """The English sentence with its values."""
        return self.text % self.values


@dataclass(frozen=True)
class ScanFacts:
    """What a header said that is worth keeping and does not identify anybody.

    Attributes:
        source: the form that the scan was sent in.
        original_uid: SeriesInstanceUID, or the file name without its suffix; only ``remap`` of it is kept.
        patient_id: DICOM PatientID or "", to be made a ``patient_key`` of (``deidentify.patient_key``) and forgotten.
        study_date: "YYYY-MM-DD" or "".
        slice_thickness_mm: of the header, None when it does not say; not the distance of the slices.
        burnt_in: the header says that there is text in the picture, or that it is a derived one.
    """

    source: Source
    original_uid: str = field(repr=False)
    patient_id: str = field(default="", repr=False)
    study_date: str = ""
    manufacturer: str = ""
    model_name: str = ""
    slice_thickness_mm: float | None = None
    kernel: str = ""
    burnt_in: bool = False
