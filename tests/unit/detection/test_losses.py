"""The losses against literal loops of their formulas in float64, at their ends, and by their gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from fedlung.detection.balls import Balls
from fedlung.detection.losses import (
    MASK_WEIGHT,
    OFFSET_WEIGHT,
    SIZE_WEIGHT,
    Heads,
    Targets,
    detection_loss,
    heatmap_focal_loss,
    mask_loss,
)
from fedlung.detection.targets import PatchTargets, draw_targets

PATCH = 16
NONE = Balls(np.zeros((0, 3)), np.zeros(0))


def _drawn(center=(8.0, 7.0, 9.0), diameter: float = 7.0, ignored: Balls = NONE) -> PatchTargets:
    return draw_targets(Balls(np.array([center]), np.array([diameter])), ignored, PATCH)


def _sure(probability: Tensor, certainty: float = 20.0) -> Tensor:
    return (2 * (probability == 1).float() - 1) * certainty


def _perfect(targets: Targets) -> Heads:
    return Heads(
        _sure(targets.heat), targets.log_diameter.clone(), targets.offset_zyx.clone(), _sure(targets.mask, 30.0)
    )


def _random(shape: tuple[int, ...], seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_heatmap_loss_is_its_formula():
    targets = Targets.stack(
        [_drawn(ignored=Balls(np.array([[2.0, 2.0, 2.0]]), np.array([4.0]))), _drawn((3, 3, 12), 4.0)]
    )
    logits = _random(tuple(targets.heat.shape), 0) * 3
    total, positives = 0.0, 0
    for x, y, w in zip(*(t.flatten().tolist() for t in (logits, targets.heat, targets.weight)), strict=True):
        p = 1 / (1 + math.exp(-x))
        if y == 1:
            positives += 1
            total -= w * (1 - p) ** 2 * math.log(p)
        else:
            total -= w * (1 - y) ** 4 * p**2 * math.log(1 - p)
    assert 0 in targets.weight
    found = heatmap_focal_loss(logits, targets.heat.double(), targets.weight.double())
    assert found.item() == pytest.approx(total / positives, rel=1e-9)


def test_a_batch_without_nodules_is_divided_by_one():
    targets = Targets.stack([draw_targets(NONE, NONE, PATCH)])
    logits = torch.zeros_like(targets.heat)
    expected = logits.numel() * 0.5**2 * -math.log(0.5)
    assert heatmap_focal_loss(logits, targets.heat, targets.weight).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("size", [100.0, 1e4])
def test_no_logit_makes_a_loss_or_a_gradient_infinite(size):
    targets = Targets.stack([_drawn()])
    for sign in (-1, 1):
        heat = torch.full_like(targets.heat, sign * size, requires_grad=True)
        mask = torch.full_like(targets.mask, sign * size, requires_grad=True)
        heads = Heads(heat, targets.log_diameter, targets.offset_zyx, mask)
        loss = detection_loss(heads, targets)
        loss.backward()
        assert loss.isfinite()
        assert heat.grad is not None
        assert mask.grad is not None
        assert heat.grad.isfinite().all()
        assert mask.grad.isfinite().all()


def test_where_a_finding_is_ignored_the_heatmap_loss_is_silent():
    targets = Targets.stack([_drawn((12.0, 12.0, 12.0), 4.0, Balls(np.array([[3.0, 3.0, 3.0]]), np.array([5.0])))])
    logits = _random(tuple(targets.heat.shape), 1).float().requires_grad_()
    heatmap_focal_loss(logits, targets.heat, targets.weight).backward()
    assert logits.grad is not None
    silent = targets.weight == 0
    assert silent.any()
    assert (logits.grad[silent] == 0).all()
    assert (logits.grad[~silent] != 0).all()


def test_the_heatmap_gradient_pulls_to_the_centre_and_pushes_elsewhere():
    targets = Targets.stack([_drawn()])
    logits = torch.zeros_like(targets.heat, requires_grad=True)
    heatmap_focal_loss(logits, targets.heat, targets.weight).backward()
    assert logits.grad is not None
    assert (logits.grad[targets.heat == 1] < 0).all()
    assert (logits.grad[targets.heat < 1] > 0).all()
    # The nearer to a centre, the milder is a false alarm judged.
    near, far = (targets.heat > 0.3) & (targets.heat < 1), targets.heat < 0.01
    assert logits.grad[near].max() < logits.grad[far].min()


def test_the_mask_loss_is_cross_entropy_and_dice_over_the_batch():
    targets = Targets.stack([_drawn(), draw_targets(NONE, NONE, PATCH)])
    logits = _random(tuple(targets.mask.shape), 2)
    p = 1 / (1 + np.exp(-logits.numpy()))
    y = targets.mask.numpy().astype(float)
    entropy = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()
    dice = (2 * (p * y).sum() + 1) / (p.sum() + y.sum() + 1)
    assert mask_loss(logits, targets.mask.double(), torch.ones_like(logits)).item() == pytest.approx(
        entropy + 1 - dice, rel=1e-9
    )


def test_an_empty_mask_that_is_found_empty_costs_nothing():
    targets = Targets.stack([draw_targets(NONE, NONE, PATCH)])
    assert mask_loss(_sure(targets.mask, 30.0), targets.mask, torch.ones_like(targets.mask)).item() == pytest.approx(
        0.0, abs=1e-6
    )


def test_perfect_heads_cost_nothing():
    targets = Targets.stack([_drawn(), _drawn((4.0, 12.0, 5.0), 5.0), draw_targets(NONE, NONE, PATCH)])
    assert detection_loss(_perfect(targets), targets).item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "weight"), [("log_diameter", SIZE_WEIGHT), ("offset_zyx", OFFSET_WEIGHT)], ids=["size", "offset"]
)
def test_size_and_offset_count_at_the_centres_only(name, weight):
    targets = Targets.stack([_drawn()])
    heads = _perfect(targets)
    values = getattr(heads, name)
    centers = (targets.heat == 1).expand_as(values)
    values[~centers] += 100.0
    assert detection_loss(heads, targets).item() == pytest.approx(0.0, abs=1e-6)
    values[centers] += 0.5
    assert detection_loss(heads, targets).item() == pytest.approx(weight * 0.5, rel=1e-4)


def test_a_wrong_mask_counts_with_its_weight():
    targets = Targets.stack([_drawn()])
    heads = _perfect(targets)
    heads = Heads(heads.heat_logits, heads.log_diameter, heads.offset_zyx, torch.zeros_like(heads.mask_logits))
    expected = MASK_WEIGHT * mask_loss(heads.mask_logits, targets.mask, torch.ones_like(targets.mask)).item()
    assert detection_loss(heads, targets).item() == pytest.approx(expected, rel=1e-5)


def test_heads_become_float32():
    half = Heads(*(torch.ones(1, dtype=torch.bfloat16) for _ in range(4)))
    whole = half.float()
    tensors = (whole.heat_logits, whole.log_diameter, whole.offset_zyx, whole.mask_logits)
    assert all(tensor.dtype == torch.float32 for tensor in tensors)


def test_targets_are_stacked_with_channels_and_moved_together():
    targets = Targets.stack([_drawn(), _drawn()]).to(torch.device("cpu"))
    cells, voxels = (8, 8, 8), (16, 16, 16)
    assert targets.heat.shape == targets.weight.shape == targets.log_diameter.shape == (2, 1, *cells)
    assert targets.offset_zyx.shape == (2, 3, *cells)
    assert targets.mask.shape == (2, 1, *voxels)
    assert {t.dtype for t in (targets.heat, targets.weight, targets.offset_zyx, targets.mask)} == {torch.float32}


def test_nothing_is_judged_on_an_ignored_finding():
    ignored = Balls(np.array([[8.0, 8.0, 8.0]]), np.array([6.0]))
    targets = Targets.stack([draw_targets(NONE, ignored, PATCH)])
    quiet = _perfect(targets)
    heat, mask = quiet.heat_logits.clone(), quiet.mask_logits.clone()
    heat[0, 0, 4, 4, 4] = 9.0
    mask[0, 0, 7:9, 7:9, 7:9] = 9.0
    heads = Heads(heat, quiet.log_diameter, quiet.offset_zyx, mask)
    assert detection_loss(heads, targets).item() == pytest.approx(detection_loss(quiet, targets).item(), abs=1e-9)
    mask[0, 0, 0, 0, 0] = 9.0
    assert detection_loss(heads, targets).item() > detection_loss(quiet, targets).item() + 1e-3
