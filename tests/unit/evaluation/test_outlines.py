"""Dice of what is drawn for a mark against the nodule that it found."""

from __future__ import annotations

import numpy as np
import pytest

from fedlung.detection.balls import Balls
from fedlung.detection.candidates import Candidate
from fedlung.detection.targets import ball_mask
from fedlung.evaluation.dice import dice
from fedlung.evaluation.outlines import outline_dices
from fedlung.imaging.geometry import Geometry

SHAPE = (48, 44, 40)
GEOMETRY = Geometry(SHAPE, (1.0, 1.0, 1.0), (-20.0, 5.0, 100.0))
NODULE = Balls(np.array([[20.0, 22.0, 18.0]]), np.array([10.0]))


def mark(center_zyx, diameter, *, probability=0.9, measured=True):
    x, y, z = GEOMETRY.index_to_world(np.array(center_zyx, float)).tolist()
    return Candidate((x, y, z), probability, diameter, float(np.pi / 6 * diameter**3), measured)


def drawn(*balls):
    shapes = [ball_mask(Balls(np.array([center], float), np.array([d])), SHAPE) for center, d in balls]
    return np.logical_or.reduce(shapes).astype(np.float32)


def test_a_perfect_outline_is_one_whatever_the_mask_holds_elsewhere():
    mask = drawn(((20, 22, 18), 10.0), ((40, 8, 32), 14.0))
    assert outline_dices(NODULE, [mark((21, 22, 18), 10.0)], mask, GEOMETRY) == [1.0]


def test_a_part_of_the_nodule_counts_as_much_as_it_overlaps():
    mask = drawn(((20, 22, 18), 7.0))
    expected = dice(mask > 0.5, drawn(((20, 22, 18), 10.0)) > 0.5)
    assert outline_dices(NODULE, [mark((20, 22, 18), 7.0)], mask, GEOMETRY) == [pytest.approx(expected)]


def test_a_mark_without_a_trusted_mask_is_its_ball():
    expected = dice(drawn(((22, 22, 18), 8.0)) > 0.5, drawn(((20, 22, 18), 10.0)) > 0.5)
    found = outline_dices(NODULE, [mark((22, 22, 18), 8.0, measured=False)], np.ones(SHAPE, np.float32), GEOMETRY)
    assert found == [pytest.approx(expected)]


def test_a_nodule_without_a_mark_is_zero_and_the_most_probable_hit_counts():
    assert outline_dices(NODULE, [], drawn(((20, 22, 18), 10.0)), GEOMETRY) == [0.0]
    beside = mark((20, 22, 24), 10.0, measured=False)  # 6 mm off, the radius is 5
    assert outline_dices(NODULE, [beside], drawn(((20, 22, 18), 10.0)), GEOMETRY) == [0.0]
    small, exact = mark((20, 22, 18), 5.0, measured=False), mark((20, 22, 18), 10.0, probability=0.5, measured=False)
    both = outline_dices(NODULE, [small, exact], np.zeros(SHAPE, np.float32), GEOMETRY)
    assert both == outline_dices(NODULE, [small], np.zeros(SHAPE, np.float32), GEOMETRY) != [1.0]


def test_a_nodule_at_the_border_of_the_scan_is_drawn_inside():
    corner = Balls(np.array([[1.0, 1.0, 1.0]]), np.array([8.0]))
    mask = drawn(((1, 1, 1), 8.0))
    assert outline_dices(corner, [mark((1, 1, 1), 8.0)], mask, GEOMETRY) == [1.0]
