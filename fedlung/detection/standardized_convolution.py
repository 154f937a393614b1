"""Convolutions that keep the variance of what passes through them, so that no activation has to be normalized.

Weight standardization (Qiao et al. 2019, arXiv:1903.10520) with a rectifier of known gain (Brock et al. 2021,
arXiv:2101.08692). The answer at a voxel depends on nothing outside the receptive field: a nodule gets the same
probability in a training patch and in a whole scan, however it is cut. See ``docs/adr/0013``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

LEAK = 0.01
RELU_GAIN = math.sqrt(2 / (1 - 1 / math.pi))
"""Brings the variance of a rectified normal variable back to 1 (Brock et al. 2021, section 3)."""


class StandardizedConv3d(nn.Conv3d):
    """A convolution whose weights have, per output channel, mean 0 and variance ``scale``^2 / fan-in, times a gain.

    Raw weights and gain are learned and averaged; the weights are standardized anew in every forward pass. The default
    ``scale`` is for an input that was rectified: on the weights it costs nothing, on every voxel it would.
    """

    def __init__(
        self, inputs: int, outputs: int, edge: int, *, stride: int = 1, padding: int = 0, scale: float = RELU_GAIN
    ) -> None:
        super().__init__(inputs, outputs, edge, stride=stride, padding=padding)
        self.gain = nn.Parameter(torch.ones(outputs, 1, 1, 1, 1))
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(self.weight, dim=(1, 2, 3, 4), correction=0, keepdim=True)
        fan_in = self.weight[0].numel()
        weight = (self.weight - mean) * (self.scale * self.gain * torch.rsqrt(variance * fan_in + 1e-4))
        return functional.conv3d(x, weight, self.bias, self.stride, self.padding)


def rectified(x: Tensor) -> Tensor:
    """Leaky ReLU; the convolution that follows brings the variance back to 1."""
    return functional.leaky_relu(x, LEAK)
