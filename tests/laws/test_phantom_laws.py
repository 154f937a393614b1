"""What holds for every phantom: same bytes for the same seed, and annotations that are where the nodules are."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from fedlung.imaging.geometry import FloatArray
from fedlung.imaging.phantom import SCANNER_PROFILES, Kind, Phantom, make_patient, make_phantom, scanner_profile
from fedlung.imaging.phantom.anatomy import HALF_HEIGHT_MM
from fedlung.imaging.phantom.chest import Patient, paint
from fedlung.imaging.phantom.drawing import Field, Grid
from fedlung.imaging.phantom.scanner import drawing_grid
from fedlung.imaging.phantom.tree import LungTrees
from fedlung.imaging.volume import CTVolume

SCALE = 0.4
HOSPITALS = range(3)
FINE = replace(SCANNER_PROFILES[0], pixel_mm=0.8, slice_spacing_mm=0.8, slice_thickness_mm=0.8, table=False)


@cache
def small(hospital: int, scan: int, seed: int = 0) -> Phantom:
    return make_phantom(hospital, scan, seed, scale=SCALE)


@cache
def clear(hospital: int, scan: int) -> Phantom:
    """The same scan without noise, blur, calibration error and table."""
    profile = replace(scanner_profile(hospital), noise_hu=0, offset_hu=0, blur_mm=0.1, sharpening=0, table=False)
    return make_phantom(hospital, scan, 0, scale=SCALE, profile=profile)


@cache
def patient(scan: int) -> Patient:
    return make_patient(0, scan, 0, scale=SCALE)


def digest(volume: CTVolume) -> str:
    return hashlib.sha256(volume.voxels_zyx.tobytes()).hexdigest()


def test_same_arguments_same_bytes() -> None:
    again = make_phantom(1, 0, 0, scale=SCALE)
    assert digest(again.volume) == digest(small(1, 0).volume)
    assert again.findings == small(1, 0).findings
    assert again.excluded == small(1, 0).excluded


def test_other_seeds_scans_and_hospitals_are_other_patients() -> None:
    made = [small(0, 0), small(0, 0, seed=1), small(0, 1), small(1, 0), small(2, 0)]
    assert len({digest(phantom.volume) for phantom in made}) == len(made)
    assert len({phantom.volume.series_uid for phantom in made}) == len(made)


def test_a_hospital_keeps_its_scanner_for_every_seed() -> None:
    first, second = small(0, 0).volume.geometry, small(0, 0, seed=1).volume.geometry
    assert first.spacing_zyx_mm == second.spacing_zyx_mm
    assert first.direction_xyz == second.direction_xyz


@pytest.mark.parametrize("hospital", HOSPITALS)
def test_names_are_dicom_uids(hospital: int) -> None:
    uid = small(hospital, 0).volume.series_uid
    assert uid.startswith("2.25.")
    assert len(uid) <= 64
    number = uid.removeprefix("2.25.")
    assert number.isdigit()
    assert number == str(int(number))


@pytest.mark.parametrize("hospital", HOSPITALS)
def test_annotations_are_3_to_30_mm_and_lie_in_the_volume(hospital: int) -> None:
    phantom = small(hospital, 0)
    assert phantom.findings
    for finding in phantom.findings:
        assert 3 <= finding.diameter_mm <= 30
        assert phantom.volume.geometry.contains(finding.center_xyz_mm)
    assert all(finding.diameter_mm == -1 for finding in phantom.excluded)


@pytest.mark.parametrize("hospital", HOSPITALS)
def test_nodules_are_apart_and_in_the_lung(hospital: int) -> None:
    for scan in range(2):
        made = make_patient(hospital, scan, 0, scale=SCALE)
        for number, nodule in enumerate(made.nodules):
            assert made.anatomy.sample("lung", nodule.center_xyz_mm) < 0
            for other in made.nodules[:number]:
                distance = np.linalg.norm(nodule.center_xyz_mm - other.center_xyz_mm)
                assert distance > (nodule.diameter_mm + other.diameter_mm) / 2 + 3


@pytest.mark.parametrize("hospital", HOSPITALS)
def test_the_annotated_place_shows_a_nodule(hospital: int) -> None:
    """In the scan itself, through its geometry: a flipped scan that forgot its direction would show lung."""
    expected = {Kind.GROUND_GLASS: (-720, -300), Kind.PART_SOLID: (-720, 150)}
    phantom = clear(hospital, 0)
    for finding, kind in zip(phantom.findings, phantom.kinds, strict=True):
        low, high = expected.get(kind, (-250, 150))  # slices of 3 mm dilute a nodule of 4 mm
        index = phantom.volume.geometry.world_to_index(finding.center_xyz_mm)
        value = ndimage.map_coordinates(phantom.volume.voxels_zyx, index[:, None], order=1, output=float)[0]
        assert low < value < high, (kind, finding)


def test_a_nodule_lies_at_one_world_place_for_every_scanner() -> None:
    """The same patient in another scanner: annotations move with the world shift, and nothing else."""
    here, there = small(0, 0), make_phantom(0, 0, 0, scale=SCALE, profile=SCANNER_PROFILES[1])
    moved = np.subtract(SCANNER_PROFILES[1].world_shift_xyz_mm, SCANNER_PROFILES[0].world_shift_xyz_mm)
    for first, second in zip(here.findings, there.findings, strict=True):
        np.testing.assert_allclose(np.add(first.center_xyz_mm, moved), second.center_xyz_mm)
        assert first.diameter_mm == second.diameter_mm


def test_flipping_changes_the_order_of_voxels_and_no_world_place() -> None:
    flipped = small(1, 0)
    straight = make_phantom(1, 0, 0, scale=SCALE, profile=replace(SCANNER_PROFILES[1], flipped=False))
    assert flipped.volume.geometry.direction_xyz == (-1, 0, 0, 0, -1, 0, 0, 0, 1)
    assert flipped.findings == straight.findings
    np.testing.assert_array_equal(flipped.volume.voxels_zyx[:, ::-1, ::-1], straight.volume.voxels_zyx)
    _, rows, columns = straight.volume.geometry.shape_zyx
    corner = flipped.volume.geometry.index_to_world([0, rows - 1, columns - 1])
    np.testing.assert_allclose(corner, straight.volume.geometry.origin_xyz_mm)


def drawn_part(made: Patient, number: int) -> tuple[Field, Grid]:
    """What one nodule adds to a noise-free fine picture, as covered part of each voxel."""
    grid = drawing_grid(FINE, HALF_HEIGHT_MM * made.anatomy.size, SCALE)
    bare = replace(made, nodules=[], trees=make_no_trees(made))
    nodule = replace(made.nodules[number], spikes=None)
    without, with_nodule = paint(bare, grid, table=False), paint(replace(bare, nodules=[nodule]), grid, table=False)
    return (with_nodule - without) / (nodule.shape_hu - without), grid


def make_no_trees(made: Patient) -> LungTrees:
    nothing = np.zeros(len(made.trees.vessels), dtype=bool)
    return replace(made.trees, vessels=made.trees.vessels.select(nothing))


def free_solid_nodules() -> list[tuple[int, int]]:
    return [
        (scan, number)
        for scan in range(3)
        for number, nodule in enumerate(patient(scan).nodules)
        if nodule.kind is Kind.SOLID
    ]


def center_of_mass(part: Field, grid: Grid) -> FloatArray:
    z, y, x = np.nonzero(part > 0.5)
    return np.array([grid.axis_mm(2)[x].mean(), grid.axis_mm(1)[y].mean(), grid.axis_mm(0)[z].mean()])


def test_free_solid_nodules_measure_what_their_annotation_says() -> None:
    places = free_solid_nodules()
    assert len(places) >= 2
    for scan, number in places:
        nodule = patient(scan).nodules[number]
        part, grid = drawn_part(patient(scan), number)
        volume_mm3 = part.sum() * np.prod(grid.spacing_zyx_mm)
        assert np.cbrt(6 * volume_mm3 / np.pi) == pytest.approx(nodule.diameter_mm, rel=0.02)
        np.testing.assert_allclose(center_of_mass(part, grid), nodule.center_xyz_mm, atol=grid.pixel_mm / 2)


def lungs_by_threshold(volume: CTVolume) -> list[tuple[float, FloatArray]]:
    """Air spaces that touch no side of the picture, largest first: volume in mL, centre of mass in index order."""
    air, count = ndimage.label(volume.voxels_zyx < -400)
    sides = [air[:, 0], air[:, -1], air[:, :, 0], air[:, :, -1]]
    outside = np.unique(np.concatenate([side.ravel() for side in sides]))
    sizes = np.bincount(air.ravel(), minlength=count + 1) * np.prod(volume.geometry.spacing_zyx_mm) / 1000
    sizes[outside] = sizes[0] = 0
    order = np.argsort(sizes)[::-1][:3]
    return [(float(sizes[label]), ndimage.center_of_mass(air == label)) for label in order]


@pytest.mark.parametrize("hospital", HOSPITALS)
def test_a_plain_threshold_finds_two_lungs_and_a_windpipe(hospital: int) -> None:
    volume = small(hospital, 0).volume
    (first, here), (second, there), (third, _) = lungs_by_threshold(volume)
    # 100 mL is what a lung search asks of an adult's lung; this chest is smaller.
    assert min(first, second) > 500 * SCALE**3
    assert third < 0.2 * second
    assert abs(here[2] - there[2]) > 0.2 * volume.geometry.shape_zyx[2]


def test_an_adult_chest_has_adult_lungs() -> None:
    volume = make_phantom(1, 1, 0).volume
    (first, _), (second, _), _ = lungs_by_threshold(volume)
    assert 1500 < first + second < 4000
    assert volume.voxels_zyx.size < 15e6
    assert 200 <= len(volume.voxels_zyx) * volume.geometry.spacing_zyx_mm[0] <= 240


@pytest.mark.parametrize("hospital", HOSPITALS)
def test_lung_parenchyma_and_chest_wall_have_their_densities(hospital: int) -> None:
    volume = clear(hospital, 0).volume
    low = volume.voxels_zyx[(volume.voxels_zyx < -600) & (volume.voxels_zyx > -950)]
    assert -860 < np.median(low) < -770
    for name, (least, most) in {"fat": (-130, -60), "soft tissue": (20, 80), "bone": (300, 800)}.items():
        share = ((volume.voxels_zyx > least) & (volume.voxels_zyx < most)).mean()
        assert share > 0.004, name
