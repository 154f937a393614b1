"""A hospital's folder on disk: scans, annotations, findings to ignore.

::

    <hospital_id>/scans/<seriesuid>.mhd + .raw|.zraw   (or .mha)
    <hospital_id>/cubes/<uid>.mhd                      optional: pieces of scans around a nodule, for training only
    <hospital_id>/cubes/<uid>.mask.mhd                 optional: that piece's nodule, voxel by voxel (> 0)
    <hospital_id>/annotations.csv
    <hospital_id>/annotations_excluded.csv             optional
    <hospital_id>/scans.json                           optional: what is not ready yet, see fedlung.imaging.readiness
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from fedlung.errors import HospitalData, WrongArgument
from fedlung.imaging.annotations import Finding, read_findings
from fedlung.imaging.checked_files import is_other_than_checked
from fedlung.imaging.readiness import Readiness, read_readiness

SCAN_SUFFIXES = (".mhd", ".mha")
MASK_ENDING = ".mask"


@dataclass(frozen=True)
class HospitalFolder:
    """What one hospital brings: its scans and what is known about them.

    Attributes:
        hospital_id: name of the folder.
        scans: header files, sorted by name; a scan without annotation rows counts as read and without nodules.
        cubes: header files of pieces of scans, sorted by name; their nodules stand in ``annotations.csv``, too.
        nodules: rows of ``annotations.csv``.
        excluded: rows of ``annotations_excluded.csv``; a detector is neither taught nor judged there.
    """

    hospital_id: str
    scans: tuple[Path, ...]
    cubes: tuple[Path, ...]
    nodules: tuple[Finding, ...]
    excluded: tuple[Finding, ...]

    def nodules_of(self, series_uid: str) -> list[Finding]:
        return [finding for finding in self.nodules if finding.series_uid == series_uid]

    def excluded_of(self, series_uid: str) -> list[Finding]:
        return [finding for finding in self.excluded if finding.series_uid == series_uid]


def read_hospital(folder: Path) -> HospitalFolder:
    """What the hospital in ``folder`` gives to training: without scans that it listed as not ready, and their rows.

    Raises:
        WrongArgument, BadAnnotations: as `read_whole_hospital`.
        HospitalData: as there; or the hospital, or every one of its scans, is declared not ready.
    """
    hospital, readiness = read_whole_hospital(folder), read_readiness(folder)
    if not readiness.is_ready:
        raise HospitalData(f"hospital {folder.name} has declared that its data is not ready for training")
    ready = without_held_back(hospital, readiness)
    if not ready.scans and not ready.cubes:
        raise HospitalData(f"hospital {folder.name}: none of its {len(hospital.scans)} scans is declared ready")
    return ready


def without_held_back(hospital: HospitalFolder, readiness: Readiness) -> HospitalFolder:
    """The hospital without the scans that are listed as not ready, or whose files are not those that were checked."""
    unchecked = {path.stem for path in hospital.scans if is_other_than_checked(path)}

    def is_given(series_uid: str) -> bool:
        return series_uid not in unchecked and not readiness.holds_back(series_uid)

    return replace(
        hospital,
        scans=tuple(path for path in hospital.scans if is_given(path.stem)),
        nodules=tuple(finding for finding in hospital.nodules if is_given(finding.series_uid)),
        excluded=tuple(finding for finding in hospital.excluded if is_given(finding.series_uid)),
    )


def scan_files(folder: Path) -> list[Path]:
    """Header files of the whole scans in a hospital's folder, sorted by name; none where it has no ``scans``."""
    return sorted(
        (path for path in folder.glob("scans/*") if _is_scan(path)), key=lambda path: (path.stem, path.suffix)
    )


def has_scans(folder: Path) -> bool:
    """Whether a hospital's folder holds anything to train on, sound or not."""
    return any(_is_scan(path) for part in ("scans", "cubes") for path in folder.glob(f"{part}/*"))


def read_whole_hospital(folder: Path) -> HospitalFolder:
    """Everything in ``folder``, whatever was declared about it; scans are listed, not read.

    Raises:
        WrongArgument: ``folder`` is not a folder.
        HospitalData: no scans and no cubes, two files of one series, or no ``annotations.csv``.
        BadAnnotations: a table that cannot be read.
    """
    if not folder.is_dir():
        raise WrongArgument(f"{folder} is not a folder")
    scans = scan_files(folder)
    cubes = sorted(path for path in folder.glob("cubes/*") if _is_scan(path) and not path.stem.endswith(MASK_ENDING))
    if not scans and not cubes:
        raise HospitalData(f"hospital {folder.name}: no .mhd or .mha scan in {folder / 'scans'}")
    for scan, following in pairwise(scans):
        if scan.stem == following.stem:
            raise HospitalData(f"hospital {folder.name}: {scan.name} and {following.name} are one series; keep one")
    annotations = folder / "annotations.csv"
    if not annotations.is_file():
        raise HospitalData(f"hospital {folder.name}: {annotations} is missing (an empty table says: no nodules)")
    excluded = folder / "annotations_excluded.csv"
    ignored = read_findings(excluded, excluded=True) if excluded.is_file() else []
    nodules = read_findings(annotations)
    return HospitalFolder(folder.name, tuple(scans), tuple(cubes), tuple(nodules), tuple(ignored))


def mask_of_cube(cube: Path) -> Path | None:
    """The mask file beside a cube, or None."""
    mask = cube.with_name(f"{cube.stem}{MASK_ENDING}{cube.suffix}")
    return mask if mask.is_file() else None


def _is_scan(path: Path) -> bool:
    # A copy from a Mac brings a hidden "._name.mhd" beside each file.
    return path.suffix in SCAN_SUFFIXES and path.is_file() and not path.name.startswith(".")


def hospital_folders(data: Path) -> list[Path]:
    """The sub-folders of ``data`` that are hospitals, sorted by name; or ``data`` itself when it holds ``scans/``.

    A hospital has ``scans/`` or ``annotations.csv``; runs and the cache, which may lie beside, have neither.

    Raises:
        WrongArgument: ``data`` is not a folder, or there is no hospital in it.
    """
    if not data.is_dir():
        raise WrongArgument(f"{data} is not a folder")
    if (data / "scans").is_dir():
        return [data]
    folders = sorted(path for path in data.iterdir() if _is_hospital(path))
    if not folders:
        raise WrongArgument(f"{data} holds no hospital: expected {data}/<hospital_id>/scans and annotations.csv")
    return folders


def _is_hospital(path: Path) -> bool:
    has_content = (path / "scans").is_dir() or (path / "annotations.csv").is_file()
    return has_content and not path.name.startswith(".")
