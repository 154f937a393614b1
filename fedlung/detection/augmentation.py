"""Random changes of a training patch that leave a nodule a nodule."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedlung.detection.targets import PatchTargets

FloatArray = NDArray[np.float32]

CONTRAST = (0.9, 1.1)
BRIGHTNESS = (-0.05, 0.05)
LARGEST_NOISE = 0.02
"""In units of the network's input, where the HU window is [0, 1]: 0.05 is 70 HU, 0.02 is 28 HU."""


def augment(patch: FloatArray, targets: PatchTargets, random: np.random.Generator) -> tuple[FloatArray, PatchTargets]:
    """Flips on the three axes and an exchange of y and x, on patch and targets alike (offsets turn with them);
    then contrast, brightness and noise on the patch alone."""
    flips = tuple(axis for axis in range(3) if random.random() < 0.5)
    axes = (0, 2, 1) if random.random() < 0.5 else (0, 1, 2)

    def move(values: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray(np.flip(values, flips).transpose(axes))

    rows = [move(-row if axis in flips else row) for axis, row in enumerate(targets.offset_zyx)]
    moved = PatchTargets(
        heat=move(targets.heat),
        weight=move(targets.weight),
        log_diameter=move(targets.log_diameter),
        offset_zyx=np.stack([rows[axis] for axis in axes]),
        mask=move(targets.mask),
    )
    noise = random.standard_normal(patch.shape, dtype=np.float32) * np.float32(random.uniform(0, LARGEST_NOISE))
    changed = move(patch) * np.float32(random.uniform(*CONTRAST)) + np.float32(random.uniform(*BRIGHTNESS))
    return changed + noise, moved
