"""The book of one round: who answered with what, and who was left out for which reason."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fedlung.errors import QuorumNotReached
from fedlung.events import HospitalResult
from fedlung.federation.updates import ClientUpdate


@dataclass
class RoundTally:
    """Filled while answers arrive; keeps numbers only, never weights."""

    accepted: list[HospitalResult] = field(default_factory=list)
    dropped: dict[str, str] = field(default_factory=dict)

    def accept(self, update: ClientUpdate, seconds: float) -> None:
        """Note an update that went into the model; ``seconds`` as the coordinator measured them."""
        result = HospitalResult(
            update.client_id, int(update.num_examples), round(seconds, 3), finite_numbers(update.metrics)
        )
        self.accepted.append(result)

    def drop(self, client_id: str, reason: str) -> None:
        self.dropped[client_id] = reason

    def summary(self) -> dict[str, Any]:
        """The fields of `RoundFinished` that are known here; hospitals by name, arrival order says nothing."""
        hospitals = tuple(sorted(self.accepted, key=lambda result: result.hospital))
        names = dict.fromkeys(name for result in hospitals for name in result.metrics)
        return {
            "num_examples": sum(result.num_examples for result in hospitals),
            "metrics": {name: _weighted_mean(name, hospitals) for name in names},
            "hospitals": hospitals,
            "dropped": dict(sorted(self.dropped.items())),
        }

    def require(self, needed: int, round_: int) -> None:
        """Raises QuorumNotReached, with everybody's reason, when fewer than ``needed`` were accepted."""
        if len(self.accepted) < needed:
            asked = len(self.accepted) + len(self.dropped)
            reasons = ", ".join(f"{client_id} ({reason})" for client_id, reason in sorted(self.dropped.items()))
            raise QuorumNotReached(
                f"round {round_}: {len(self.accepted)} of {asked} hospitals answered, {needed} are needed; "
                f"the model is that of round {round_ - 1}; left out: {reasons}"
            )


def _weighted_mean(name: str, results: Sequence[HospitalResult]) -> float:
    """Mean of one metric over the hospitals that have it, weighted by scans."""
    with_it = [result for result in results if name in result.metrics]
    total = sum(result.num_examples for result in with_it)
    return math.fsum(result.metrics[name] * result.num_examples for result in with_it) / total


def finite_numbers(metrics: Mapping[str, object]) -> dict[str, float]:
    """The metrics that are numbers. Others say nothing (Dice without a nodule) and could not be written as JSON."""
    numbers = {str(name): value for name, value in metrics.items() if isinstance(value, int | float | np.number)}
    return {name: float(value) for name, value in numbers.items() if math.isfinite(value)}
