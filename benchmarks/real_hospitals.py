"""The real CT data beside the checkout, laid out as three hospitals: full scans and nodule cubes, split by patient.

    python -m benchmarks.real_hospitals --out DIR [--leave-out LIDC-IDRI-0001 ...]

Data: LIDC-IDRI (CC BY 3.0, doi:10.7937/K9/TCIA.2015.LO9QL9SX) with LUNA16's annotations (CC BY 4.0).
"""

from __future__ import annotations

import csv
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.tables import ROOT
from fedlung.command_line import Arguments, run_command
from fedlung.errors import WrongArgument
from fedlung.imaging.annotations import Finding, read_findings, write_findings
from fedlung.imaging.geometry import Geometry
from fedlung.imaging.metaimage import write_metaimage
from fedlung.imaging.volume import CTVolume

REAL_CT = ROOT / "../shared/data/real_ct"
CUBE = 51
HOSPITALS = 3
TABLES = {"annotations.csv": False, "annotations_excluded.csv": True}


@dataclass(frozen=True, eq=False)
class Cube:
    """51 mm around one nodule, z, y, x in LPS order, with the readers' mask."""

    patient: str
    hu_zyx: NDArray[np.int16]
    mask_zyx: NDArray[np.bool_]
    diameter_mm: float


def read_cubes() -> Iterator[Cube]:
    """All cubes. The file holds (y, x, z) with z running down; it is turned to LPS here."""
    folder = REAL_CT / "nodule_cubes_51mm"
    with np.load(folder / "cubes.npz") as file:
        hu, packed = file["hu"], file["mask"]
    masks = np.unpackbits(packed, axis=1)[:, : CUBE**3].reshape(-1, CUBE, CUBE, CUBE).astype(bool)
    with (folder / "nodules.csv").open(newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    for row, voxels, mask in zip(rows, hu, masks, strict=True):
        turned = [np.ascontiguousarray(values.transpose(2, 0, 1)[::-1]) for values in (voxels, mask)]
        yield Cube(row["patient"], turned[0], turned[1], float(row["eq_diameter_mm"]))


def lay_out(folder: Path, *, leave_out: Sequence[str] = ()) -> Path:
    """Three hospitals in ``folder``; patients in ``leave_out`` appear nowhere. Made once, then kept."""
    if folder.is_dir():
        return folder
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    findings: dict[str, dict[str, list[Finding]]] = {}
    scans = sorted((REAL_CT / "scans").glob("*/*.mhd"))
    for index, scan in enumerate(scans):
        hospital = partial / f"hospital_{index % HOSPITALS + 1}"
        (hospital / "scans").mkdir(parents=True, exist_ok=True)
        (hospital / "cubes").mkdir(exist_ok=True)
        rows = findings.setdefault(hospital.name, {name: [] for name in TABLES})
        if scan.parent.name not in leave_out:
            _copy_scan(scan, hospital, rows)
    _write_cubes(partial, {scan.parent.name for scan in scans} | set(leave_out), findings)
    for name, tables in findings.items():
        for table, kept in tables.items():
            write_findings(partial / name / table, kept)
    partial.rename(folder)
    return folder


def _copy_scan(scan: Path, hospital: Path, rows: dict[str, list[Finding]]) -> None:
    for part in scan.parent.glob(f"{scan.stem}.*"):
        shutil.copy(part, hospital / "scans")
    for table, excluded in TABLES.items():
        known = read_findings(REAL_CT / "luna16_csv" / table, excluded=excluded)
        rows[table] += [finding for finding in known if finding.series_uid == scan.stem]


def _write_cubes(folder: Path, without: set[str], findings: dict[str, dict[str, list[Finding]]]) -> None:
    """Patients are dealt to the hospitals in turn; those with a full scan are in it already."""
    cubes = sorted((cube for cube in read_cubes() if cube.patient not in without), key=lambda cube: cube.patient)
    for index, cube in enumerate(cubes):
        name = f"hospital_{index % HOSPITALS + 1}"
        uid = f"cube-{cube.patient}"
        geometry = Geometry((CUBE, CUBE, CUBE), (1.0, 1.0, 1.0))
        target = folder / name / "cubes"
        write_metaimage(target / f"{uid}.mha", CTVolume(uid, cube.hu_zyx, geometry), compress=True)
        mask = CTVolume(uid, cube.mask_zyx.astype(np.int16), geometry)
        write_metaimage(target / f"{uid}.mask.mha", mask, compress=True)
        x, y, z = geometry.index_to_world(ndimage.center_of_mass(cube.mask_zyx)).tolist()
        findings[name]["annotations.csv"].append(Finding(uid, (x, y, z), cube.diameter_mm))


def _lay_out(argv: Sequence[str] | None) -> None:
    parser = Arguments("benchmarks.real_hospitals", "Lay out the real CT data beside the checkout as three hospitals.")
    parser.add_argument("--out", type=Path, required=True, help="a new folder for the hospitals")
    parser.add_argument("--leave-out", nargs="*", default=[], metavar="PATIENT", help="appear nowhere")
    arguments = parser.parse_args(argv)
    if not REAL_CT.is_dir():
        raise WrongArgument(f"the real CT data is not on this machine: {REAL_CT} is absent")
    if arguments.out.exists():
        raise WrongArgument(f"--out: {arguments.out} is there already")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    print(lay_out(arguments.out, leave_out=arguments.leave_out))


if __name__ == "__main__":
    sys.exit(run_command(_lay_out))
