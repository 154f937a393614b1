"""Losses of the detector's four heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fedlung.detection.targets import PatchTargets
from fedlung.imaging.preprocessing import CELL


@dataclass(frozen=True)
class Heads:
    """The network's answer for a batch of patches (B, 1, P, P, P).

    Attributes:
        heat_logits: (B, 1, P/2, P/2, P/2), centre heatmap before the sigmoid.
        log_diameter: (B, 1, P/2, P/2, P/2), ln of mm.
        offset_zyx: (B, 3, P/2, P/2, P/2), mm from the cell centre.
        mask_logits: (B, 1, P, P, P), nodule mask before the sigmoid.
    """

    heat_logits: Tensor
    log_diameter: Tensor
    offset_zyx: Tensor
    mask_logits: Tensor

    def float(self) -> Heads:
        """In float32, for a loss that must not be computed in bfloat16."""
        return Heads(
            self.heat_logits.float(), self.log_diameter.float(), self.offset_zyx.float(), self.mask_logits.float()
        )


@dataclass(frozen=True)
class Targets:
    """Batched ``PatchTargets`` as tensors, shapes as in ``Heads``; ``weight`` as ``heat``."""

    heat: Tensor
    weight: Tensor
    log_diameter: Tensor
    offset_zyx: Tensor
    mask: Tensor

    @classmethod
    def stack(cls, drawn: Sequence[PatchTargets]) -> Targets:
        """Targets of several patches as one batch of float32 tensors."""

        def batch(name: str) -> Tensor:
            return torch.from_numpy(np.stack([getattr(targets, name) for targets in drawn])).float()

        return cls(
            heat=batch("heat")[:, None],
            weight=batch("weight")[:, None],
            log_diameter=batch("log_diameter")[:, None],
            offset_zyx=batch("offset_zyx"),
            mask=batch("mask")[:, None],
        )

    def to(self, device: torch.device) -> Targets:
        """On another device."""
        return Targets(
            self.heat.to(device, non_blocking=True),
            self.weight.to(device, non_blocking=True),
            self.log_diameter.to(device, non_blocking=True),
            self.offset_zyx.to(device, non_blocking=True),
            self.mask.to(device, non_blocking=True),
        )


SIZE_WEIGHT = 0.2
OFFSET_WEIGHT = 0.1
MASK_WEIGHT = 0.5


def detection_loss(heads: Heads, targets: Targets) -> Tensor:
    """Heat focal loss + sizes and offsets at the centres + mask loss, a scalar."""
    positive = (targets.heat == 1).float()
    count = positive.sum().clamp(min=1.0)
    size = (positive * (heads.log_diameter - targets.log_diameter).abs()).sum() / count
    offset = (positive * (heads.offset_zyx - targets.offset_zyx).abs()).sum() / (3 * count)
    voxel_weight = functional.interpolate(targets.weight, scale_factor=CELL)  # nearest: a cell's weight for its voxels
    total: Tensor = (
        heatmap_focal_loss(heads.heat_logits, targets.heat, targets.weight)
        + SIZE_WEIGHT * size
        + OFFSET_WEIGHT * offset
        + MASK_WEIGHT * mask_loss(heads.mask_logits, targets.mask, voxel_weight)
    )
    return total


def heatmap_focal_loss(logits: Tensor, heat: Tensor, weight: Tensor) -> Tensor:
    r"""Penalty-reduced focal loss (CenterNet, Zhou et al. 2019, eq. 1), alpha = 2, beta = 4.

    .. math:: -\frac{1}{N} \sum \begin{cases} (1-p)^2 \log p & y = 1 \\
              (1-y)^4 p^2 \log(1-p) & y < 1 \end{cases}

    N is the number of positive cells of the batch (at least 1). Written with ``logsigmoid`` so that no
    probability is rounded to 0 before its logarithm.
    """
    probability = logits.sigmoid()
    positive = (heat == 1).float()
    hit = positive * (1 - probability).square() * functional.logsigmoid(logits)
    miss = (1 - positive) * (1 - heat).pow(4) * probability.square() * functional.logsigmoid(-logits)
    return -(weight * (hit + miss)).sum() / positive.sum().clamp(min=1.0)


def mask_loss(logits: Tensor, mask: Tensor, weight: Tensor) -> Tensor:
    """Binary cross-entropy plus soft Dice over the whole batch.

    ``weight`` is 0 where the answer is unknown. Dice over the batch, not per patch: most patches hold no nodule,
    and Dice of an empty patch says nothing.
    """
    probability = logits.sigmoid() * weight
    mask = mask * weight
    dice = (2 * (probability * mask).sum() + 1.0) / (probability.sum() + mask.sum() + 1.0)
    return functional.binary_cross_entropy_with_logits(logits, mask, weight) + 1 - dice
