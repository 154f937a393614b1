"""How near to the machine's limit we are: its fastest matrix product, and what inference and training reach of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.model_and_scan import a_model, a_scan
from benchmarks.tables import table
from benchmarks.timing import conditions, fastest, load, timed
from benchmarks.training_step import STEPS, WatchedTrainer, ours, some_scans, training_options
from federated_inference_utils import FederatedLungNodulePredictor

EDGE = 3072
REPEATS = 5
THREADS = (1, 2)
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def run(work: Path) -> str:
    """Measure the peaks and the two programs, and return the table."""
    before = load()
    peaks = {(name, threads): peak(dtype, threads) for name, dtype in DTYPES.items() for threads in THREADS}
    rows = [
        [
            f"peak: product of {EDGE} x {EDGE} matrices, {name}, {threads} thread(s)",
            "",
            "",
            f"{value / 1e9:.0f}",
            "",
            "",
        ]
        for (name, threads), value in peaks.items()
    ]
    torch.set_num_threads(THREADS[-1])
    best = [peaks[name, THREADS[-1]] for name in DTYPES]
    for title, flops, seconds in (*_inference(work), *_training(work)):
        shares = (f"{flops / seconds / limit:.0%}" for limit in best)
        rows.append([title, f"{flops / 1e9:.0f}", f"{seconds:.2f}", f"{flops / seconds / 1e9:.0f}", *shares])
    header = ("work", "GFLOP", "seconds", "GFLOP/s", *(f"of the peak in {name}" for name in DTYPES))
    note = (
        "Floating-point operations of convolutions and matrix products as torch.utils.flop_counter counts them (two "
        f"for a multiplication with its addition); {THREADS[-1]} threads."
    )
    return f"{table(header, rows)}\n\n{note}\n\n{conditions(before)}"


def peak(dtype: torch.dtype, threads: int) -> float:
    """Operations per second of a large matrix product."""
    torch.set_num_threads(threads)
    left, right = (torch.ones(EDGE, EDGE, dtype=dtype) for _ in range(2))
    return 2 * EDGE**3 / fastest(lambda: torch.mm(left, right), REPEATS)


def _inference(work: Path) -> list[tuple[str, float, float]]:
    predictor, scan = FederatedLungNodulePredictor(a_model(work), device="cpu"), a_scan(work)
    flops = _flops(lambda: predictor.predict_file(scan))
    seconds, prediction = timed(lambda: predictor.predict_file(scan))
    return [
        ("inference of a scan, network", flops, prediction.seconds["network"]),
        ("inference of a scan, end to end", flops, seconds),
    ]


def _training(work: Path) -> list[tuple[str, float, float]]:
    trainer = WatchedTrainer(some_scans(work), training_options())
    flops = _flops(lambda: ours(trainer)) / STEPS
    parts = ours(trainer).medians()
    network = parts["forward"] + parts["loss and backward"]
    return [
        ("a training step, forward and backward", flops, network),
        ("a training step, whole", flops, sum(parts.values())),
    ]


def _flops(work: Callable[[], object]) -> float:
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())
