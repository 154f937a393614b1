"""Side, height and pleura: places in a drawn chest, whose lungs are known by construction."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from fedlung.detection.position import LungMap, Position, cut_ends
from fedlung.imaging.geometry import Geometry
from fedlung.imaging.preprocessing import PreparedScan, prepare
from tests.fake_reader import LUNG_RADII_ZYX_MM, LUNGS_XYZ_MM, chest

RIGHT_LUNG, LEFT_LUNG = (np.array(middle) for middle in LUNGS_XYZ_MM)  # LPS: x grows to the left
HEIGHT, _, WIDTH = LUNG_RADII_ZYX_MM


@pytest.fixture(scope="module")
def scan() -> PreparedScan:
    return prepare(chest())


@pytest.fixture(scope="module")
def lungs(scan: PreparedScan) -> LungMap:
    return LungMap.of(scan)


PLACES = {
    "middle of the right lung": (RIGHT_LUNG, Position("right", "middle", "inside")),
    "middle of the left lung": (LEFT_LUNG, Position("left", "middle", "inside")),
    "left, high": (LEFT_LUNG + np.array([0, 0, 0.5 * HEIGHT]), Position("left", "upper", "inside")),
    "right, low": (RIGHT_LUNG - np.array([0, 0, 0.5 * HEIGHT]), Position("right", "lower", "inside")),
    "at the side": (LEFT_LUNG + np.array([WIDTH - 3, 0, 0]), Position("left", "middle", "pleura")),
}


@pytest.mark.parametrize("name", PLACES)
def test_places(lungs: LungMap, name: str) -> None:
    place, expected = PLACES[name]
    x, y, z = np.asarray(place, dtype=float).tolist()
    assert lungs.position((x, y, z), 6.0) == expected


def test_between_the_lungs_is_no_side(lungs: LungMap) -> None:
    assert lungs.position((0.0, 0.0, 0.0), 6.0).side == "middle"


def test_a_large_nodule_reaches_the_pleura_from_farther_away(lungs: LungMap) -> None:
    x = float(LEFT_LUNG[0] + WIDTH - 16)
    assert lungs.position((x, 0.0, 0.0), 4.0).near == "inside"
    assert lungs.position((x, 0.0, 0.0), 24.0).near == "pleura"


def test_without_lungs_nothing_is_said(scan: PreparedScan) -> None:
    assert LungMap.of(replace(scan, warnings=("no lungs",))).position((55.0, 0.0, 0.0), 6.0) == Position()


@pytest.mark.parametrize("is_upper", [True, False])
def test_of_a_part_of_the_lungs_no_third_is_told_and_its_end_is_no_pleura(scan: PreparedScan, is_upper: bool) -> None:
    whole = scan.search_zyx
    middle = whole.shape[0] // 2
    part = whole[middle:] if is_upper else whole[:middle]
    assert (cut_ends(whole), cut_ends(part)) == ((False, False), (is_upper, not is_upper))
    map_of_part = LungMap(part, scan.geometry.crop((2 * middle if is_upper else 0, 0, 0), scan.hu_zyx.shape))
    x, y, z = (LEFT_LUNG + np.array([0, 0, 5 if is_upper else -5])).tolist()
    assert map_of_part.position((x, y, z), 6.0) == Position("left", "unknown", "inside")


def test_one_lung_has_no_sides() -> None:
    search = np.zeros((30, 30, 40), dtype=bool)
    search[5:25, 5:25, 10:30] = True
    geometry = Geometry((60, 60, 80), (1.0, 1.0, 1.0))
    alone = PreparedScan("one", np.zeros((60, 60, 80), dtype=np.int16), geometry, search, 1.0)
    assert LungMap.of(alone).position((25.0, 30.0, 45.0), 6.0).side == "unknown"


def test_a_map_comes_back_from_json_the_same(scan: PreparedScan, lungs: LungMap) -> None:
    again = LungMap.from_json(json.loads(json.dumps(lungs.to_json())), scan.geometry)
    for place, expected in PLACES.values():
        x, y, z = np.asarray(place, dtype=float).tolist()
        assert again.position((x, y, z), 6.0) == expected
    assert len(json.dumps(lungs.to_json())) < 50_000
