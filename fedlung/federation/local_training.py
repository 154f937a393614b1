"""What the federation asks of a hospital's trainer. The real one lives in a front; tests use one of a few lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from fedlung.federation.measured import Measured
from fedlung.federation.weights import Weights

CorrectGradient = Callable[[Any, Any, Any], Any]
"""``(gradient, weight, global weight) -> gradient`` of one parameter; NumPy arrays or PyTorch tensors alike."""


class LocalResult(Protocol):
    """A hospital's weights after local training on ``num_examples`` scans; ``metrics`` such as loss and dice."""

    @property
    def weights(self) -> Weights: ...
    @property
    def num_examples(self) -> int: ...
    @property
    def metrics(self) -> Mapping[str, float]: ...


class LocalTrainer(Protocol):
    """One hospital's scans with a way to train on them; nothing but weights and numbers comes out."""

    @property
    def num_examples(self) -> int:
        """Number of scans it trains on."""

    def train(
        self,
        weights: Weights,
        *,
        learning_rate: float,
        epochs: int,
        seed: int,
        correct_gradient: CorrectGradient | None,
        on_progress: Callable[[float], None] | None,
        should_stop: Callable[[], bool],
    ) -> LocalResult:
        """Train a copy of ``weights``; the same arguments give the same bits on CPU.

        ``correct_gradient`` is applied to every parameter's gradient before the optimizer's step. ``on_progress``
        hears a fraction in 0..1. When ``should_stop()`` turns true the answer is no longer wanted.
        """

    def evaluate(self, weights: Weights) -> Measured:
        """What ``weights`` are worth on scans that are not trained on."""
