"""A hospital's folder on disk: scans, annotations, findings to ignore.

::

    <hospital_id>/scans/<seriesuid>.mhd + .raw|.zraw   (or .mha)
    <hospital_id>/annotations.csv
    <hospital_id>/annotations_excluded.csv             optional
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fedlung.errors import HospitalData, WrongArgument
from fedlung.imaging.annotations import Finding, read_findings

SCAN_SUFFIXES = (".mhd", ".mha")


@dataclass(frozen=True)
class HospitalFolder:
    """What one hospital brings: its scans and what is known about them.

    Attributes:
        hospital_id: name of the folder.
        scans: header files, sorted by name; a scan without annotation rows counts as read and without nodules.
        nodules: rows of ``annotations.csv``.
        excluded: rows of ``annotations_excluded.csv``; a detector is neither taught nor judged there.
    """

    hospital_id: str
    scans: tuple[Path, ...]
    nodules: tuple[Finding, ...]
    excluded: tuple[Finding, ...]

    def nodules_of(self, series_uid: str) -> list[Finding]:
        return [finding for finding in self.nodules if finding.series_uid == series_uid]

    def excluded_of(self, series_uid: str) -> list[Finding]:
        return [finding for finding in self.excluded if finding.series_uid == series_uid]


def read_hospital(folder: Path) -> HospitalFolder:
    """The hospital in ``folder``; scans are listed, not read.

    Raises:
        HospitalData: no scans, or no ``annotations.csv``.
        BadAnnotations: a table that cannot be read.
    """
    if not folder.is_dir():
        raise WrongArgument(f"{folder} is not a folder")
    scans = sorted(path for path in folder.glob("scans/*") if path.suffix in SCAN_SUFFIXES)
    if not scans:
        raise HospitalData(f"hospital {folder.name}: no .mhd or .mha scan in {folder / 'scans'}")
    annotations = folder / "annotations.csv"
    if not annotations.is_file():
        raise HospitalData(f"hospital {folder.name}: {annotations} is missing (an empty table says: no nodules)")
    excluded = folder / "annotations_excluded.csv"
    ignored = read_findings(excluded, excluded=True) if excluded.is_file() else []
    return HospitalFolder(folder.name, tuple(scans), tuple(read_findings(annotations)), tuple(ignored))


def hospital_folders(data: Path) -> list[Path]:
    """Every sub-folder of ``data`` is a hospital, sorted by name; or ``data`` itself when it holds ``scans/``.

    Raises:
        WrongArgument: ``data`` is not a folder, or there is no hospital in it.
    """
    if not data.is_dir():
        raise WrongArgument(f"{data} is not a folder")
    if (data / "scans").is_dir():
        return [data]
    folders = sorted(path for path in data.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not folders:
        raise WrongArgument(f"{data} holds no hospital: expected {data}/<hospital_id>/scans and annotations.csv")
    return folders
