"""What was left behind of a file's header, in the reader's language; the field's own name follows in brackets.

And the name of what was sent, where it had none of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flask_babel import gettext, lazy_gettext, ngettext

from fedlung.imaging.intake.dicom_facts import IDENTIFYING, PATIENT_ID

# Every name that `fedlung.imaging.intake` may give (a test compares), except what SimpleITK copies from other formats.
NAMES: Mapping[str, Any] = {
    "AccessionNumber": lazy_gettext("accession number"),
    "DeviceSerialNumber": lazy_gettext("serial number of the scanner"),
    "ImageComments": lazy_gettext("comments on the picture"),
    "InstitutionAddress": lazy_gettext("address of the hospital"),
    "InstitutionName": lazy_gettext("name of the hospital"),
    "NameOfPhysiciansReadingStudy": lazy_gettext("names of the reading physicians"),
    "OperatorsName": lazy_gettext("name of the operator"),
    "PatientAddress": lazy_gettext("patient's address"),
    "PatientAge": lazy_gettext("patient's age"),
    "PatientBirthDate": lazy_gettext("patient's date of birth"),
    "PatientComments": lazy_gettext("comments on the patient"),
    "PatientID": lazy_gettext("patient's number"),
    "PatientName": lazy_gettext("patient's name"),
    "PatientSex": lazy_gettext("patient's sex"),
    "PatientTelephoneNumbers": lazy_gettext("patient's telephone numbers"),
    "PatientWeight": lazy_gettext("patient's weight"),
    "PerformingPhysicianName": lazy_gettext("name of the performing physician"),
    "ProtocolName": lazy_gettext("name of the protocol"),
    "ReferringPhysicianName": lazy_gettext("name of the referring physician"),
    "SeriesDate": lazy_gettext("date of the series"),
    "SeriesDescription": lazy_gettext("description of the series"),
    "SeriesInstanceUID": lazy_gettext("UID of the series"),
    "StationName": lazy_gettext("name of the scanner"),
    "StudyDescription": lazy_gettext("description of the study"),
    "StudyID": lazy_gettext("number of the study"),
    "StudyInstanceUID": lazy_gettext("UID of the study"),
    # MetaImage and NIfTI
    "Comment": lazy_gettext("comment"),
    "descrip": lazy_gettext("description"),
    "aux_file": lazy_gettext("name of a file that belongs to it"),
    "intent_name": lazy_gettext("meaning of the values"),
    "extensions": lazy_gettext("data added to the header"),
}
_KEYWORDS: Mapping[int, str] = {**IDENTIFYING, PATIENT_ID: "PatientID"}
_TAG = re.compile(r"([0-9a-fA-F]{4})\|([0-9a-fA-F]{4})")  # as SimpleITK writes it into a MetaImage header
_UNNAMED = re.compile(r"DICOM, (\d+) files")  # as `fedlung.imaging.intake.recognize` calls a series without a folder


def removed_words(name: str) -> str:
    """``PatientName`` -> ``patient's name (PatientName)``; a field that is not known here keeps its name."""
    tag = _TAG.fullmatch(name)
    keyword = _KEYWORDS.get(int(tag[1] + tag[2], 16), "") if tag else name
    if keyword not in NAMES:
        return name
    words: str = gettext("%(what)s (%(name)s)", what=NAMES[keyword], name=name)
    return words


def name_words(uploaded_as: str) -> str:
    """The name under which a scan was sent."""
    unnamed = _UNNAMED.fullmatch(uploaded_as)
    return ngettext("DICOM, %(num)d file", "DICOM, %(num)d files", int(unnamed[1])) if unnamed else uploaded_as
