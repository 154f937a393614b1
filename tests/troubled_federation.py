"""A federation of least-squares hospitals under a real coordinator, with hospitals that get into trouble on call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from federated_training import FedAvgCoordinator, FederatedClient, FederatedServer
from fedlung.events import Event
from fedlung.federation.options import RunOptions
from fedlung.federation.strategies import FedAvg, Strategy
from fedlung.federation.validation import UpdateLimits
from fedlung.federation.weights import Weights
from fedlung.stores.runs import RunFolder
from tests.least_squares import ARCHITECTURE, LeastSquaresTrainer, Result, zero_weights

LONG = 30.0
"""Seconds that no test waits for, unless something is broken."""


@dataclass
class Troubled(LeastSquaresTrainer):
    """Trains well, and then ``trouble`` spoils the answer to the calls (rounds) in ``when``."""

    trouble: Callable[[Result], Result] = field(default=lambda result: result)
    when: tuple[int, ...] = (1,)
    calls: int = 0

    def train(self, weights: Weights, **arguments: Any) -> Result:
        self.calls += 1
        result = super().train(weights, **arguments)
        return self.trouble(result) if self.calls in self.when else result


def troubled(trainer: LeastSquaresTrainer, trouble: Callable[[Result], Result], when: tuple[int, ...]) -> Troubled:
    return Troubled(trainer.x, trainer.y, trainer.batch, trouble, when)


def raise_out_of_memory(result: Result) -> Result:
    raise RuntimeError("CUDA error: out of memory")


def with_w(change: Callable[[np.ndarray], Any]) -> Callable[[Result], Result]:
    return lambda result: replace(result, weights={**result.weights, "w": change(result.weights["w"])})


def with_count(count: Any) -> Callable[[Result], Result]:
    return lambda result: replace(result, num_examples=count)


def a_coordinator(
    folder: RunFolder,
    trainers: Mapping[str, LeastSquaresTrainer],
    on_event: Callable[[Event], None] | None = None,
    strategy: Strategy | None = None,
    **options: Any,
) -> FedAvgCoordinator:
    """Three rounds, unless told otherwise; every hospital validates on its own rows."""
    limits = UpdateLimits(declared={name: trainer.num_examples for name, trainer in trainers.items()})
    server = FederatedServer(strategy or FedAvg(), zero_weights(np.float32), limits)
    clients = [FederatedClient(name, trainer, strategy, validates=True) for name, trainer in trainers.items()]
    values = {"rounds": 3, "local_epochs": 4, "learning_rate": 0.02, "concurrent": 4, **options}
    return FedAvgCoordinator(
        server, clients, RunOptions(**values), folder=folder, architecture=ARCHITECTURE, on_event=on_event
    )
