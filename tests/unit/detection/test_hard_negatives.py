"""Hard negatives: false marks only, from the weights that came in, and cut where they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fedlung.detection.hard_negatives import MOST_PER_SCAN, find_hard_negatives
from fedlung.detection.losses import Heads
from fedlung.detection.training_options import TrainingOptions
from fedlung.detection.training_scan import TrainingScan, training_scan
from fedlung.errors import WrongArgument
from fedlung.imaging.annotations import UNKNOWN_DIAMETER_MM, Finding
from fedlung.imaging.geometry import Geometry
from fedlung.imaging.preprocessing import PreparedScan
from train_simple_model import LocalTrainer, NodulePatches, initial_weights

EDGE = 96
CPU = torch.device("cpu")
BRIGHT_CELLS = {"nodule": (8, 8, 8), "speck": (8, 8, 40), "vessel": (40, 40, 8), "rib": (40, 8, 40)}


def _world(cell: tuple[int, int, int]) -> tuple[float, float, float]:
    z, y, x = (2 * index + 0.5 for index in cell)
    return x, y, z


def _scan(findings: list[Finding], excluded: list[Finding]) -> TrainingScan:
    """A cube of 96 mm, black but for one voxel in each of the bright cells."""
    hu = np.full((EDGE, EDGE, EDGE), -1000, dtype=np.int16)
    for z, y, x in BRIGHT_CELLS.values():
        hu[2 * z, 2 * y, 2 * x] = 400
    geometry = Geometry((EDGE, EDGE, EDGE), (1.0, 1.0, 1.0))
    search = np.ones((EDGE // 2,) * 3, dtype=bool)
    return training_scan(PreparedScan("scan", hu, geometry, search, 4.0), findings, excluded)


def _network(x: torch.Tensor) -> Heads:
    """Takes every bright voxel for a nodule of 6 mm."""
    heat = torch.nn.functional.max_pool3d(x, 2) * 8 - 6
    size = torch.full_like(heat, float(np.log(6.0)))
    return Heads(heat, size, torch.zeros_like(heat).repeat(1, 3, 1, 1, 1), torch.full_like(x, -9.0))


def _mined(scan: TrainingScan) -> list[tuple[float, ...]]:
    found = find_hard_negatives(_network, [scan], device=CPU, should_stop=lambda: False)
    assert all(item.scan is scan for item in found)
    return sorted(tuple(np.round(item.center_zyx[::-1], 3).tolist()) for item in found)


def test_marks_on_findings_are_left_in_peace():
    nodule = Finding("scan", _world(BRIGHT_CELLS["nodule"]), 6.0)
    speck = Finding("scan", _world(BRIGHT_CELLS["speck"]), UNKNOWN_DIAMETER_MM)
    wrong = sorted(_world(BRIGHT_CELLS[name]) for name in ("vessel", "rib"))
    assert _mined(_scan([nodule], [speck])) == wrong
    assert len(_mined(_scan([], []))) == len(BRIGHT_CELLS) <= MOST_PER_SCAN


def test_half_of_the_negative_patches_show_a_hard_negative():
    scan = _scan([Finding("scan", _world(BRIGHT_CELLS["nodule"]), 6.0)], [])
    hard = find_hard_negatives(_network, [scan], device=CPU, should_stop=lambda: False)
    options = TrainingOptions(patch=16, batch=10, patches_per_scan=400, positive_share=0.0)
    patches = NodulePatches([scan], options)

    def share(known) -> float:
        shown = [patch.max() > 0.8 for x, _ in patches.batches(0, known) for patch in x]
        return float(np.mean(shown))

    without = share(())
    assert without < 0.1
    assert share(hard) == pytest.approx(0.5 + 0.5 * without, abs=0.1)


def test_mining_changes_the_training_and_repeats_itself():
    scan = _scan([Finding("scan", _world(BRIGHT_CELLS["nodule"]), 6.0)], [])
    options = TrainingOptions(patch=16, batch=2, patches_per_scan=4, positive_share=0.0, mined_scans=1)
    arguments = {"learning_rate": 1e-3, "epochs": 1, "seed": 5}
    weights = initial_weights(0)
    mined = [LocalTrainer([scan], options).train(weights, **arguments).weights for _ in range(2)]
    plain = LocalTrainer([scan], replace(options, mined_scans=0)).train(weights, **arguments).weights
    assert all(np.array_equal(mined[0][name], mined[1][name]) for name in weights)
    assert any(not np.array_equal(mined[0][name], plain[name]) for name in weights)


def test_a_negative_number_of_scans_is_refused():
    with pytest.raises(WrongArgument, match="--mined-scans"):
        TrainingOptions(mined_scans=-1)
