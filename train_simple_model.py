"""Simple3DUNet, its training data, and the one local training loop of the project.

The story: a network with four heads -> patches drawn from a hospital's scans -> a loop that lowers the loss on
them. The same ``LocalTrainer`` trains alone (this file's ``main``) and as a hospital of a federation
(``federated_training``); nothing here knows about the federation except the gradient hook.

    python train_simple_model.py --data DIR --epochs N --out models/local.pth [--val DIR] [--init FILE.pth] [--seed S]
"""

from __future__ import annotations

import fedlung.openmp  # noqa: F401 - for its effect

import argparse
import math
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor, nn
from torch.nn import functional

from fedlung.command_line import Arguments, interrupts_call, make_room_for, run_command
from fedlung.detection.augmentation import augment
from fedlung.detection.hard_negatives import HardNegative, find_hard_negatives
from fedlung.detection.hold_out import hold_out
from fedlung.detection.losses import Heads, Targets, detection_loss
from fedlung.detection.standardized_convolution import RELU_GAIN, StandardizedConv3d, rectified
from fedlung.detection.targets import PatchTargets, draw_targets
from fedlung.detection.training_options import TrainingOptions, add_training_arguments, choose_device
from fedlung.detection.training_scan import TrainingScan, open_training_cubes, open_training_scans
from fedlung.errors import Stopped, WrongArgument
from fedlung.evaluation.validation import validate
from fedlung.federation.learning_rate import learning_rate_at
from fedlung.federation.mark_counts import count_marks
from fedlung.federation.measured import Measured
from fedlung.imaging.hospital_folder import hospital_folders, read_hospital
from fedlung.imaging.patches import cut, start_around, start_at_cell
from fedlung.imaging.preprocessing import RECIPE, to_unit_interval
from fedlung.stores.checkpoints import Checkpoint, load_checkpoint, save_checkpoint

Weights = dict[str, np.ndarray]

# --- the network -----------------------------------------------------------------------------------------

CHANNELS = (16, 32, 64, 128)
ARCHITECTURE: dict[str, Any] = {
    "name": "Simple3DUNet",
    "channels": list(CHANNELS),
    "convolutions": "weight-standardized",
    "recipe": RECIPE.to_json(),
}
"""Stored in every checkpoint and compared when one is read: other numbers are another model."""

RARE = -4.6
"""Initial heat logit: sigmoid(-4.6) = 0.01, so that the first steps are not spent on unlearning "nodule"."""
MEDIAN_LOG_DIAMETER = 1.86
"""ln 6.4 mm, the median of LUNA16: where the size head starts."""
INPUT_MEAN, INPUT_SCALE = 0.25, 3.0
"""A patch of lung in the unit interval has about this mean and, times the scale, a variance near 1."""


class ConvBlock(nn.Module):
    """Two 3x3x3 convolutions with a shortcut, rectified input (no in-place operation: per-sample gradients)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.part = RELU_GAIN / math.sqrt(2)  # of two summands, each of variance 1/2
        self.conv1 = StandardizedConv3d(inputs, outputs, 3, padding=1)
        self.conv2 = StandardizedConv3d(outputs, outputs, 3, padding=1, scale=self.part)
        self.shortcut = None if inputs == outputs else StandardizedConv3d(inputs, outputs, 1, scale=self.part)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(rectified(self.conv1(x)))
        return rectified(torch.add(y, x, alpha=self.part) if self.shortcut is None else y + self.shortcut(x))


class Simple3DUNet(nn.Module):
    """3D U-Net for nodules: three levels down, a bottleneck, three levels up with skips, four heads.

    The stem brings 1 mm voxels to 2 mm cells, where the whole U runs (a sixth of the cost); the mask head
    returns to 1 mm by unfolding eight channels per cell. No activation is normalized: see `StandardizedConv3d`.

    ::

        1 mm voxels   x ............................................ mask (8 channels unfolded 2x2x2)
        2 mm          stem -> down1 ------------------------ up1 -> heat, size, offset
        4 mm                    down2 --------------- up2
        8 mm                      down3 ------- up3
        16 mm                       bottleneck
    """

    def __init__(self, channels: Sequence[int] = CHANNELS) -> None:
        super().__init__()
        a, b, c, d = channels
        self.stem = StandardizedConv3d(1, a, 4, stride=2, padding=1, scale=1.0)
        self.down1, self.down2, self.down3 = ConvBlock(a, a), ConvBlock(a, b), ConvBlock(b, c)
        self.bottleneck = ConvBlock(c, d)
        self.rise3 = nn.ConvTranspose3d(d, c, kernel_size=2, stride=2)
        self.rise2 = nn.ConvTranspose3d(c, b, kernel_size=2, stride=2)
        self.rise1 = nn.ConvTranspose3d(b, a, kernel_size=2, stride=2)
        self.up3, self.up2, self.up1 = ConvBlock(2 * c, c), ConvBlock(2 * b, b), ConvBlock(2 * a, a)
        self.heads = nn.Conv3d(a, 1 + 1 + 3 + 8, kernel_size=1)
        start = torch.zeros(13)
        start[0], start[1], start[5:] = RARE, MEDIAN_LOG_DIAMETER, RARE
        self.heads.bias = nn.Parameter(start)

    def forward(self, x: Tensor) -> Heads:
        """(B, 1, P, P, P) in [0, 1], P a multiple of 16 -> heads (see ``Heads``)."""
        level1 = self.down1(rectified(self.stem((x - INPUT_MEAN) * INPUT_SCALE)))  # (B, a, P/2, ...)
        level2 = self.down2(functional.max_pool3d(level1, 2))  # (B, b, P/4, ...)
        level3 = self.down3(functional.max_pool3d(level2, 2))  # (B, c, P/8, ...)
        y = self.bottleneck(functional.max_pool3d(level3, 2))  # (B, d, P/16, ...)
        y = self.up3(torch.cat([self.rise3(y), level3], dim=1))
        y = self.up2(torch.cat([self.rise2(y), level2], dim=1))
        y = self.up1(torch.cat([self.rise1(y), level1], dim=1))
        out = self.heads(y)
        return Heads(out[:, 0:1], out[:, 1:2], out[:, 2:5], unfold_cells(out[:, 5:13]))


def unfold_cells(x: Tensor) -> Tensor:
    """(B, 8, D, H, W) -> (B, 1, 2D, 2H, 2W): channel 4i + 2j + k becomes voxel (2z+i, 2y+j, 2x+k)."""
    batch, _, depth, height, width = x.shape
    x = x.reshape(batch, 2, 2, 2, depth, height, width).permute(0, 4, 1, 5, 2, 6, 3)
    return x.reshape(batch, 1, 2 * depth, 2 * height, 2 * width)


def initial_weights(seed: int) -> Weights:
    """Random weights that depend on nothing but the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return weights_of(Simple3DUNet())


def weights_of(model: nn.Module) -> Weights:
    """A copy of all weights as float32 arrays."""
    return {name: value.detach().cpu().numpy().copy() for name, value in model.state_dict().items()}


def build_network(weights: Mapping[str, np.ndarray], device: torch.device) -> Simple3DUNet:
    """The network with these weights (names and shapes must match), ready on the device."""
    model = Simple3DUNet()
    model.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items()})
    # channels_last_3d: the layout in which the convolutions run fastest, on CPU and GPU.
    return model.to(device).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload, no-any-return]


def load_model(path: Path) -> Checkpoint:
    """A checkpoint that fits ``Simple3DUNet``.

    Raises:
        BadCheckpoint, ArchitectureMismatch: the file is damaged, unsafe, or another network's.
    """
    shapes = {name: tuple(value.shape) for name, value in Simple3DUNet().state_dict().items()}
    return load_checkpoint(path, expected_architecture=ARCHITECTURE, expected_shapes=shapes)


# --- training data ---------------------------------------------------------------------------------------


HARD_SHARE = 0.5
"""Of the negative patches, where hard negatives are known."""


class NodulePatches:
    """Random patches of a hospital's scans with their targets, reproducible under a seed."""

    def __init__(self, scans: Sequence[TrainingScan], options: TrainingOptions) -> None:
        self.scans = scans
        self.options = options
        self.whole = [scan for scan in scans if scan.whole] or scans
        self.nodules = [(scan, index) for scan in scans for index in range(len(scan.nodules))]

    def batches(self, seed: int, hard: Sequence[HardNegative] = ()) -> Iterator[tuple[Tensor, Targets]]:
        """One epoch: ``patches_per_scan`` patches per scan, in whole batches."""
        random = np.random.default_rng(seed)
        for _ in range(self.num_batches()):
            drawn = [self._draw(random, hard) for _ in range(self.options.batch)]
            patches = torch.from_numpy(np.stack([patch for patch, _ in drawn]))[:, None]
            yield patches, Targets.stack([targets for _, targets in drawn])

    def num_batches(self) -> int:
        return max(1, round(len(self.scans) * self.options.patches_per_scan / self.options.batch))

    def _draw(self, random: np.random.Generator, hard: Sequence[HardNegative]) -> tuple[np.ndarray, PatchTargets]:
        size = self.options.patch
        if self.nodules and random.random() < self.options.positive_share:
            chosen, index = self.nodules[random.integers(len(self.nodules))]
            center, diameter = chosen.nodules.centers_zyx[index], float(chosen.nodules.diameters[index])
            start = start_around(center, diameter, chosen.scan.hu_zyx.shape, size, random)
        elif hard and random.random() < HARD_SHARE:
            negative = hard[int(random.integers(len(hard)))]
            chosen = negative.scan
            start = start_around(negative.center_zyx, size / 4, chosen.scan.hu_zyx.shape, size, random)
        else:
            chosen = self.whole[int(random.integers(len(self.whole)))]
            cell = chosen.search_cells[random.integers(len(chosen.search_cells))]
            start = start_at_cell(cell, chosen.scan.hu_zyx.shape, size, random)
        patch = to_unit_interval(cut(chosen.scan.hu_zyx, start, size))
        targets = draw_targets(chosen.nodules.shifted(start), chosen.ignored.shifted(start), size)
        if chosen.mask_zyx is not None:
            targets = replace(targets, mask=cut(chosen.mask_zyx, start, size))
        return augment(patch, targets, random)


# --- the local loop --------------------------------------------------------------------------------------

GradientHook = Callable[[Any, Any, Any], Any]  # (gradient, weights, global weights) -> gradient
LEARNING_RATE = 2e-3
WARM_UP_STEPS = 10
MAX_GRADIENT_NORM = 5.0


@dataclass(frozen=True)
class LocalResult:
    """What a hospital gives back: weights, the number of scans behind them, mean loss and Dice."""

    weights: Weights
    num_examples: int
    metrics: dict[str, float]


class LocalTrainer:
    """One hospital's scans and the loop that trains on them."""

    def __init__(
        self, scans: Sequence[TrainingScan], options: TrainingOptions, validation: Sequence[TrainingScan] = ()
    ) -> None:
        self.patches = NodulePatches(scans, options)
        self.validation = validation
        self.options = options
        self.device = choose_device(options.device)
        self.num_examples = len(scans)
        self.series_uids = tuple(scan.scan.series_uid for scan in scans)

    def train(
        self,
        weights: Mapping[str, np.ndarray],
        *,
        learning_rate: float,
        epochs: int,
        seed: int,
        correct_gradient: GradientHook | None = None,
        on_progress: Callable[[float], None] | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> LocalResult:
        """Train from ``weights`` for ``epochs``; the result depends on the arguments and the data alone.

        AdamW starts afresh each time: its state stays out of the federation, and a resumed run needs none.

        Raises:
            Stopped: ``should_stop`` said so between two steps.
        """
        model = build_network(weights, self.device)
        start = [parameter.detach().clone() for parameter in model.parameters()] if correct_gradient else []
        optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=self.options.weight_decay)
        steps = epochs * self.patches.num_batches()
        warm_up = min(WARM_UP_STEPS, max(1, steps // 4))
        losses, dices = [], []
        hard = self._hard_negatives(model, seed, should_stop)
        for step, (x, targets) in enumerate(self._epochs(epochs, seed, hard)):
            if should_stop():
                raise Stopped("local training was stopped")
            for group in optimizer.param_groups:
                group["lr"] = learning_rate * min(1.0, (step + 1) / warm_up)
            loss, dice = self._step(model, x, targets)
            if correct_gradient is not None:
                for parameter, origin in zip(model.parameters(), start, strict=True):
                    parameter.grad = correct_gradient(parameter.grad, parameter.detach(), origin)
            nn.utils.clip_grad_norm_(model.parameters(), MAX_GRADIENT_NORM)
            optimizer.step()
            losses.append(loss)
            dices.append(dice)
            if on_progress is not None:
                on_progress((step + 1) / steps)
        metrics = {
            "loss": float(np.mean(losses)),
            "dice": float(np.nanmean(dices)) if any(d == d for d in dices) else 0.0,
        }
        return LocalResult(weights_of(model), self.num_examples, metrics)

    def _epochs(self, epochs: int, seed: int, hard: Sequence[HardNegative]) -> Iterator[tuple[Tensor, Targets]]:
        for epoch in range(epochs):
            yield from self.patches.batches(int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0]), hard)

    def _hard_negatives(self, model: Simple3DUNet, seed: int, should_stop: Callable[[], bool]) -> list[HardNegative]:
        """Searched with the weights that came in, so that a resumed round finds the same."""
        candidates = [scan for scan in self.patches.whole if scan.whole]
        chosen = np.random.default_rng([seed, 1]).permutation(len(candidates))[: self.options.mined_scans]
        scans = [candidates[index] for index in sorted(chosen.tolist())]
        return find_hard_negatives(model, scans, device=self.device, should_stop=should_stop) if scans else []

    def _step(self, model: Simple3DUNet, x: Tensor, targets: Targets) -> tuple[float, float]:
        """Gradients of one batch; returns the loss and the Dice of the thresholded mask (NaN without nodule)."""
        x = x.to(self.device, memory_format=torch.channels_last_3d)
        targets = targets.to(self.device)
        model.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            heads = model(x).float()
        loss = detection_loss(heads, targets)
        loss.backward()
        found, truth = heads.mask_logits.detach() > 0, targets.mask > 0
        size = float(found.sum() + truth.sum())
        dice = 2 * float((found & truth).sum()) / size if truth.any() else float("nan")
        return float(loss.detach()), dice

    def evaluate(self, weights: Mapping[str, np.ndarray]) -> Measured:
        """Read the validation scans whole: FROC by LUNA16's rules, Dice of the outlines; see ``ValidationResult``."""
        found = validate(build_network(weights, self.device).eval(), self.validation, device=self.device)
        froc, entries = found.froc, found.froc.entries
        sizes = {"num_scans": froc.num_scans, "num_nodules": froc.num_nodules}
        return Measured(found.to_metrics(), count_marks(entries.probability, entries.is_nodule, **sizes))


# --- the command -----------------------------------------------------------------------------------------


def open_hospital(
    folder: Path,
    *,
    cache: Path | None,
    options: TrainingOptions,
    report: Callable[[str], None],
    validation: Path | None = None,
    held_out_share: float = 0.0,
) -> LocalTrainer:
    """The trainer of the hospital in ``folder``, which keeps ``held_out_share`` of its scans for judging;
    ``validation`` is a second folder, read for judging only.

    Raises:
        HospitalData, BadAnnotations: nothing can be trained from the folder; the sentence names it.
    """
    hospital = read_hospital(folder)
    scans, held_out = hold_out(open_training_scans(hospital, cache, report), held_out_share)
    scans += open_training_cubes(hospital, report)
    judged = open_training_scans(read_hospital(validation), cache, report) if validation else []
    return LocalTrainer(scans, options, [*judged, *held_out])


def _parser() -> Arguments:
    parser = Arguments("train_simple_model.py", "Train Simple3DUNet on one hospital's scans, or on several pooled.")
    parser.add_argument("--data", type=Path, required=True, help="a hospital folder, or a folder of hospitals (pooled)")
    parser.add_argument("--epochs", type=int, required=True, help="passes over the data")
    parser.add_argument("--out", type=Path, required=True, help="where the model goes, e.g. models/local.pth")
    parser.add_argument("--val", type=Path, help="folder like --data, read whole for Dice and FROC")
    parser.add_argument("--held-out", type=float, default=0.0, help="share of each hospital's scans kept for judging")
    parser.add_argument("--val-every", type=int, default=5, help="judge on --val every so many epochs, and at the end")
    parser.add_argument("--init", type=Path, help="start from this model instead of random weights")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same model")
    parser.add_argument("--learning-rate", type=float, default=LEARNING_RATE, help="peak of the cosine schedule")
    parser.add_argument("--cache", type=Path, default=Path("data/cache"), help="where prepared scans are kept")
    add_training_arguments(parser)
    return parser


def _train(argv: Sequence[str] | None) -> None:
    arguments = _parser().parse_args(argv)
    _check(arguments)
    options = TrainingOptions.from_arguments(arguments)
    trainer = _pooled(arguments, options)
    weights = initial_weights(arguments.seed)
    if arguments.init is not None:
        weights = load_model(arguments.init).weights
    done = 0
    stopping = threading.Event()
    try:
        with interrupts_call(stopping.set):
            for epoch in range(arguments.epochs):
                weights = _epoch(trainer, weights, epoch, arguments, stopping.is_set)
                metadata = {"epochs": epoch + 1, "seed": arguments.seed, "options": asdict(options)}
                save_checkpoint(arguments.out, weights=weights, architecture=ARCHITECTURE, metadata=metadata)
                done = epoch + 1
    except (Stopped, KeyboardInterrupt):
        kept = f"{arguments.out} holds the model after epoch {done}" if done else "no epoch was finished"
        raise Stopped(f"stopped in epoch {done + 1} of {arguments.epochs}; {kept}") from None
    print(f"model: {arguments.out}")  # noqa: T201 - the result of the command


def _check(arguments: argparse.Namespace) -> None:
    if arguments.epochs < 1 or arguments.val_every < 1:
        raise WrongArgument("--epochs and --val-every must be at least 1")
    if not 0 < arguments.learning_rate < math.inf:
        raise WrongArgument(f"--learning-rate must be a positive number, got {arguments.learning_rate:g}")
    if not 0 <= arguments.seed < 2**32:
        raise WrongArgument(f"--seed must be from 0 to 2**32 - 1, got {arguments.seed}")
    if not 0 <= arguments.held_out <= 0.5:
        raise WrongArgument(f"--held-out must be from 0 to 0.5, got {arguments.held_out:g}")
    make_room_for(arguments.out)


def _pooled(arguments: argparse.Namespace, options: TrainingOptions) -> LocalTrainer:
    """All hospitals under --data (and --val) as one set of scans: what a federation avoids, for comparison."""
    scans: list[TrainingScan] = []
    judged: list[TrainingScan] = []
    for folder in hospital_folders(arguments.data):
        hospital = read_hospital(folder)
        trained, held_out = hold_out(open_training_scans(hospital, arguments.cache, _warn), arguments.held_out)
        scans += trained + open_training_cubes(hospital, _warn)
        judged += held_out
    for folder in hospital_folders(arguments.val) if arguments.val else []:
        judged += open_training_scans(read_hospital(folder), arguments.cache, _warn)
    return LocalTrainer(scans, options, judged)


def _epoch(
    trainer: LocalTrainer,
    weights: Weights,
    epoch: int,
    arguments: argparse.Namespace,
    should_stop: Callable[[], bool],
) -> Weights:
    """One epoch with its progress bar and its line; judged on --val when it is due."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(f"epoch {epoch + 1}/{arguments.epochs}", total=1.0)
        result = trainer.train(
            weights,
            learning_rate=learning_rate_at(epoch + 1, arguments.epochs, arguments.learning_rate, schedule="cosine"),
            epochs=1,
            seed=int(np.random.SeedSequence([arguments.seed, epoch]).generate_state(1)[0]),
            on_progress=lambda share: progress.update(task, completed=share),
            should_stop=should_stop,
        )
    numbers = {**result.metrics}
    if trainer.validation and ((epoch + 1) % arguments.val_every == 0 or epoch + 1 == arguments.epochs):
        numbers |= {f"val_{name}": value for name, value in trainer.evaluate(result.weights).metrics.items()}
    line = "  ".join(f"{name} {value:.4g}" for name, value in numbers.items())
    print(f"epoch {epoch + 1}/{arguments.epochs}  {line}", flush=True)  # noqa: T201 - the output of the command
    return result.weights


def _warn(sentence: str) -> None:
    print(sentence, file=sys.stderr)  # noqa: T201 - what a person has to know about the data


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    return run_command(_train, argv)


if __name__ == "__main__":
    sys.exit(main())
