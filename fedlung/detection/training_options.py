"""How a hospital trains locally: the numbers, their command-line options, and the device."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields

import torch

from fedlung.detection.sliding_window import GRID
from fedlung.errors import WrongArgument


@dataclass(frozen=True)
class TrainingOptions:
    """How a hospital trains locally; the same for every hospital of a run.

    Attributes:
        patch: edge of the training patches, voxels (= mm), a multiple of 16.
        batch: patches per step.
        patches_per_scan: patches drawn per scan and epoch.
        positive_share: share of the patches that are cut around a nodule.
        mined_scans: scans that a hospital reads before each local training to find what the present model takes
            for nodules wrongly; half of its negative patches are cut there. 0: negatives are random places.
        weight_decay: of AdamW.
        device: auto, cpu or cuda.
    """

    patch: int = 32
    batch: int = 8
    patches_per_scan: int = 96
    positive_share: float = 0.5
    mined_scans: int = 0
    weight_decay: float = 1e-4
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.patch % GRID or self.patch <= 0:
            raise WrongArgument(f"--patch must be a positive multiple of {GRID}, got {self.patch}")
        if min(self.batch, self.patches_per_scan) < 1:
            raise WrongArgument("--batch and --patches-per-scan must be at least 1")
        if not 0 <= self.positive_share <= 1:
            raise WrongArgument(f"--positive-share must be between 0 and 1, got {self.positive_share:g}")
        if self.mined_scans < 0:
            raise WrongArgument(f"--mined-scans must be at least 0, got {self.mined_scans}")
        if not 0 <= self.weight_decay < 1:
            raise WrongArgument(f"--weight-decay must be at least 0 and under 1, got {self.weight_decay:g}")

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> TrainingOptions:
        return cls(**{field.name: getattr(arguments, field.name) for field in fields(cls)})


def choose_device(name: str) -> torch.device:
    """``auto`` takes CUDA when there is one.

    Raises:
        WrongArgument: ``cuda`` without a usable GPU.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise WrongArgument("--device cuda: this machine has no usable CUDA GPU; use --device cpu or auto")
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def add_training_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``TrainingOptions`` for a command line."""
    default = TrainingOptions()
    parser.add_argument("--patch", type=int, default=default.patch, help="edge of training patches, mm")
    parser.add_argument("--batch", type=int, default=default.batch, help="patches per step")
    parser.add_argument("--patches-per-scan", type=int, default=default.patches_per_scan, help="per epoch")
    parser.add_argument("--positive-share", type=float, default=default.positive_share, help="patches with a nodule")
    parser.add_argument("--mined-scans", type=int, default=default.mined_scans, help="read for hard negatives")
    parser.add_argument("--weight-decay", type=float, default=default.weight_decay, help="of AdamW")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default=default.device, help="where to train")
