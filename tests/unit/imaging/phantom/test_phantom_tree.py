from __future__ import annotations

import numpy as np

from fedlung.imaging.phantom.anatomy import make_anatomy
from fedlung.imaging.phantom.tree import MURRAY_EXPONENT, THINNEST_MM, grow_tree, make_trees

TARGETS = np.random.default_rng(0).uniform(-50, 50, (60, 3))
ROOT = np.array([-70.0, 0, 0])


def test_every_target_is_the_end_of_a_thinnest_branch() -> None:
    tree = grow_tree(ROOT, TARGETS, np.random.default_rng(1))
    tips = tree.ends_xyz_mm[tree.start_radii_mm == THINNEST_MM]
    assert sorted(map(tuple, tips.tolist())) == sorted(map(tuple, TARGETS.tolist()))
    assert len(tree) == 2 * len(TARGETS) - 1


def test_every_branch_starts_at_the_root_or_at_the_end_of_another() -> None:
    tree = grow_tree(ROOT, TARGETS, np.random.default_rng(1))
    ends = {tuple(end) for end in tree.ends_xyz_mm.tolist()} | {tuple(ROOT.tolist())}
    assert all(tuple(start) in ends for start in tree.starts_xyz_mm.tolist())


def test_murrays_law_holds_at_every_branching() -> None:
    tree = grow_tree(ROOT, TARGETS, np.random.default_rng(1))
    carried = tree.start_radii_mm**MURRAY_EXPONENT
    for end, flow in zip(tree.ends_xyz_mm, carried, strict=True):
        children = (tree.starts_xyz_mm == end).all(axis=1)
        assert not children.any() or np.isclose(carried[children].sum(), flow)


def test_vessels_end_below_the_pleura_and_branch_richly() -> None:
    anatomy = make_anatomy(np.random.default_rng(4))
    trees = make_trees(anatomy, np.random.default_rng(5))
    thin = trees.vessels.select(trees.vessels.start_radii_mm < 1.0 * anatomy.size)
    depth = -anatomy.sample("lung", thin.ends_xyz_mm)
    assert (depth > 0).mean() > 0.98
    for side in (-1, 1):
        assert (trees.vessels.ends_xyz_mm[:, 0] * side > 0).sum() > 500
    assert 4 < trees.vessels.start_radii_mm.max() < 8
    assert (trees.walls.start_radii_mm > trees.lumina.start_radii_mm).all()
