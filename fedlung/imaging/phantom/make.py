"""Make one phantom scan with its annotations."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from fedlung.imaging.annotations import UNKNOWN_DIAMETER_MM, Finding
from fedlung.imaging.phantom.anatomy import HALF_HEIGHT_MM, make_anatomy
from fedlung.imaging.phantom.bones import make_skeleton
from fedlung.imaging.phantom.cases import Kind, wishes
from fedlung.imaging.phantom.chest import Patient, make_grain, paint
from fedlung.imaging.phantom.distractors import make_distractors
from fedlung.imaging.phantom.drawing import joined
from fedlung.imaging.phantom.nodules import Nodule, place_nodules
from fedlung.imaging.phantom.scanner import ScannerProfile, acquire, drawing_grid, scan_geometry, scanner_profile
from fedlung.imaging.phantom.tree import make_trees
from fedlung.imaging.volume import CTVolume


@dataclass(frozen=True)
class Phantom:
    """A made scan.

    Attributes:
        volume: the scan.
        findings: annotated nodules, world mm.
        excluded: specks under 3 mm, with unknown diameter.
        kinds: what each of ``findings`` is.
    """

    volume: CTVolume
    findings: tuple[Finding, ...]
    excluded: tuple[Finding, ...]
    kinds: tuple[Kind, ...]


def series_uid(hospital_index: int, scan_index: int, seed: int) -> str:
    """A DICOM UID under the root 2.25, whose rest is a 128-bit number (DICOM PS3.5 B.2)."""
    name = f"fedlung phantom seed={seed} hospital={hospital_index} scan={scan_index}"
    return f"2.25.{int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], 'big')}"


def make_patient(hospital_index: int, scan_index: int, seed: int, *, scale: float = 1.0) -> Patient:
    """The patient behind a scan, whatever scanner is used."""
    streams = np.random.SeedSequence([seed, hospital_index, scan_index]).spawn(6)
    shape, bone, branch, scar, finding, texture = (np.random.default_rng(stream) for stream in streams)
    anatomy = make_anatomy(shape, scale)
    trees = make_trees(anatomy, branch)
    distractors = make_distractors(anatomy, scar)
    others = joined([trees.walls, distractors])
    nodules = place_nodules(wishes(hospital_index, scan_index, seed), anatomy, trees.vessels, others, finding)
    skeleton = make_skeleton(anatomy, bone)
    return Patient(anatomy, skeleton, trees, distractors, nodules, float(bone.uniform()), make_grain(texture))


def make_phantom(
    hospital_index: int, scan_index: int, seed: int, *, scale: float = 1.0, profile: ScannerProfile | None = None
) -> Phantom:
    """Make scan number ``scan_index`` of a hospital: the same arguments give the same bytes.

    Args:
        hospital_index: 0 is the first hospital; it decides the scanner and the mixture of nodules.
        scale: shrinks the chest and the field of view, not the voxels and the nodules; 0.5 is quick.
        profile: another scanner for the same patient, instead of the hospital's own.
    """
    scanner = profile or scanner_profile(hospital_index)
    patient = make_patient(hospital_index, scan_index, seed, scale=scale)
    grid = drawing_grid(scanner, HALF_HEIGHT_MM * patient.anatomy.size, scale)
    noise = np.random.default_rng([seed, hospital_index, scan_index, 1])
    voxels = acquire(paint(patient, grid, scanner.table), scanner, noise)
    geometry = scan_geometry(scanner, grid)
    if scanner.flipped:
        voxels = np.ascontiguousarray(voxels[:, ::-1, ::-1])
    uid = series_uid(hospital_index, scan_index, seed)
    nodules = [nodule for nodule in patient.nodules if nodule.kind is not Kind.SPECK]
    specks = [nodule for nodule in patient.nodules if nodule.kind is Kind.SPECK]
    return Phantom(
        CTVolume(uid, voxels, geometry),
        tuple(_finding(uid, nodule, scanner, nodule.diameter_mm) for nodule in nodules),
        tuple(_finding(uid, speck, scanner, UNKNOWN_DIAMETER_MM) for speck in specks),
        tuple(nodule.kind for nodule in nodules),
    )


def _finding(uid: str, nodule: Nodule, scanner: ScannerProfile, diameter_mm: float) -> Finding:
    x, y, z = (nodule.center_xyz_mm + np.asarray(scanner.world_shift_xyz_mm)).tolist()
    return Finding(uid, (x, y, z), diameter_mm)
