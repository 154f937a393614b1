"""Generated chest CT phantoms with nodules of known place and size.

For demonstrations, tests and first trainings without patient data; schematic, never a substitute for real scans.
Several hospitals differ in scanner, protocol and patients, as real ones do.
"""

from fedlung.imaging.phantom.cases import CASE_MIXES, CaseMix, Kind, case_mix
from fedlung.imaging.phantom.dataset import HospitalSummary, hospital_id, write_hospitals
from fedlung.imaging.phantom.make import Phantom, make_patient, make_phantom, series_uid
from fedlung.imaging.phantom.scanner import SCANNER_PROFILES, ScannerProfile, scanner_profile

__all__ = [
    "CASE_MIXES",
    "SCANNER_PROFILES",
    "CaseMix",
    "HospitalSummary",
    "Kind",
    "Phantom",
    "ScannerProfile",
    "case_mix",
    "hospital_id",
    "make_patient",
    "make_phantom",
    "scanner_profile",
    "series_uid",
    "write_hospitals",
]
