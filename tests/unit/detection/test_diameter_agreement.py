"""Which size class a measured diameter falls into, and what a card says of it."""

from __future__ import annotations

from typing import Any

import pytest

from fedlung.detection.categories import category_of
from fedlung.detection.diameter_agreement import CLASSES_MM, agreement_at, is_of_class

BOUNDS = ([0.0, 6.0], [6.0, 8.0], [8.0, 15.0], [15.0, None])
VALIDATION: dict[str, Any] = {"diameter_agreement": {"bins": [{"bounds_mm": bounds} for bounds in BOUNDS]}}
SIZES_MM = (0.0, 2.0, 5.94, 5.95, 5.96, 6.0, 7.94, 7.96, 8.0, 14.94, 14.95, 14.96, 15.0, 60.0)


@pytest.mark.parametrize("diameter_mm", SIZES_MM)
def test_a_diameter_is_in_one_class_and_it_is_that_of_its_category(diameter_mm: float) -> None:
    classes = [number for number, bounds in enumerate(CLASSES_MM) if is_of_class(diameter_mm, bounds)]
    assert [["2", "3", "4A", "4B"][number] for number in classes] == [category_of(diameter_mm).value]
    assert agreement_at(VALIDATION, diameter_mm) == {"bounds_mm": BOUNDS[classes[0]]}


@pytest.mark.parametrize("validation", [{}, {"diameter_agreement": None}, {"cpm": 0.5}, {"diameter_agreement": {}}])
def test_a_model_whose_validation_has_no_diameters_says_nothing(validation: dict[str, Any]) -> None:
    assert agreement_at(validation, 8.0) is None
