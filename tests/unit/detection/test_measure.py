"""Measuring a nodule from its mask: balls drawn at fractions of a voxel, leaks, gaps and borders."""

from __future__ import annotations

import numpy as np
import pytest

from fedlung.detection.measure import REACH, SMALL_MM, TRUSTED_OF_SMALL, TRUSTED_RATIO, component_at, measure
from fedlung.detection.targets import SMALLEST_DRAWN_DIAMETER

SHAPE = (48, 44, 40)
CENTER = np.array([23.3, 21.8, 19.4])


def _distance(center) -> np.ndarray:
    index = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    return np.linalg.norm(index - np.asarray(center, dtype=float), axis=-1)


def _ball(center, diameter: float) -> np.ndarray:
    return (_distance(center) <= diameter / 2).astype(np.float32)


def _volume(diameter: float) -> float:
    return np.pi / 6 * diameter**3


@pytest.mark.parametrize("diameter", [4.0, 6.4, 10.0, 25.0])
def test_a_ball_is_measured_at_its_place_with_its_size(diameter):
    # The heads are a little off, as a network's are; the mask corrects them.
    center, diameter_mm, volume_mm3, measured = measure(_ball(CENTER, diameter), CENTER + 0.8, diameter * 1.1)
    assert measured
    np.testing.assert_allclose(center, CENTER, atol=0.3)
    # A ball of n voxels is known to about sqrt(n) of them.
    assert diameter_mm == pytest.approx(diameter, rel=0.33 / np.sqrt(_volume(diameter)) * 2 + 0.01)
    assert volume_mm3 == pytest.approx(_volume(diameter_mm))


def test_without_a_mask_the_heads_are_believed():
    center, diameter_mm, volume_mm3, measured = measure(np.zeros(SHAPE, dtype=np.float32), CENTER, 8.0)
    assert not measured
    np.testing.assert_array_equal(center, CENTER)
    assert diameter_mm == 8.0
    assert volume_mm3 == pytest.approx(_volume(8.0))


def test_tissue_that_is_unsure_does_not_count():
    mask = _ball(CENTER, 10.0) * 0.9 + (_ball(CENTER, 14.0) - _ball(CENTER, 10.0)) * 0.5
    _, diameter_mm, _, measured = measure(mask.astype(np.float32), CENTER, 10.0)
    assert measured
    assert diameter_mm == pytest.approx(10.0, rel=0.03)


def test_a_neighbour_in_the_box_does_not_count():
    neighbour = CENTER + np.array([0.0, 11.0, 0.0])
    mask = np.maximum(_ball(CENTER, 10.0), _ball(neighbour, 8.0))
    center, diameter_mm, _, measured = measure(mask, CENTER, 10.0)
    assert measured
    np.testing.assert_allclose(center, CENTER, atol=0.1)
    assert diameter_mm == pytest.approx(10.0, rel=0.03)


@pytest.mark.parametrize("true_diameter", [10.0 * TRUSTED_RATIO[0] * 0.9, 10.0 * TRUSTED_RATIO[1] * 1.1])
def test_a_mask_of_quite_another_size_is_not_believed(true_diameter):
    center, diameter_mm, _, measured = measure(_ball(CENTER, true_diameter), CENTER + 0.5, 10.0)
    assert not measured
    np.testing.assert_array_equal(center, CENTER + 0.5)
    assert diameter_mm == 10.0


@pytest.mark.parametrize(
    ("size_mm", "share", "is_believed"),
    [
        (SMALL_MM * 0.8, TRUSTED_OF_SMALL * 0.9, False),
        (SMALL_MM * 0.8, TRUSTED_OF_SMALL * 1.1, True),
        (SMALL_MM * 1.6, TRUSTED_OF_SMALL * 0.9, True),
    ],
)
def test_a_mask_of_less_than_half_of_a_small_nodule_is_not_believed(size_mm, share, is_believed):
    # 4 mm of a nodule of 5.8 mm are not what decides about its follow-up.
    _, diameter_mm, volume_mm3, measured = measure(_ball(CENTER, size_mm * share), CENTER, size_mm)
    assert measured == is_believed
    assert diameter_mm == pytest.approx(size_mm * (share if is_believed else 1.0), rel=0.05)
    assert volume_mm3 == pytest.approx(_volume(diameter_mm))


def test_a_mask_that_is_everything_is_not_believed():
    assert not measure(np.ones(SHAPE, dtype=np.float32), CENTER, 10.0)[3]


def test_a_leak_into_a_vessel_is_cut_at_the_box():
    mask = _ball(CENTER, 10.0)
    z, y = np.ogrid[: SHAPE[0], : SHAPE[1]]
    mask[(z - CENTER[0]) ** 2 + (y - CENTER[1]) ** 2 <= 1.5**2] = 1.0  # a vessel of 3 mm along the whole x axis
    center, diameter_mm, _, measured = measure(mask, CENTER, 10.0)
    assert measured
    np.testing.assert_allclose(center, CENTER, atol=0.3)
    tube = np.pi * 1.5**2 * 2 * (REACH * 5 + 1 - 5)
    assert 10.0 < diameter_mm <= (6 * (_volume(10.0) + tube) / np.pi) ** (1 / 3) * 1.03


@pytest.mark.parametrize("diameter", [6.0, 10.0, 16.0])
@pytest.mark.parametrize("wall_at_radius", [0.5, 0.8, 1.0])
def test_a_leak_into_the_pleura_is_not_believed(diameter, wall_at_radius):
    mask = _ball(CENTER, diameter)
    mask[:, :, np.arange(SHAPE[2]) >= CENTER[2] + wall_at_radius * diameter / 2] = 1.0
    center, diameter_mm, _, measured = measure(mask, CENTER, diameter)
    assert not measured
    np.testing.assert_array_equal(center, CENTER)
    assert diameter_mm == diameter


def test_a_nodule_smaller_than_masks_are_drawn_keeps_the_size_of_the_heads():
    # Training draws a 3.25 mm nodule 4 mm wide, so a good mask would always say 4 mm.
    mask = _ball(CENTER, SMALLEST_DRAWN_DIAMETER)
    center, diameter_mm, volume_mm3, measured = measure(mask, CENTER, 3.25)
    assert not measured
    np.testing.assert_array_equal(center, CENTER)
    assert diameter_mm == 3.25
    assert volume_mm3 == pytest.approx(_volume(3.25))


@pytest.mark.parametrize("corner", [(0.0, 0.0, 0.0), tuple(count - 1.0 for count in SHAPE), (0.0, 43.0, 20.0)])
def test_at_the_border_of_the_scan_what_is_there_is_measured(corner):
    mask = _ball(corner, 12.0)
    component, low = component_at(mask, np.asarray(corner), 12.0)
    assert component is not None
    assert component.sum() == mask.sum()
    assert (low >= 0).all()
    center, diameter_mm, _, _ = measure(mask, np.asarray(corner), 12.0)
    assert (center >= 0).all()
    assert (center <= np.asarray(SHAPE) - 1).all()
    assert 0 < diameter_mm <= 12.0


def test_a_component_is_given_with_the_start_of_its_box():
    mask = _ball(CENTER, 9.0)
    component, low = component_at(mask, CENTER, 9.0)
    assert component is not None
    np.testing.assert_array_equal(np.argwhere(component) + low, np.argwhere(mask > 0))
    assert component_at(mask, CENTER + 10, 9.0)[0] is None


def test_the_box_reaches_equally_far_on_all_sides():
    component, low = component_at(np.ones(SHAPE, dtype=np.float32), CENTER, 8.0)
    reach = int(np.ceil(REACH * 8.0 / 2))
    assert component is not None
    assert component.shape == (2 * reach + 1,) * 3
    np.testing.assert_array_equal(low, np.rint(CENTER) - reach)
