"""A hospital's scans made ready to train on: prepared voxels plus nodules in voxel units."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedlung.detection.balls import Balls, balls_of
from fedlung.errors import BadScan, HospitalData
from fedlung.imaging.annotations import Finding
from fedlung.imaging.hospital_folder import HospitalFolder, mask_of_cube
from fedlung.imaging.metaimage import read_metaimage
from fedlung.imaging.prepared_cache import open_prepared
from fedlung.imaging.preprocessing import PreparedScan, prepare_piece


@dataclass(frozen=True, eq=False)
class TrainingScan:
    """One prepared scan with its reference.

    Attributes:
        scan: voxels and search region.
        findings: reference nodules in world mm, for judging; also those outside the prepared box, which a
            detector cannot find but has missed.
        excluded: findings in world mm that are neither right nor wrong.
        nodules: ``findings`` inside the box as balls on the scan's voxels, for drawing targets.
        ignored: those of ``excluded`` that have a diameter, as balls: the loss is silent there.
        search_cells: int16 indices of the search cells, shape (n, 3), for sampling.
        mask_zyx: nodule tissue voxel by voxel where it was outlined; None: the balls stand for it.
        whole: False for a piece cut out around a nodule, which has no lungs to sample or to read.
    """

    scan: PreparedScan
    findings: tuple[Finding, ...]
    excluded: tuple[Finding, ...]
    nodules: Balls
    ignored: Balls
    search_cells: NDArray[np.int16]
    mask_zyx: NDArray[np.bool_] | None = None
    whole: bool = True


def open_training_scans(
    hospital: HospitalFolder, cache: Path | None, report: Callable[[str], None]
) -> list[TrainingScan]:
    """Prepare every readable scan of a hospital; ``report`` gets one sentence per thing left out.

    An unreadable scan is skipped with its name. A nodule outside its scan is not taught but named, since a
    wrong coordinate system would otherwise teach nonsense silently.

    Raises:
        HospitalData: not one scan could be read.
    """
    opened = []
    for path in hospital.scans:
        try:
            scan = open_prepared(path, cache)
        except (BadScan, OSError) as error:
            report(f"hospital {hospital.hospital_id}: scan {path.name} is skipped: {error}")
            continue
        for warning in scan.warnings:
            report(f"hospital {hospital.hospital_id}: scan {path.name}: {warning}")
        findings = hospital.nodules_of(scan.series_uid)
        for finding in findings:
            if not scan.geometry.contains(finding.center_xyz_mm):
                report(f"hospital {hospital.hospital_id}: {_outside(finding)}")
        opened.append(training_scan(scan, findings, hospital.excluded_of(scan.series_uid)))
    if hospital.scans and not opened:
        raise HospitalData(f"hospital {hospital.hospital_id}: none of its {len(hospital.scans)} scans could be read")
    known = {path.stem for path in (*hospital.scans, *hospital.cubes)}
    strangers = sorted({finding.series_uid for finding in hospital.nodules} - known)
    if strangers:
        report(f"hospital {hospital.hospital_id}: annotations of {len(strangers)} unknown scan(s), e.g. {strangers[0]}")
    return opened


def open_training_cubes(hospital: HospitalFolder, report: Callable[[str], None]) -> list[TrainingScan]:
    """The pieces of scans around nodules; one that cannot be read is skipped with its name."""
    opened = []
    for path in hospital.cubes:
        try:
            piece = prepare_piece(read_metaimage(path))
            outline = _outline(path, piece)
        except (BadScan, OSError) as error:
            report(f"hospital {hospital.hospital_id}: cube {path.name} is skipped: {error}")
            continue
        scan = training_scan(piece, hospital.nodules_of(piece.series_uid), hospital.excluded_of(piece.series_uid))
        opened.append(replace(scan, mask_zyx=outline, whole=False))
    return opened


def _outline(cube: Path, piece: PreparedScan) -> NDArray[np.bool_] | None:
    path = mask_of_cube(cube)
    if path is None:
        return None
    mask = prepare_piece(read_metaimage(path)).hu_zyx > 0
    if mask.shape != piece.hu_zyx.shape:
        raise BadScan(f"its mask has shape {mask.shape} at 1 mm, the cube has {piece.hu_zyx.shape}")
    return mask


def training_scan(scan: PreparedScan, findings: Sequence[Finding], excluded: Sequence[Finding]) -> TrainingScan:
    """Pair a prepared scan with its reference findings (world mm)."""
    inside = [finding for finding in findings if scan.geometry.contains(finding.center_xyz_mm)]
    measured = [finding for finding in excluded if finding.diameter_mm > 0]
    return TrainingScan(
        scan=scan,
        findings=tuple(findings),
        excluded=tuple(excluded),
        nodules=balls_of(inside, scan.geometry),
        ignored=balls_of(measured, scan.geometry),
        search_cells=np.argwhere(scan.search_zyx).astype(np.int16),
    )


def _outside(finding: Finding) -> str:
    x, y, z = finding.center_xyz_mm
    return (
        f"the nodule at ({x:.1f}, {y:.1f}, {z:.1f}) mm lies outside the lungs' box of scan {finding.series_uid} and "
        "cannot be learned or found; coordinates must be world mm, LPS"
    )
