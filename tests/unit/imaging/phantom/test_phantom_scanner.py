from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fedlung.imaging.phantom.scanner import (
    SCANNER_PROFILES,
    ScannerProfile,
    acquire,
    drawing_grid,
    kernel_taps,
    scan_geometry,
    scanner_profile,
    slice_weights,
)

A, B, C = SCANNER_PROFILES
QUIET = replace(A, noise_hu=0.0, offset_hu=0.0)


def test_later_hospitals_vary_the_first_three_the_same_way_every_time() -> None:
    assert [scanner_profile(index) for index in range(3)] == [A, B, C]
    assert scanner_profile(5) == scanner_profile(5)
    assert scanner_profile(5) not in (C, scanner_profile(8))
    assert scanner_profile(4).flipped


def test_the_three_scanners_differ_where_a_detector_feels_it() -> None:
    for name in ("pixel_mm", "slice_spacing_mm", "noise_hu", "offset_hu", "world_shift_xyz_mm"):
        assert len({getattr(profile, name) for profile in SCANNER_PROFILES}) == 3, name
    assert sum(profile.flipped for profile in SCANNER_PROFILES) == 1


def test_a_slice_averages_its_thickness() -> None:
    profile = replace(QUIET, slice_spacing_mm=2.5, slice_thickness_mm=3.0, slices_per_step=2)
    offsets, weights = slice_weights(profile)
    # The picture in slice_weights: millimetres of each 1.25 mm plane that the 3 mm profile covers.
    assert offsets == [-1, 0, 1, 2]
    np.testing.assert_allclose(weights * 3.0, [0.25, 1.25, 1.25, 0.25])


@pytest.mark.parametrize("profile", SCANNER_PROFILES)
def test_slice_profile_and_kernel_keep_the_mean(profile: ScannerProfile) -> None:
    assert slice_weights(profile)[1].sum() == pytest.approx(1)
    assert kernel_taps(profile).sum() == pytest.approx(1)
    np.testing.assert_allclose(kernel_taps(profile), kernel_taps(profile)[::-1])


def test_soft_kernels_blur_and_sharp_ones_overshoot() -> None:
    assert (kernel_taps(B) > 0).all()
    assert kernel_taps(C).min() < 0


@pytest.mark.parametrize("profile", SCANNER_PROFILES)
def test_noise_and_offset_are_those_of_the_profile(profile: ScannerProfile) -> None:
    water = np.zeros((4 * profile.slices_per_step, 200, 200), dtype=np.float32)
    scan = acquire(water, profile, np.random.default_rng(0))
    assert scan.shape == (4, 200, 200)
    assert scan.std() == pytest.approx(profile.noise_hu, rel=0.05)
    assert scan.mean() == pytest.approx(profile.offset_hu, abs=0.5)


def test_acquired_slices_are_a_slow_twin_away() -> None:
    """Slice by slice with np.convolve and explicit sums, in float64."""
    profile = replace(B, noise_hu=0.0, offset_hu=7.0)
    planes = np.random.default_rng(1).uniform(-900, 100, (6, 20, 24)).astype(np.float32)
    offsets, weights = slice_weights(profile)
    taps = kernel_taps(profile)
    reach = len(taps) // 2
    for number, image in enumerate(acquire(planes, profile, np.random.default_rng(0))):
        mean = sum(
            weight * planes[min(max(2 * number + offset, 0), 5)].astype(float)
            for offset, weight in zip(offsets, weights, strict=True)
        )
        padded = np.pad(mean, reach, mode="edge")
        rows = np.array([np.convolve(row, taps, mode="valid") for row in padded])
        expected = np.array([np.convolve(column, taps, mode="valid") for column in rows.T]).T + 7.0
        np.testing.assert_allclose(image, expected, atol=0.51)


def test_a_bright_plane_spreads_over_the_slices_that_cover_it() -> None:
    profile = replace(QUIET, slice_spacing_mm=1.0, slice_thickness_mm=2.0, slices_per_step=1)
    planes = np.zeros((5, 8, 8), dtype=np.float32)
    planes[2] = 1000
    assert acquire(planes, profile, np.random.default_rng(0))[:, 4, 4].tolist() == [0, 250, 500, 250, 0]


@pytest.mark.parametrize("profile", SCANNER_PROFILES)
def test_geometry_puts_a_slice_in_the_middle_of_its_planes(profile: ScannerProfile) -> None:
    grid = drawing_grid(profile, 40.0, 0.25)
    geometry = scan_geometry(profile, grid)
    planes = profile.slices_per_step
    number, row, column = 2, 3, 5
    patient = [grid.axis_mm(2)[column], grid.axis_mm(1)[row], grid.axis_mm(0)[number * planes :][:planes].mean()]
    stored = (number, row, column)
    if profile.flipped:
        stored = (number, grid.shape_zyx[1] - 1 - row, grid.shape_zyx[2] - 1 - column)
        assert geometry.direction_xyz == (-1, 0, 0, 0, -1, 0, 0, 0, 1)
    expected = np.add(patient, profile.world_shift_xyz_mm)
    np.testing.assert_allclose(geometry.index_to_world(stored), expected)
