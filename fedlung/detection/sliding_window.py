"""Reading a whole prepared scan with a network, window by window, merged with ramp weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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


MOST_VOXELS = 2**25
"""Of one window: 320 mm cubed, larger than nearly all lungs. The network needs about 60 bytes for each, so 2 GB."""
OVERLAP = 32
"""At an edge the network sees zeros where the scan goes on: on real scans that made false marks of probability 0.7."""


@dataclass(frozen=True)
class WindowPlan:
    """Edges of the windows along z, y, x and how far neighbours overlap, voxels (= mm); all multiples of 16."""

    edges_zyx: tuple[int, int, int]
    overlap: int = OVERLAP

    def __post_init__(self) -> None:
        if any(n % GRID for n in (*self.edges_zyx, self.overlap)) or not 0 < self.overlap <= min(self.edges_zyx) // 2:
            raise ValueError(f"edges and overlap must be multiples of {GRID}, overlap at most half, got {self}")

    @classmethod
    def for_scan(cls, shape_zyx: tuple[int, ...], most_voxels: int = MOST_VOXELS) -> WindowPlan:
        """One window as large as the scan, or as few as fit in memory.

        ::

            scan 294 x 214 x 276, 2**23 voxels:     one window would be 304 x 224 x 288, too large
                                                    two:  304 x 128 x 288, too large
                                                    four: 304 x 128 x 160
        """
        counts: tuple[int, ...] = (1, 1, 1)
        while math.prod(edges := _edges(shape_zyx, counts)) > most_voxels and max(edges) > 2 * OVERLAP:
            cuts = [
                tuple(n + (axis == cut) for axis, n in enumerate(counts))
                for cut in range(3)
                if edges[cut] > 2 * OVERLAP
            ]
            counts = min(cuts, key=lambda counts: math.prod(counts) * math.prod(_edges(shape_zyx, counts)))
        return cls(edges)


def _edges(shape_zyx: tuple[int, ...], counts: tuple[int, ...]) -> tuple[int, int, int]:
    """Edges of ``counts`` windows that cover the axes with ``OVERLAP``, rounded up to the grid."""
    d, h, w = (
        max(2 * OVERLAP, -(-(size + (n - 1) * OVERLAP) // (n * GRID)) * GRID)
        for size, n in zip(shape_zyx, counts, strict=True)
    )
    return d, h, w


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
    """Weighted sums of overlapping windows; ``mean``, at the end, divides by the weights (0 where no window was)."""

    def __init__(self, channels: int, shape: tuple[int, ...], scale: int) -> None:
        self.total = np.zeros((channels, *shape), dtype=np.float32)
        self.weight = np.zeros(shape, dtype=np.float32)
        self.scale = scale

    def add(self, values: FloatArray, start: Start, weight: FloatArray) -> None:
        """``values`` are used up: a copy of a window would take as long as the sum."""
        z, y, x = (value // self.scale for value in start)
        d, h, w = (min(n, size - at) for n, size, at in zip(weight.shape, self.weight.shape, (z, y, x), strict=True))
        self.total[:, z : z + d, y : y + h, x : x + w] += np.multiply(values, weight, out=values)[:, :d, :h, :w]
        self.weight[z : z + d, y : y + h, x : x + w] += weight[:d, :h, :w]

    def mean(self) -> FloatArray:
        return np.divide(self.total, self.weight, out=self.total, where=self.weight > 0)


@torch.inference_mode()
def read_scan(
    network: Network,
    scan: PreparedScan,
    *,
    plan: WindowPlan | None = None,
    device: torch.device,
    on_progress: Callable[[float], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> ScanMaps:
    """All windows that hold a part of the search region, merged; ``plan`` is `WindowPlan.for_scan` if not given.

    Raises:
        Stopped: ``should_stop`` said so between two windows.
        FedLungError: the network answered NaN or infinite values; nothing is known about the scan then.
    """
    plan = plan or WindowPlan.for_scan(scan.hu_zyx.shape)
    heat = _Merge(5, scan.search_zyx.shape, CELL)
    mask = _Merge(1, scan.hu_zyx.shape, 1)
    windows = window_starts(scan.search_zyx, scan.hu_zyx.shape, plan)
    cell_weight = _ramp([edge // CELL for edge in plan.edges_zyx], plan.overlap // CELL)
    voxel_weight = _ramp(plan.edges_zyx, plan.overlap)
    for number, start in enumerate(windows):
        if should_stop():
            raise Stopped("reading the scan was stopped")
        patch = torch.from_numpy(to_unit_interval(cut(scan.hu_zyx, start, plan.edges_zyx)))[None, None].to(device)
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
    axes = [axis_starts(size, edge, plan.overlap) for size, edge in zip(shape_zyx, plan.edges_zyx, strict=True)]
    d, h, w = (edge // CELL for edge in plan.edges_zyx)
    starts = []
    for start in product(*axes):
        z, y, x = (value // CELL for value in start)
        if search_zyx[z : z + d, y : y + h, x : x + w].any():
            starts.append((start[0], start[1], start[2]))
    return starts


def axis_starts(size: int, edge: int, overlap: int) -> list[int]:
    """Even starts along one axis, spread evenly, the last window ending at the last voxel.

    ::

        size 150, edge 96, overlap 16:      0 ........ 96
                                                  54 ........ 150
    """
    if size <= edge:
        return [0]
    count = 1 + -(-(size - edge) // (edge - overlap))
    return [round(index * (size - edge) / (count - 1) / CELL) * CELL for index in range(count)]


def _ramp(edges_zyx: Sequence[int], overlap: int) -> FloatArray:
    """Weights of shape ``edges_zyx``: 1 inside, falling linearly over ``overlap`` towards each face, never 0."""
    lines = []
    for edge in edges_zyx:
        distance = np.minimum(np.arange(edge), np.arange(edge)[::-1]) + 1
        lines.append(np.minimum(1.0, distance / overlap).astype(np.float32))
    z, y, x = lines
    return z[:, None, None] * y[None, :, None] * x[None, None, :]
