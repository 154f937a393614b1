"""Patches per second of our local training, against the plain loop: float32, contiguous, on the same patches.

Where a step's time goes is measured from outside: the real `LocalTrainer.train` runs, and a stopwatch is read when a
batch is there, when the network has answered, after the backward pass, and when the step is reported.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.model_and_scan import phantoms
from benchmarks.tables import table
from benchmarks.timing import conditions, load
from fedlung.detection.losses import Targets, detection_loss
from fedlung.detection.training_options import TrainingOptions
from fedlung.detection.training_scan import TrainingScan, open_training_scans
from fedlung.imaging.hospital_folder import read_hospital
from train_simple_model import (
    LEARNING_RATE,
    MAX_GRADIENT_NORM,
    WARM_UP_STEPS,
    LocalTrainer,
    Simple3DUNet,
    initial_weights,
)

THREADS = 2
STEPS = 32
TURNS = 3
SEED = 0
SCANS = 2
STAGES = ("data", "forward", "loss and backward", "optimizer")


class Stopwatch:
    """Seconds of each stage, one value a step."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {stage: [] for stage in STAGES}
        self.losses: list[float] = []
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage].append(now - self._last)
        self._last = now

    def medians(self) -> dict[str, float]:
        """Of each stage, without the first step, which warms up."""
        return {stage: statistics.median(values[1:]) for stage, values in self.seconds.items()}


class WatchedTrainer(LocalTrainer):
    """Our trainer; it only looks at the stopwatch in between."""

    watch: Stopwatch

    def _step(self, model: Simple3DUNet, x: Tensor, targets: Targets) -> tuple[float, float]:
        self.watch.lap("data")
        hook = model.register_forward_hook(lambda *_: self.watch.lap("forward"))
        loss, dice = super()._step(model, x, targets)
        hook.remove()
        self.watch.lap("loss and backward")
        self.watch.losses.append(loss)
        return loss, dice


def run(work: Path) -> str:
    """Train both ways in turns and return the table."""
    before = load()
    torch.set_num_threads(THREADS)
    trainer = WatchedTrainer(some_scans(work), training_options())
    ways: dict[str, Callable[[WatchedTrainer], Stopwatch]] = {
        "plain loop, float32, contiguous": plain,
        "**ours**": ours,
    }
    watches: dict[str, list[Stopwatch]] = {name: [] for name in ways}
    for _ in range(TURNS):
        for name, train in ways.items():
            watches[name].append(train(trainer))
    rows, seconds = [], {}
    for name, turns in watches.items():
        parts = {stage: statistics.median(watch.medians()[stage] for watch in turns) for stage in STAGES}
        seconds[name] = sum(parts.values())
        split = [f"{value * 1e3:.0f} ({value / seconds[name]:.0%})" for value in parts.values()]
        rows.append([name, f"{trainer.options.batch / seconds[name]:.1f}", *split])
    slow, fast = seconds.values()
    theirs, own = (np.array(turns[0].losses) for turns in watches.values())
    apart = np.abs(theirs - own) / np.abs(theirs)
    header = ("loop", "patches per second", *(f"{stage}, ms" for stage in STAGES))
    note = (
        f"Ours makes {slow / fast:.2f} times the patches per second. Patches of {trainer.options.patch} mm in batches "
        f"of {trainer.options.batch}, {THREADS} threads; medians of {TURNS} x {STEPS - 1} steps in turns. Loss, ours "
        f"and the plain loop's: {apart[0]:.1e} apart in the first step, at most {apart.max():.1e} in one of {STEPS} "
        f"steps (rounding that grows from step to step), {abs(own.mean() / theirs.mean() - 1):.1e} in their mean."
    )
    return f"{table(header, rows)}\n\n{note}\n\n{conditions(before)}"


def some_scans(work: Path) -> list[TrainingScan]:
    """Phantoms to train on."""
    hospital = phantoms(work, scans=SCANS)[0].parent.parent
    return open_training_scans(read_hospital(hospital), work / "cache", print)


def training_options() -> TrainingOptions:
    """The product's, with so many patches that an epoch has `STEPS` steps."""
    return TrainingOptions(device="cpu", patches_per_scan=STEPS * TrainingOptions().batch // SCANS, mined_scans=0)


def ours(trainer: WatchedTrainer) -> Stopwatch:
    """One epoch of the product's training."""
    trainer.watch = watch = Stopwatch()
    trainer.train(
        initial_weights(SEED),
        learning_rate=LEARNING_RATE,
        epochs=1,
        seed=SEED,
        on_progress=lambda fraction: watch.lap("optimizer"),
    )
    return watch


def plain(trainer: WatchedTrainer) -> Stopwatch:
    """What one would write first: the same network, patches, loss and optimizer, nothing done for speed."""
    watch = Stopwatch()
    model = Simple3DUNet()
    model.load_state_dict({name: torch.from_numpy(array) for name, array in initial_weights(SEED).items()})
    options = trainer.options
    optimizer: Any = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=options.weight_decay)
    warm_up = min(WARM_UP_STEPS, max(1, STEPS // 4))
    batches = trainer.patches.batches(int(np.random.SeedSequence([SEED, 0]).generate_state(1)[0]))
    for step, (x, targets) in enumerate(batches):
        watch.lap("data")
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * min(1.0, (step + 1) / warm_up)
        optimizer.zero_grad()
        heads = model(x)
        watch.lap("forward")
        loss = detection_loss(heads, targets)
        loss.backward()
        watch.losses.append(float(loss.detach()))
        watch.lap("loss and backward")
        nn.utils.clip_grad_norm_(model.parameters(), MAX_GRADIENT_NORM)
        optimizer.step()
        watch.lap("optimizer")
    return watch
