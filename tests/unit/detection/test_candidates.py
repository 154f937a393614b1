"""From drawn maps to candidates: peaks, merging, order, limits, and maps that say nothing sound."""

from __future__ import annotations

from dataclasses import replace
from time import process_time

import numpy as np
import pytest

from fedlung.detection.candidates import (
    DIAMETER_RANGE_MM,
    LOWEST_PROBABILITY,
    MOST_MARKS_PER_SCAN,
    SMALLEST_MERGE_MM,
    find_candidates,
    separated,
)
from fedlung.detection.sliding_window import ScanMaps
from fedlung.errors import FedLungError
from fedlung.imaging.geometry import Geometry
from fedlung.imaging.preprocessing import CELL, PreparedScan

CELLS = (24, 24, 24)
VOXELS = tuple(CELL * count for count in CELLS)


def _scan(search: np.ndarray | None = None) -> PreparedScan:
    """Index zyx and world xyz are the same numbers, but for their order."""
    everywhere = np.ones(CELLS, dtype=bool)
    hu = np.zeros(VOXELS, dtype=np.int16)
    return PreparedScan("1.2.3", hu, Geometry(VOXELS, (1.0, 1.0, 1.0)), everywhere if search is None else search, 4.0)


def _maps(heat: dict[tuple[int, int, int], float], diameter_mm: float = 6.0) -> ScanMaps:
    grid = np.zeros(CELLS, dtype=np.float32)
    for cell, value in heat.items():
        grid[cell] = value
    return ScanMaps(
        heat=grid,
        log_diameter=np.full(CELLS, np.log(diameter_mm), dtype=np.float32),
        offset_zyx=np.zeros((3, *CELLS), dtype=np.float32),
        mask=np.zeros(VOXELS, dtype=np.float32),
    )


def _ball(center_zyx, diameter: float) -> np.ndarray:
    index = np.stack(np.meshgrid(*map(np.arange, VOXELS), indexing="ij"), axis=-1)
    return (np.linalg.norm(index - np.asarray(center_zyx, dtype=float), axis=-1) <= diameter / 2).astype(np.float32)


def _cells(candidates) -> list[tuple[int, ...]]:
    return [tuple(round((value - 0.5) / CELL) for value in item.center_xyz_mm[::-1]) for item in candidates]


def test_a_peak_becomes_a_candidate_at_its_cell_plus_its_offset():
    maps = _maps({(5, 6, 7): 0.75}, diameter_mm=8.0)
    maps.offset_zyx[:, 5, 6, 7] = (0.25, -0.5, 1.0)
    (found,) = find_candidates(maps, _scan())
    # Cell c has its centre at voxel 2c + 0.5; the world here is xyz of the voxel index.
    assert found.center_xyz_mm == (2 * 7 + 0.5 + 1.0, 2 * 6 + 0.5 - 0.5, 2 * 5 + 0.5 + 0.25)
    assert found.probability == 0.75
    assert found.diameter_mm == pytest.approx(8.0)
    assert found.volume_mm3 == pytest.approx(np.pi / 6 * 8.0**3)
    assert not found.measured


def test_the_best_comes_first_and_the_lowest_are_left_out():
    heat = {(2, 2, 2): 0.2, (2, 2, 20): 0.9, (20, 2, 2): LOWEST_PROBABILITY * 0.9, (20, 20, 20): 0.5}
    found = find_candidates(_maps(heat), _scan())
    assert _cells(found) == [(2, 2, 20), (20, 20, 20), (2, 2, 2)]
    assert [item.probability for item in found] == pytest.approx([0.9, 0.5, 0.2])


def test_only_peaks_in_the_search_region_count():
    search = np.zeros(CELLS, dtype=bool)
    search[:12] = True
    found = find_candidates(_maps({(4, 4, 4): 0.5, (20, 4, 4): 0.9}), _scan(search))
    assert _cells(found) == [(4, 4, 4)]


def test_a_slope_has_no_peak_but_its_top():
    maps = _maps({})
    maps.heat[10, 10, 4:12] = np.linspace(0.1, 0.8, 8)
    assert _cells(find_candidates(maps, _scan())) == [(10, 10, 11)]


def test_marks_at_equal_scores_are_all_kept_in_the_order_of_the_array():
    heat = {(20, 2, 2): 0.5, (2, 2, 2): 0.5, (2, 20, 2): 0.5}
    assert _cells(find_candidates(_maps(heat), _scan())) == [(2, 2, 2), (2, 20, 2), (20, 2, 2)]


def test_a_plateau_of_equal_cells_is_one_nodule():
    maps = _maps({})
    maps.heat[8:10, 8:10, 8:10] = 1.0
    assert _cells(find_candidates(maps, _scan())) == [(8, 8, 8)]


@pytest.mark.parametrize(
    ("diameter_mm", "cells_apart", "count"), [(6.0, 2, 1), (6.0, 3, 2), (16.0, 4, 1), (16.0, 5, 2)]
)
def test_a_mark_within_a_better_marks_radius_is_the_same_nodule(diameter_mm, cells_apart, count):
    # Cells are 2 mm apart; the radius is half the diameter, at least 4 mm.
    assert (cells_apart * CELL > max(SMALLEST_MERGE_MM, diameter_mm / 2)) == (count == 2)
    heat = {(10, 10, 4): 0.9, (10, 10, 4 + cells_apart): 0.6}
    assert len(find_candidates(_maps(heat, diameter_mm), _scan())) == count


def test_the_radius_is_the_better_marks():
    maps = _maps({(10, 10, 4): 0.9, (10, 10, 8): 0.6}, diameter_mm=6.0)
    maps.log_diameter[10, 10, 8] = np.log(30.0)
    assert len(find_candidates(maps, _scan())) == 2


def test_two_marks_that_measure_the_same_nodule_are_one():
    # The size head says 14 mm, the mask 20 mm: two peaks 8 mm apart are beyond each other's radius, yet in one mask.
    maps = _maps({(12, 12, 10): 0.9, (12, 12, 14): 0.6}, diameter_mm=14.0)
    maps = replace(maps, mask=_ball((24.5, 24.5, 24.5), 20.0))
    found = find_candidates(maps, _scan())
    assert [item.probability for item in found] == pytest.approx([0.9])
    assert found[0].measured


def test_a_measured_mark_takes_centre_and_size_from_the_mask():
    center = (24.0, 25.0, 23.0)
    maps = replace(_maps({(12, 12, 11): 0.8}, diameter_mm=8.0), mask=_ball(center, 10.0))
    (found,) = find_candidates(maps, _scan())
    assert found.measured
    assert found.center_xyz_mm == pytest.approx(center[::-1])
    assert found.diameter_mm == pytest.approx(10.0, rel=0.03)
    assert found.volume_mm3 == maps.mask.sum()


def test_at_most_a_hundred_marks_and_those_are_the_best():
    random = np.random.default_rng(0)
    spots = np.stack(np.meshgrid(*[np.arange(1, 24, 3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    values = random.permutation(np.linspace(0.1, 0.9, len(spots)))
    maps = _maps({tuple(spot): value for spot, value in zip(spots.tolist(), values, strict=True)}, diameter_mm=3.0)
    found = find_candidates(maps, _scan())
    assert len(spots) > MOST_MARKS_PER_SCAN == len(found)
    assert [item.probability for item in found] == pytest.approx(np.sort(values)[::-1][:MOST_MARKS_PER_SCAN].tolist())


def test_no_peak_is_an_empty_list():
    assert find_candidates(_maps({}), _scan()) == []


@pytest.mark.parametrize("log_diameter", [-1000.0, 1000.0])
def test_a_size_beyond_all_nodules_is_cut_to_the_range(log_diameter):
    maps = _maps({(10, 10, 10): 0.5})
    maps.log_diameter[:] = log_diameter
    (found,) = find_candidates(maps, _scan())
    assert found.diameter_mm == pytest.approx(DIAMETER_RANGE_MM[int(log_diameter > 0)])


def test_an_offset_out_of_the_scan_is_cut_to_its_border():
    maps = _maps({(10, 10, 10): 0.5})
    maps.offset_zyx[:] = np.array([-1e6, 0.0, 1e6]).reshape(3, 1, 1, 1)
    (found,) = find_candidates(maps, _scan())
    assert found.center_xyz_mm == (VOXELS[2] - 1.0, 20.5, 0.0)


@pytest.mark.parametrize("name", ["heat", "log_diameter", "offset_zyx", "mask"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_network_that_answers_nonsense_is_an_error_and_never_an_empty_list(name, value):
    maps = _maps({(10, 10, 10): 0.5})
    getattr(maps, name)[..., 3, 3] = value
    with pytest.raises(FedLungError, match=r"1\.2\.3.*NaN or infinite"):
        find_candidates(maps, _scan())


def test_merging_is_done_once_and_for_all():
    random = np.random.default_rng(0)
    centers, diameters = random.uniform(0, 40, (300, 3)), random.uniform(3, 20, 300)
    kept = separated(centers, diameters)
    assert 1 < len(kept) < MOST_MARKS_PER_SCAN
    assert separated(centers[kept], diameters[kept]) == list(range(len(kept)))
    # By hand: a mark is kept when no better kept mark holds it.
    slow: list[int] = []
    for index, center in enumerate(centers):
        radii = [max(SMALLEST_MERGE_MM, diameters[other] / 2) for other in slow]
        if all(np.linalg.norm(center - centers[other]) > radius for other, radius in zip(slow, radii, strict=True)):
            slow.append(index)
    assert kept == slow


def test_a_map_full_of_equal_large_marks_is_read_in_reasonable_time():
    # What a network at the start of its training may say; every cell is a peak.
    maps = _maps({}, diameter_mm=60.0)
    maps.heat[:] = 0.5
    started = process_time()
    assert len(find_candidates(maps, _scan())) < 20
    assert process_time() - started < 0.5


def test_what_is_drawn_has_the_volume_that_is_said_where_the_mask_goes_on():
    # A slab through the whole scan: its middle lies elsewhere than the peak, and the equivalent ball is larger.
    mask = np.zeros(VOXELS, dtype=np.float32)
    mask[:, 20:28, 18:] = 1.0
    maps = replace(_maps({(12, 12, 11): 0.8}, diameter_mm=12.0), mask=mask)
    (found,) = find_candidates(maps, _scan())
    assert found.measured
    assert found.diameter_mm > 1.1 * 12.0
    component, _ = found.outline(mask, _scan().geometry)
    assert component is not None
    assert component.sum() == found.volume_mm3
