"""Lung-RADS by size: both tables written down a second time, and read at their borders."""

from __future__ import annotations

from itertools import pairwise

import pytest

from fedlung.detection.categories import BASELINE, NEW, category_of

TABLE = {  # occasion -> first diameter (mm, one decimal) of each category
    BASELINE: {"2": 1.0, "3": 6.0, "4A": 8.0, "4B": 15.0},
    NEW: {"2": 1.0, "3": 4.0, "4A": 6.0, "4B": 8.0},
}


@pytest.mark.parametrize("occasion", TABLE)
def test_categories_begin_where_the_table_says(occasion: str) -> None:
    rows = list(TABLE[occasion].items())
    for (before, _), (value, from_mm) in pairwise(rows):
        assert category_of(from_mm, occasion).value == value
        assert category_of(from_mm - 0.1, occasion).value == before
    assert category_of(60.0, occasion).value == "4B"


def test_diameters_are_read_with_one_decimal() -> None:
    assert (category_of(5.94).value, category_of(5.96).value) == ("2", "3")


def test_the_rule_names_its_condition() -> None:
    for occasion in TABLE:
        rule = category_of(7.0, occasion).rule
        assert "if solid" in rule
        assert occasion in rule
        assert all(f"{from_mm:g} mm" in rule for from_mm in list(TABLE[occasion].values())[1:])
