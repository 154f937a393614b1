"""The mean of a round: Flower's FedAvg, which holds all updates, against our stream of exact sums.

Both get the same float32 updates with the shapes of our network, once as it is and once four times as wide. Flower's
are all there before the clock starts; ours are made one after the other, and the clock runs only while the mean takes
one in, and for the result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.peer_environment import Peer, PeerFailed, peer_python
from benchmarks.peers.generated_updates import Shapes, generated
from benchmarks.peers.memory import peak_mb_of
from benchmarks.tables import table
from benchmarks.timing import conditions, fastest, in_turns, load
from fedlung.federation.combining import WeightedMean
from fedlung.federation.updates import ClientUpdate
from fedlung.federation.weights import Array
from train_simple_model import CHANNELS, Simple3DUNet

WIDER = 4
CASES = ((1, 100), (WIDER, 20))
"""(times as wide as our network, updates)."""
TURNS = 3
THREADS = 2
WAYS = {"strategy": "Flower 1.41.0, FedAvg.aggregate_train", "legacy": "Flower 1.41.0, aggregate (arrays decoded)"}


def run(work: Path) -> str:
    """Measure both sizes and return the table."""
    before = load()
    torch.set_num_threads(THREADS)
    rows: list[Sequence[str]] = []
    differences = []
    try:
        python = peer_python(work, "flower")
        for wider, count in CASES:
            with Peer(python, "flower_aggregation", threads=THREADS) as flower:
                more, difference = _case(work, flower, wider, count)
            rows += more
            differences.append(difference)
    except PeerFailed as error:
        return f"Flower could not be run here: {error}\n\n{conditions(before)}"
    header = ("updates", "way", "ms", "times as long as ours", "peak memory, MB")
    note = (
        f"Medians of {TURNS} runs in turns. Largest difference between the two means, relative to the largest value: "
        f"{max(differences):.1e} (Flower adds in float32). *In place* and *copy* are bounds of this machine: the same "
        "bytes read and added to, or copied into, one float32 array by torch with two threads; neither weighs, checks "
        "for NaN, nor gives the same bits in every order of arrival."
    )
    return f"{table(header, rows)}\n\n{note}\n\n{conditions(before)}"


def _case(work: Path, flower: Peer, wider: int, count: int) -> tuple[list[Sequence[str]], float]:
    """Rows of one size, and how far the two means are apart."""
    shapes = [tuple(value.shape) for value in Simple3DUNet([wider * c for c in CHANNELS]).state_dict().values()]
    million = sum(int(np.prod(shape)) for shape in shapes) / 1e6
    title = f"{count} of {million:.1f} M float32"
    ours_mb = peak_mb_of(lambda: _mean(shapes, count))
    rows: list[Sequence[str]] = []
    for way, name in WAYS.items():
        flower_mb = flower.ask(do="prepare", way=way, shapes=shapes, count=count)
        both: dict[str, Callable[[], float]] = {
            "flower": partial(flower.ask, do="run"),
            "ours": lambda: _mean(shapes, count)[0],
        }
        seconds = in_turns(both, TURNS)
        rows.append((title, name, *_cells(seconds["flower"], seconds["ours"], f"{flower_mb:.0f}")))
    rows.append((title, "**ours, WeightedMean**", *_cells(seconds["ours"], seconds["ours"], f"{ours_mb:.0f}")))
    for name, bound in _bounds(shapes).items():
        rows.append((title, name, *_cells(bound * count, seconds["ours"], "")))
    flower.ask(do="save", path=str(work / "flower.npy"))
    theirs, ours = np.load(work / "flower.npy"), _flat(_mean(shapes, count)[1])
    return rows, float(np.abs(theirs - ours).max() / np.abs(ours).max())


def _cells(seconds: float, ours: float, megabytes: str) -> tuple[str, str, str]:
    return f"{seconds * 1e3:.0f}", f"{seconds / ours:.2f}", megabytes


def _mean(shapes: Shapes, count: int) -> tuple[float, dict[str, Array]]:
    """Seconds that our mean took to take in a stream of updates and to give the result, and the result."""
    mean, seconds = WeightedMean(), 0.0
    for delta, num_examples in generated(shapes, count):
        update = ClientUpdate("hospital", 1, delta, num_examples)
        started = time.perf_counter()
        mean.add(update)
        seconds += time.perf_counter() - started
    started = time.perf_counter()
    result = mean.result()
    return seconds + time.perf_counter() - started, result


def _bounds(shapes: Shapes) -> dict[str, float]:
    """Seconds that this machine needs for the bytes of one update at least."""
    update = torch.zeros(sum(int(np.prod(shape)) for shape in shapes))
    total = torch.zeros_like(update)
    return {
        "bound: float32 in place": fastest(lambda: total.add_(update, alpha=0.5), 20),
        "bound: copy": fastest(lambda: total.copy_(update), 20),
    }


def _flat(arrays: dict[str, Array]) -> Array:
    return np.concatenate([array.ravel() for array in arrays.values()])
