"""A prediction in numbers and words: every field of a candidate, the label grid, warnings and uncertainty."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fedlung.detection.description import describe, label_grid, quality_warnings, slice_number, uncertainty
from fedlung.detection.prediction import ModelOrigin, Prediction
from fedlung.imaging.geometry import Geometry
from fedlung.imaging.preprocessing import prepare
from fedlung.imaging.resampling import reorient_to_lps
from tests.fake_reader import DIAMETERS_MM, PROBABILITIES, THRESHOLD, chest, marked


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    scan = prepare(chest())
    mask, candidates = marked(scan, PROBABILITIES)
    return Prediction(scan, chest().geometry, candidates, THRESHOLD, mask, ModelOrigin("1" * 64, "m", {}, {}), {})


def test_every_candidate_is_described(prediction: Prediction) -> None:
    viewed = reorient_to_lps(chest()).geometry
    first, second, third = describe(prediction, viewed)
    assert [item["id"] for item in (first, second, third)] == ["m1", "m2", "m3"]
    assert first["center_xyz_mm"] == [round(v, 4) for v in prediction.candidates[0].center_xyz_mm]
    assert first["position"]["side"] == "right"
    assert third["position"]["side"] == "left"
    assert (first["attenuation"], second["attenuation"]) == ("ground_glass", None)  # the second has no mask
    assert (first["category"]["value"], second["category"]["value"]) == ("4A", "2")


def test_slices_are_counted_from_the_feet_in_the_viewers_order() -> None:
    geometry = Geometry((10, 4, 4), (2.5, 1.0, 1.0), (0.0, 0.0, -10.0))
    assert slice_number(geometry, (0.0, 0.0, -10.0)) == 1
    assert slice_number(geometry, (0.0, 0.0, -10.0 + 9 * 2.5)) == 10
    assert slice_number(geometry, (0.0, 0.0, 500.0)) == 10


def test_labels_are_the_masks_and_a_ball_where_there_is_none(prediction: Prediction) -> None:
    labels = label_grid(prediction)
    assert set(np.unique(labels)) == {0, 1, 2, 3}
    for number in (1, 3):
        np.testing.assert_array_equal(labels == number, (prediction.mask > 0.5) & (labels == number))
    assert np.count_nonzero(labels == 1) + np.count_nonzero(labels == 3) == np.count_nonzero(prediction.mask > 0.5)
    ball = np.pi / 6 * DIAMETERS_MM[1] ** 3
    assert np.count_nonzero(labels == 2) == pytest.approx(ball, rel=0.3)
    centers = [prediction.scan.geometry.world_to_index(item.center_xyz_mm) for item in prediction.candidates]
    assert [int(labels[tuple(np.rint(center).astype(int))]) for center in centers] == [1, 2, 3]


def test_a_sound_scan_has_no_warning(prediction: Prediction) -> None:
    spacing = (1.25, 0.7, 0.7)
    assert quality_warnings(replace(prediction, original=replace(prediction.original, spacing_zyx_mm=spacing))) == []


@pytest.mark.parametrize(
    ("spacing_zyx_mm", "thickness_mm", "codes"),
    [
        ((5.0, 0.7, 0.7), None, ["thick_slices", "unusual_spacing"]),
        ((1.0, 0.7, 0.7), 5.0, ["thick_slices"]),  # thick slices that overlap
        ((2.5, 1.5, 1.5), None, ["unusual_spacing"]),
    ],
)
def test_what_makes_marks_less_sure_is_said(
    prediction: Prediction, spacing_zyx_mm: tuple[float, float, float], thickness_mm: float | None, codes: list[str]
) -> None:
    odd = replace(prediction, original=replace(prediction.original, spacing_zyx_mm=spacing_zyx_mm))
    assert [warning["code"] for warning in quality_warnings(odd, thickness_mm)] == codes


def test_missing_lungs_are_said_with_their_reason(prediction: Prediction) -> None:
    lost = replace(prediction, scan=replace(prediction.scan, warnings=("no lungs were found",)))
    (warning,) = [found for found in quality_warnings(lost) if found["code"] == "lungs_not_found"]
    assert warning["values"] == {"reason": "no lungs were found"}


def test_lungs_that_go_on_outside_the_scan_are_said(prediction: Prediction) -> None:
    search = prediction.scan.search_zyx[prediction.scan.search_zyx.shape[0] // 2 :]
    part = replace(prediction, scan=replace(prediction.scan, search_zyx=search))
    assert [found["code"] for found in quality_warnings(part) if "cut" in found["code"]] == ["lungs_cut_below"]


def test_uncertainty_is_largest_where_the_marks_are_half_sure() -> None:
    assert uncertainty([]) == 0.0
    assert uncertainty([0.5] * 9) == 1.0
    assert uncertainty([1.0, 0.0]) == 0.0
    assert 0 < uncertainty([0.99, 0.01]) < uncertainty([0.7, 0.4]) < 1
