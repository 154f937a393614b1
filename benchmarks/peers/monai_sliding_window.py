"""MONAI's `SlidingWindowInferer` in fp32 over a whole volume: the network alone, nothing before or after it."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from monai.inferers import SlidingWindowInferer  # type: ignore[import-not-found, unused-ignore]
from monai.networks.nets import DynUNet  # type: ignore[import-not-found, unused-ignore]
from torch import Tensor

from benchmarks.peers.conversation import answer_questions
from train_simple_model import Simple3DUNet

EDGE = 96
OVERLAP = 0.25
SAMPLE_ZYX = (240, 168, 96)
"""Six windows: what the full-resolution network is timed on."""


class SlidingWindow:
    """Holds the volume, our network and the full-resolution one between questions."""

    def __init__(self) -> None:
        self.volume = torch.empty(0)
        self.ours = Simple3DUNet().eval()
        # 16-32-64-128 channels at 1, 2, 4 and 8 mm, GroupNorm.
        self.full_resolution = DynUNet(
            spatial_dims=3,
            in_channels=1,
            out_channels=1,
            kernel_size=[3] * 4,
            strides=[1, 2, 2, 2],
            upsample_kernel_size=[2] * 3,
            filters=[16, 32, 64, 128],
            norm_name=("group", {"num_groups": 8}),
        ).eval()
        self.maps: tuple[Tensor, Tensor] | None = None

    def open(self, volume: str, weights: str) -> None:
        """``volume``: .npy in [0, 1], zyx; ``weights``: .npz of our network."""
        self.volume = torch.from_numpy(np.load(volume))[None, None]
        with np.load(weights) as arrays:
            self.ours.load_state_dict({name: torch.from_numpy(arrays[name]) for name in arrays.files})

    def run_ours(self, mode: str, whole: bool) -> dict[str, float]:
        """Our network over the whole volume, with ``whole`` in one window; the maps are kept for `save`."""

        def maps(x: Tensor) -> tuple[Tensor, Tensor]:
            heads = self.ours(x)
            cells = torch.cat([heads.heat_logits.sigmoid(), heads.log_diameter, heads.offset_zyx], dim=1)
            # The full size first: MONAI shrinks its window weights for a smaller answer, and not back again.
            return heads.mask_logits.sigmoid(), cells

        roi = tuple(self.volume.shape[2:]) if whole else (EDGE,) * 3
        answer, self.maps = _slide(maps, self.volume, mode, roi)
        return answer

    def run_full_resolution(self) -> dict[str, float]:
        """The full-resolution network over six windows of the volume's middle."""
        starts = [(n - size) // 2 for n, size in zip(self.volume.shape[2:], SAMPLE_ZYX, strict=True)]
        z, y, x = (slice(start, start + size) for start, size in zip(starts, SAMPLE_ZYX, strict=True))
        answer, _ = _slide(self.full_resolution, self.volume[:, :, z, y, x], "constant", (EDGE,) * 3)
        return answer

    def save(self, path: str) -> None:
        """Maps of the last `run_ours`."""
        assert self.maps is not None
        mask, cells = (tensor[0].numpy() for tensor in self.maps)
        np.savez(path, cells=cells, mask=mask[0])


def _slide(
    network: Callable[[Tensor], Tensor | tuple[Tensor, Tensor]], volume: Tensor, mode: str, roi: tuple[int, ...]
) -> tuple[dict[str, float], tuple[Tensor, Tensor]]:
    windows = 0

    def counted(x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        nonlocal windows
        windows += len(x)
        return network(x)

    inferer = SlidingWindowInferer(roi_size=roi, sw_batch_size=1, overlap=OVERLAP, mode=mode)
    started = time.perf_counter()
    with torch.inference_mode():
        maps = inferer(volume, counted)
    return {"seconds": time.perf_counter() - started, "windows": windows}, maps


if __name__ == "__main__":
    window = SlidingWindow()
    answer_questions(
        {
            "open": window.open,
            "run_ours": window.run_ours,
            "run_full_resolution": window.run_full_resolution,
            "save": window.save,
        }
    )
