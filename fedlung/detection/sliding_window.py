"""Reading a whole prepared scan with a network, window by window, merged with ramp weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray

from fedlung.detection.losses import Heads
from fedlung.errors import FedLungError, Stopped
from fedlung.imaging.patches import Start, cut
from fedlung.imaging.preprocessing import CELL, PreparedScan, to_unit_interval

Network = Callable[[torch.Tensor], Heads]
FloatArray = NDArray[np.float32]

GRID = 16
"""Windows are multiples of this: cells of 2 voxels, halved three times by the U-Net."""


@dataclass(frozen=True)
class WindowPlan:
    """Edge of the windows and how far neighbours overlap, voxels (= mm); both multiples of 16."""

    edge: int = 96
    overlap: int = 16

    def __post_init__(self) -> None:
        if self.edge % GRID or self.overlap % GRID or not 0 < self.overlap <= self.edge // 2:
            raise ValueError(f"edge and overlap must be multiples of {GRID}, overlap at most half, got {self}")


@dataclass(frozen=True, eq=False)
class ScanMaps:
    """Merged answers for one scan.

    Attributes:
        heat: probability of a nodule centre per cell, shape ``search_zyx``.
        log_diameter: ln mm per cell.
        offset_zyx: (3, cells), mm from the cell centre to the nodule centre.
        mask: probability of nodule tissue per voxel, shape ``hu_zyx``.
    """

    heat: FloatArray
    log_diameter: FloatArray
    offset_zyx: FloatArray
    mask: FloatArray


class _Merge:
    """Weighted sums of overlapping windows; ``mean`` divides by the weights (0 where no window was)."""

    def __init__(self, channels: int, shape: tuple[int, ...], scale: int) -> None:
        self.total = np.zeros((channels, *shape), dtype=np.float32)
        self.weight = np.zeros(shape, dtype=np.float32)
        self.scale = scale

    def add(self, values: FloatArray, start: Start, weight: FloatArray) -> None:
        z, y, x = (value // self.scale for value in start)
        d, h, w = (min(n, size - at) for n, size, at in zip(weight.shape, self.weight.shape, (z, y, x), strict=True))
        kept = weight[:d, :h, :w]
        self.total[:, z : z + d, y : y + h, x : x + w] += values[:, :d, :h, :w] * kept
        self.weight[z : z + d, y : y + h, x : x + w] += kept

    def mean(self) -> FloatArray:
        return np.divide(self.total, self.weight, out=np.zeros_like(self.total), where=self.weight > 0)


@torch.inference_mode()
def read_scan(
    network: Network,
    scan: PreparedScan,
    *,
    plan: WindowPlan = WindowPlan(),
    device: torch.device,
    on_progress: Callable[[float], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> ScanMaps:
    """All windows that hold a part of the search region, merged.

    Raises:
        Stopped: ``should_stop`` said so between two windows.
        FedLungError: the network answered NaN or infinite values; nothing is known about the scan then.
    """
    heat = _Merge(5, scan.search_zyx.shape, CELL)
    mask = _Merge(1, scan.hu_zyx.shape, 1)
    windows = window_starts(scan.search_zyx, scan.hu_zyx.shape, plan)
    cell_weight = _ramp(plan.edge // CELL, plan.overlap // CELL)
    voxel_weight = _ramp(plan.edge, plan.overlap)
    for number, start in enumerate(windows):
        if should_stop():
            raise Stopped("reading the scan was stopped")
        patch = torch.from_numpy(to_unit_interval(cut(scan.hu_zyx, start, plan.edge)))[None, None].to(device)
        heads = network(patch)
        cells = torch.cat([heads.heat_logits.sigmoid(), heads.log_diameter, heads.offset_zyx], dim=1)
        if not bool(torch.isfinite(cells).all()):
            raise FedLungError(f"the network's answer for scan {scan.series_uid} holds NaN or infinite values")
        heat.add(cells[0].float().cpu().numpy(), start, cell_weight)
        mask.add(heads.mask_logits[0].sigmoid().float().cpu().numpy(), start, voxel_weight)
        if on_progress is not None:
            on_progress((number + 1) / len(windows))
    merged = heat.mean()
    return ScanMaps(merged[0], merged[1], merged[2:5], mask.mean()[0])


def window_starts(search_zyx: NDArray[np.bool_], shape_zyx: tuple[int, ...], plan: WindowPlan) -> list[Start]:
    """Starts of the windows that hold any search cell, in array order."""
    starts = []
    for start in product(*(axis_starts(size, plan) for size in shape_zyx)):
        z, y, x = (value // CELL for value in start)
        n = plan.edge // CELL
        if search_zyx[z : z + n, y : y + n, x : x + n].any():
            starts.append((start[0], start[1], start[2]))
    return starts


def axis_starts(size: int, plan: WindowPlan) -> list[int]:
    """Even starts along one axis, spread evenly, the last window ending at the last voxel.

    ::

        size 150, edge 96, overlap 16:      0 ........ 96
                                                  54 ........ 150
    """
    if size <= plan.edge:
        return [0]
    count = 1 + -(-(size - plan.edge) // (plan.edge - plan.overlap))
    return [round(index * (size - plan.edge) / (count - 1) / CELL) * CELL for index in range(count)]


def _ramp(edge: int, overlap: int) -> FloatArray:
    """Weights (edge^3): 1 inside, falling linearly over ``overlap`` towards each face, never 0."""
    distance = np.minimum(np.arange(edge), np.arange(edge)[::-1]) + 1
    line = np.minimum(1.0, distance / overlap).astype(np.float32)
    return line[:, None, None] * line[None, :, None] * line[None, None, :]
