"""What a round costs besides training: our coordinator, Flower's simulation and NVFLARE's simulator.

Three clients work for the same few seconds at the same time, on the weights of our network. A round lasts from the
moment when its first client begins until the first client begins the next round, so it holds all there is: sending the
model, taking in the answers, the mean, and in ours also the checkpoint and the run folder on the disk.
"""

from __future__ import annotations

import json
import shutil
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peer_environment import Peer, PeerFailed, peer_python
from benchmarks.peers.local_work import NUM_EXAMPLES, WORK_SECONDS, local_work
from benchmarks.tables import table
from benchmarks.timing import conditions, load
from federated_training import FedAvgCoordinator, FederatedClient, FederatedServer
from fedlung.federation.measured import Measured
from fedlung.federation.options import RunOptions
from fedlung.federation.strategies import FedAvg
from fedlung.federation.weights import Weights
from fedlung.stores.runs import RunFolder
from train_simple_model import ARCHITECTURE, initial_weights

CLIENTS = 3
ROUNDS = 7
"""The first one warms up and the last one has no end: five count."""
MINUTE = 60.0
PEERS = {"flower": "Flower 1.41.0, simulation", "nvflare": "NVFLARE 2.9.0, simulator (weights packed into one array)"}


@dataclass(frozen=True, eq=False)
class _Result:
    weights: Weights
    num_examples: int
    metrics: Mapping[str, float]


class _Trainer:
    """Works like the clients of the peers."""

    num_examples = NUM_EXAMPLES

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log

    def train(self, weights: Weights, **plan: Any) -> _Result:
        return _Result(local_work(weights, self.name, self.log), NUM_EXAMPLES, {})

    def evaluate(self, weights: Weights) -> Measured:
        return Measured({})


def run(work: Path) -> str:
    """Run the three federations, one after the other, and return the table."""
    before = load()
    np.savez(work / "weights.npz", **initial_weights(0))  # type: ignore[arg-type]
    federations: dict[str, Callable[[Path], None]] = {"**ours, in process, with checkpoints**": _ours}
    federations |= {title: partial(_peer, work, peer) for peer, title in PEERS.items()}
    rows = []
    for number, (title, federation) in enumerate(federations.items()):
        folder = work / f"federation{number}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            federation(folder)
            rows.append((title, *_cells(folder / "log.jsonl")))
        except PeerFailed as error:
            rows.append((title, f"could not be run: {error}", "", ""))
    header = (
        "framework",
        "seconds beside training",
        f"share of a round, {WORK_SECONDS:g} s of training",
        "share, a minute of training",
    )
    note = (
        f"Medians of {ROUNDS - 2} rounds of {CLIENTS} clients. Seconds beside training: wall time of a round without "
        "the training time of its slowest client. The last column is computed from the first."
    )
    return f"{table(header, rows)}\n\n{note}\n\n{conditions(before)}"


def _ours(folder: Path) -> None:
    clients = [
        FederatedClient(f"hospital_{i}", _Trainer(f"hospital_{i}", folder / "log.jsonl")) for i in range(CLIENTS)
    ]
    with RunFolder.create(folder, "run", {}) as run_folder:
        FedAvgCoordinator(
            FederatedServer(FedAvg(), initial_weights(0)),
            clients,
            RunOptions(ROUNDS, concurrent=CLIENTS),
            folder=run_folder,
            architecture=ARCHITECTURE,
        ).run()


def _peer(work: Path, peer: str, folder: Path) -> None:
    with Peer(peer_python(work, peer), f"{peer}_rounds", threads=1) as federation:
        weights, log = str(work / "weights.npz"), str(folder / "log.jsonl")
        federation.ask(do="run", weights=weights, log=log, clients=CLIENTS, rounds=ROUNDS)


def _cells(log: Path) -> tuple[str, str, str]:
    """Median seconds beside training, its share of the rounds, and of a round with a minute of training."""
    pieces = sorted(
        (json.loads(line) for line in log.read_text().splitlines()), key=lambda piece: float(piece["started"])
    )
    rounds = [pieces[start : start + CLIENTS] for start in range(0, len(pieces), CLIENTS)]
    beside, shares = [], []
    for here, following in pairwise(rounds[1:]):
        wall = following[0]["started"] - here[0]["started"]
        slowest = max(piece["ended"] - piece["started"] for piece in here)
        beside.append(wall - slowest)
        shares.append((wall - slowest) / wall)
    seconds = statistics.median(beside)
    return f"{seconds:.3f}", f"{statistics.median(shares):.1%}", f"{seconds / (MINUTE + seconds):.2%}"
