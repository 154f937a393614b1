"""What a DICOM header says besides the voxels: the few facts that are kept, and which identifying elements there were.

Kept are facts about the machine and a date for comparing with earlier scans; of everything else only the element's
name is told, so that staff see what was left behind. Tags: DICOM PS3.6; what identifies: PS3.15 table E.1-1.
"""

from __future__ import annotations

import re
from pathlib import Path

from fedlung.errors import BadScan
from fedlung.imaging.dicom_header import collect_elements
from fedlung.imaging.intake.scan_facts import ScanFacts

PATIENT_ID = 0x00100020
_KEPT = {
    0x00080008: "ImageType",
    0x00080020: "StudyDate",
    0x00080070: "Manufacturer",
    0x00081090: "ManufacturerModelName",
    PATIENT_ID: "PatientID",
    0x00180050: "SliceThickness",
    0x00181210: "ConvolutionKernel",
    0x00280301: "BurnedInAnnotation",
}
IDENTIFYING = {
    0x00080021: "SeriesDate",
    0x00080050: "AccessionNumber",
    0x00080080: "InstitutionName",
    0x00080081: "InstitutionAddress",
    0x00080090: "ReferringPhysicianName",
    0x00081010: "StationName",
    0x00081030: "StudyDescription",
    0x0008103E: "SeriesDescription",
    0x00081050: "PerformingPhysicianName",
    0x00081060: "NameOfPhysiciansReadingStudy",
    0x00081070: "OperatorsName",
    0x00100010: "PatientName",
    0x00100030: "PatientBirthDate",
    0x00100040: "PatientSex",
    0x00101010: "PatientAge",
    0x00101030: "PatientWeight",
    0x00101040: "PatientAddress",
    0x00102154: "PatientTelephoneNumbers",
    0x00104000: "PatientComments",
    0x00181000: "DeviceSerialNumber",
    0x00181030: "ProtocolName",
    0x0020000D: "StudyInstanceUID",
    0x0020000E: "SeriesInstanceUID",
    0x00200010: "StudyID",
    0x00204000: "ImageComments",
}
_DATE = re.compile(rb"(\d{4})(\d{2})(\d{2})")
_MAX_TEXT = 64


def read_dicom_facts(path: Path, series_uid: str) -> tuple[ScanFacts, tuple[str, ...]]:
    """Facts of the series that this slice belongs to, and the names of the identifying elements that it has.

    A header whose further elements cannot be read says nothing: the voxels were checked elsewhere.
    """
    try:
        values = collect_elements(path, _KEPT | IDENTIFYING)
    except BadScan:
        return ScanFacts("dicom", series_uid), ("SeriesInstanceUID",)
    given = {name for name, value in values.items() if value.strip(b" \0")}
    removed = sorted(given & {*IDENTIFYING.values(), "PatientID"})
    date = _DATE.fullmatch(values.get("StudyDate", b"").strip(b" \0"))
    image_type = _plain(values, "ImageType").split("\\")
    facts = ScanFacts(
        source="dicom",
        original_uid=series_uid,
        # Latin-1 keeps any two different byte strings apart; what it looks like does not matter.
        patient_id=values.get("PatientID", b"").decode("latin-1").strip(" \0"),
        study_date="-".join(part.decode() for part in date.groups()) if date else "",
        manufacturer=_plain(values, "Manufacturer"),
        model_name=_plain(values, "ManufacturerModelName"),
        slice_thickness_mm=_thickness_mm(_plain(values, "SliceThickness")),
        kernel=_plain(values, "ConvolutionKernel").replace("\\", "/"),
        burnt_in=_plain(values, "BurnedInAnnotation") == "YES" or "SCREEN SAVE" in image_type,
    )
    return facts, tuple(removed)


def _plain(values: dict[str, bytes], name: str) -> str:
    """Printable ASCII only, and short: these elements come from the machine, and nobody's name fits by mistake."""
    text = values.get(name, b"").decode("ascii", "replace").strip(" \0")
    return "".join(character for character in text if character.isprintable() and character.isascii())[:_MAX_TEXT]


def _thickness_mm(text: str) -> float | None:
    try:
        thickness_mm = float(text)
    except ValueError:
        return None
    return thickness_mm if 0 < thickness_mm < 100 else None
