"""Windows over a scan: where they start, that they cover the search region, and how they are merged."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from fedlung.detection.losses import Heads
from fedlung.detection.sliding_window import GRID, ScanMaps, WindowPlan, axis_starts, read_scan, window_starts
from fedlung.errors import Stopped
from fedlung.imaging.geometry import Geometry
from fedlung.imaging.preprocessing import CELL, PreparedScan, to_unit_interval

CPU = torch.device("cpu")
plans = st.integers(2, 8).flatmap(
    lambda n: st.integers(1, n // 2).map(lambda overlap: WindowPlan((n * GRID,) * 3, overlap * GRID))
)


def _scan(shape: tuple[int, int, int], search: np.ndarray | None = None, seed: int = 0) -> PreparedScan:
    hu = np.random.default_rng(seed).integers(-1000, 401, size=shape, dtype=np.int16)
    cells = tuple(count // CELL for count in shape)
    everywhere = np.ones(cells, dtype=bool)
    return PreparedScan("1.2.3", hu, Geometry(shape, (1.0, 1.0, 1.0)), everywhere if search is None else search, 4.0)


def local_network(x: torch.Tensor) -> Heads:
    """Answers from each cell's own eight voxels: the same whatever the window is."""
    mean = functional.avg_pool3d(x, CELL)
    offsets = torch.cat([mean - 0.5, mean**2, 1 - mean], dim=1)
    return Heads(4 * mean - 2, mean + 1, offsets, 3 * x - 1)


def _expected(scan: PreparedScan) -> ScanMaps:
    heads = local_network(torch.from_numpy(to_unit_interval(scan.hu_zyx))[None, None])
    heat, mask = heads.heat_logits.sigmoid()[0, 0], heads.mask_logits.sigmoid()[0, 0]
    return ScanMaps(heat.numpy(), heads.log_diameter[0, 0].numpy(), heads.offset_zyx[0].numpy(), mask.numpy())


@given(st.integers(1, 300).map(lambda n: 2 * n), plans)
def test_windows_cover_an_axis_and_overlap_as_planned(size, plan):
    starts = axis_starts(size, plan.edges_zyx[0], plan.overlap)
    assert starts[0] == 0
    assert all(start % CELL == 0 for start in starts)
    assert starts[-1] + plan.edges_zyx[0] == size or (len(starts) == 1 and size <= plan.edges_zyx[0])
    steps = np.diff(starts)
    assert (steps > 0).all()
    # Starts are rounded to whole cells, so neighbours may overlap by one cell less than planned.
    assert (steps <= plan.edges_zyx[0] - plan.overlap + CELL).all()


def test_the_drawn_example_of_window_starts():
    assert axis_starts(150, 96, 16) == [0, 54]
    assert axis_starts(96, 96, 16) == [0]
    assert axis_starts(98, 96, 16) == [0, 2]


@pytest.mark.parametrize(("edge", "overlap"), [(96, 0), (96, 64), (90, 16), (96, 8), (16, 16), (0, 0)])
def test_a_plan_off_the_grid_is_refused(edge, overlap):
    with pytest.raises(ValueError, match="multiples of 16"):
        WindowPlan((edge,) * 3, overlap)


def test_only_windows_with_a_part_of_the_search_region_are_read():
    search = np.zeros((48, 16, 16), dtype=bool)
    plan = WindowPlan((32,) * 3, 16)
    assert window_starts(search, (96, 32, 32), plan) == []
    search[20, 3, 3] = True  # voxels 40 and 41
    assert window_starts(search, (96, 32, 32), plan) == [(16, 0, 0), (32, 0, 0)]
    search[:] = True
    assert len(window_starts(search, (96, 32, 32), plan)) == 5


@pytest.mark.parametrize("plan", [WindowPlan((32,) * 3, 16), WindowPlan((48,) * 3, 16), WindowPlan((64,) * 3, 32)])
@pytest.mark.parametrize("shape", [(70, 54, 82), (20, 100, 34), (32, 32, 32), (2, 2, 2)])
def test_the_maps_do_not_depend_on_the_windows(plan, shape):
    scan = _scan(shape)
    found, expected = read_scan(local_network, scan, plan=plan, device=CPU), _expected(scan)
    np.testing.assert_allclose(found.heat, expected.heat, atol=1e-5)
    np.testing.assert_allclose(found.log_diameter, expected.log_diameter, atol=1e-5)
    np.testing.assert_allclose(found.offset_zyx, expected.offset_zyx, atol=1e-5)
    np.testing.assert_allclose(found.mask, expected.mask, atol=1e-5)


def test_where_no_window_was_the_maps_are_zero():
    search = np.zeros((64, 16, 16), dtype=bool)
    search[:8] = True
    maps = read_scan(local_network, _scan((128, 32, 32), search), plan=WindowPlan((32,) * 3, 16), device=CPU)
    assert (maps.heat[:8] > 0).all()
    assert not maps.heat[-16:].any()
    assert not maps.mask[-32:].any()


def test_in_an_overlap_the_window_with_the_farther_border_counts_more():
    plan = WindowPlan((32,) * 3, 16)
    seen = []

    def number_of_window(x: torch.Tensor) -> Heads:
        cells = torch.zeros(1, 1, *(count // CELL for count in x.shape[2:]))
        seen.append(x)
        return Heads(cells, cells + len(seen), torch.cat([cells] * 3, dim=1), torch.zeros_like(x))

    maps = read_scan(number_of_window, _scan((48, 32, 32)), plan=plan, device=CPU)
    assert len(seen) == 2
    line = maps.log_diameter[:, 8, 8]
    # Windows at 0..31 and 16..47: alone in cells 0-7 and 16-23, sliding from 1 to 2 in between.
    np.testing.assert_allclose(line[:8], 1.0, rtol=1e-6)
    np.testing.assert_allclose(line[16:], 2.0, rtol=1e-6)
    assert (np.diff(line[7:17]) > 0).all()
    np.testing.assert_allclose(line[8:16] + line[8:16][::-1], 3.0, rtol=1e-5)


def test_progress_is_told_and_a_stop_is_obeyed():
    told: list[float] = []
    scan, plan = _scan((80, 32, 32)), WindowPlan((32,) * 3, 16)
    read_scan(local_network, scan, plan=plan, device=CPU, on_progress=told.append)
    assert told == [0.25, 0.5, 0.75, 1.0]
    with pytest.raises(Stopped):
        read_scan(
            local_network, scan, plan=plan, device=CPU, on_progress=told.append, should_stop=lambda: len(told) > 5
        )
    assert len(told) == 6


def test_a_mapped_read_only_scan_is_read_without_a_warning(tmp_path):
    scan = _scan((32, 32, 32))
    np.save(tmp_path / "hu.npy", scan.hu_zyx)
    mapped = PreparedScan("1.2.3", np.load(tmp_path / "hu.npy", mmap_mode="r"), scan.geometry, scan.search_zyx, 4.0)
    found = read_scan(local_network, mapped, plan=WindowPlan((32,) * 3, 16), device=CPU)
    np.testing.assert_allclose(found.mask, _expected(scan).mask, atol=1e-5)


@given(st.tuples(*[st.integers(1, 200).map(lambda n: 2 * n)] * 3), st.integers(64**3, 2**22))
def test_the_plan_for_a_scan_fits_in_memory_and_covers_it(shape, most_voxels):
    plan = WindowPlan.for_scan(shape, most_voxels)
    assert np.prod(plan.edges_zyx) <= most_voxels
    for size, edge in zip(shape, plan.edges_zyx, strict=True):
        starts = axis_starts(size, edge, plan.overlap)
        assert starts[-1] + edge >= size
    if np.prod([max(64, -(-size // GRID) * GRID) for size in shape]) <= most_voxels:
        assert len(window_starts(np.ones([-(-n // CELL) for n in shape], bool), shape, plan)) == 1


def test_the_drawn_example_of_a_plan():
    assert WindowPlan.for_scan((294, 214, 276), 2**23).edges_zyx == (304, 128, 160)
