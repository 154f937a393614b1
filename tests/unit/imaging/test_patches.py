"""Where patches start and what they hold, for every place of a nodule and every size of a scan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedlung.imaging.patches import cut, start_around, start_at_cell
from fedlung.imaging.preprocessing import CELL

SHAPE = (40, 64, 90)
PATCH = 32
shares = st.tuples(*[st.floats(0, 1)] * 3)
seeds = st.integers(0, 10_000)


def _in_scan(start, shape, patch) -> bool:
    return all(at >= 0 and (at + patch <= size or at == 0) for at, size in zip(start, shape, strict=True))


@given(shares, st.floats(3, 29), seeds)
def test_a_nodule_lies_wholly_in_its_patch_as_far_as_the_scan_goes(share, diameter, seed):
    center = np.asarray(share) * (np.asarray(SHAPE) - 1)
    start = start_around(center, diameter, SHAPE, PATCH, np.random.default_rng(seed))
    assert _in_scan(start, SHAPE, PATCH)
    # First and last voxel that the ball touches, as far as they are in the scan.
    first = np.maximum(0, np.ceil(center - diameter / 2))
    last = np.minimum(np.asarray(SHAPE) - 1, np.floor(center + diameter / 2))
    assert (start <= first).all()
    assert (last <= np.asarray(start) + PATCH - 1).all()


def test_a_nodule_is_met_everywhere_in_its_patch():
    random = np.random.default_rng(0)
    center, diameter = np.array([20.0, 32.0, 45.0]), 8.0
    starts = np.array([start_around(center, diameter, SHAPE, PATCH, random) for _ in range(2000)])
    reach = diameter / 2 + 1
    for axis in (1, 2):  # the scan is long enough there that its ends do not limit the start
        wanted = set(range(int(center[axis] + reach - PATCH), int(center[axis] - reach) + 1))
        assert set(starts[:, axis].tolist()) == wanted
    assert set(starts[:, 0].tolist()) == set(range(SHAPE[0] - PATCH + 1))


@pytest.mark.parametrize("diameter", [30.0, 31.0, 40.0, 200.0])
def test_a_nodule_as_large_as_the_patch_or_larger_is_centred(diameter):
    center = np.array([20.0, 32.0, 45.0])
    starts = [start_around(center, diameter, SHAPE, PATCH, np.random.default_rng(seed)) for seed in range(20)]
    middles = np.array(starts) + PATCH / 2
    assert np.abs(middles - center).max() <= 1


@given(st.tuples(*[st.integers(0, 10)] * 3), seeds)
def test_a_search_cell_lies_in_its_patch(cell, seed):
    shape = (22, 64, 22)  # two axes shorter than the patch
    start = start_at_cell(np.array(cell), shape, PATCH, np.random.default_rng(seed))
    assert _in_scan(start, shape, PATCH)
    first = np.asarray(cell) * CELL
    assert (start <= first).all()
    assert (first + CELL <= np.asarray(start) + PATCH).all()


def test_a_search_cell_is_met_everywhere_in_its_patch():
    random = np.random.default_rng(0)
    shape = (200, 200, 200)
    starts = [start_at_cell(np.array([50, 50, 50]), shape, PATCH, random) for _ in range(2000)]
    assert {start[1] for start in starts} == set(range(50 * CELL - (PATCH - CELL), 50 * CELL + 1))


def test_a_patch_is_a_piece_of_the_scan():
    scan = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
    piece = cut(scan, (1, 2, 3), 3)
    assert piece.tolist() == [[[scan[z, y, x] for x in (3, 4, 5)] for y in (2, 3, 4)] for z in (1, 2, 3)]
    piece[:] = -1
    assert scan.min() == 0  # a copy: nothing is written into the scan


def test_beyond_the_end_of_a_short_scan_the_edge_is_repeated():
    scan = np.array([[[1, 2, 3], [4, 5, 6]]], dtype=np.int16)
    row = [[1, 2, 3, 3], [4, 5, 6, 6], [4, 5, 6, 6], [4, 5, 6, 6]]
    piece = cut(scan, (0, 0, 0), 4)
    assert piece.tolist() == [row] * 4
    assert piece.dtype == np.int16


@pytest.mark.parametrize("patch", [2, 4])
def test_a_patch_of_a_mapped_file_is_a_plain_array(tmp_path: Path, patch):
    np.save(tmp_path / "hu.npy", np.ones((3, 3, 3), dtype=np.int16))
    piece = cut(np.load(tmp_path / "hu.npy", mmap_mode="r"), (0, 0, 0), patch)
    assert type(piece) is np.ndarray
    assert piece.flags.writeable
