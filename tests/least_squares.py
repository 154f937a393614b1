"""A federation small enough to be solved by hand: linear least squares in NumPy, with a trainer of a few lines.

Local training is real (gradient descent on the hospital's own rows) and as reproducible as the network's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fedlung.errors import Stopped
from fedlung.federation.measured import Measured
from fedlung.federation.updates import ClientUpdate, Instruction, LocalPlan
from fedlung.federation.weights import Array, Weights

FEATURES = 5
ARCHITECTURE = {"name": "least squares", "features": FEATURES}


@dataclass(frozen=True, eq=False)
class Result:
    weights: dict[str, Array]
    num_examples: int
    metrics: dict[str, float]


@dataclass
class LeastSquaresTrainer:
    """Loss ``|x w + b - y|^2 / 2n`` on rows ``x`` (n, 5), ``y`` (n,); one row counts as one scan.

    An epoch is one step on all rows, or with ``batch`` one step on so many rows drawn by the seed.
    """

    x: Array
    y: Array
    batch: int | None = None
    validation: Sequence[object] = field(default=(), kw_only=True)

    @property
    def num_examples(self) -> int:
        return len(self.y)

    def gradient(self, weights: Weights, rows: Any = slice(None)) -> dict[str, Array]:
        x, y = self.x[rows], self.y[rows]
        error = x @ weights["w"] + weights["b"] - y
        return {"w": x.T @ error / len(y), "b": np.asarray(error.mean())}

    def loss(self, weights: Weights) -> float:
        return float(np.mean((self.x @ weights["w"] + weights["b"] - self.y) ** 2) / 2)

    def train(
        self,
        weights: Weights,
        *,
        learning_rate: float,
        epochs: int,
        seed: int,
        correct_gradient: Callable[[Any, Any, Any], Any] | None = None,
        on_progress: Callable[[float], None] | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Result:
        random = np.random.default_rng(seed)
        local = dict(weights)
        for epoch in range(epochs):
            if should_stop():
                raise Stopped("local training was stopped")
            rows = slice(None) if self.batch is None else random.integers(len(self.y), size=self.batch)
            for name, gradient in self.gradient(local, rows).items():
                step = correct_gradient(gradient, local[name], weights[name]) if correct_gradient else gradient
                local[name] = np.asarray(local[name] - learning_rate * step, weights[name].dtype)
            if on_progress is not None:
                on_progress((epoch + 1) / epochs)
        return Result(local, self.num_examples, {"loss": self.loss(local)})

    def evaluate(self, weights: Weights) -> Measured:
        return Measured({"loss": self.loss(weights)})


def hospitals(
    sizes: tuple[int, ...] = (40, 80, 20, 60), *, seed: int = 0, batch: int | None = None
) -> dict[str, LeastSquaresTrainer]:
    """Hospitals of so many rows that disagree about the true weights, as hospitals do."""
    random = np.random.default_rng(seed)
    found = {}
    for index, size in enumerate(sizes):
        x = random.normal(size=(size, FEATURES)) * (1 + index / 2)
        y = x @ (2 * random.normal(size=FEATURES)) + 0.1 * random.normal(size=size)
        found[f"hospital_{'abcdefgh'[index]}"] = LeastSquaresTrainer(x, y, batch)
    return found


def pooled(trainers: Mapping[str, LeastSquaresTrainer]) -> LeastSquaresTrainer:
    """All rows in one place: what a federation must not do, and what it is compared with."""
    return LeastSquaresTrainer(
        np.concatenate([trainer.x for trainer in trainers.values()]),
        np.concatenate([trainer.y for trainer in trainers.values()]),
    )


def zero_weights(dtype: Any = np.float64) -> dict[str, Array]:
    return {"w": np.zeros(FEATURES, dtype), "b": np.zeros((), dtype)}


def an_instruction(round_: int = 1, weights: Weights | None = None, **plan: Any) -> Instruction:
    values = {"learning_rate": 0.02, "local_epochs": 1, **plan}
    return Instruction(round_, zero_weights() if weights is None else weights, LocalPlan(**values), seed=0)


def an_update(client_id: str = "hospital_a", num_examples: Any = 10, round_: int = 1, **delta: Any) -> ClientUpdate:
    return ClientUpdate(client_id, round_, delta or {"w": np.ones(FEATURES), "b": np.ones(())}, num_examples)


def bits(weights: Weights) -> dict[str, bytes]:
    """What two models have in common when they are the same, bit for bit."""
    return {name: array.tobytes() for name, array in weights.items()}


@dataclass
class Watch:
    """Keeps what it is told: an ``on_event`` for tests."""

    events: list[Any] = field(default_factory=list)

    def __call__(self, event: Any) -> None:
        self.events.append(event)

    def named(self, name: str) -> list[Any]:
        return [event for event in self.events if event.name == name]
