"""What a hospital measures with the new model on its held-out scans, and the book in which the server keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fedlung.federation.mark_counts import MarkCounts, bad_counts_or_none
from fedlung.federation.operating_points import pooled_validation
from fedlung.federation.round_tally import finite_numbers


@dataclass(frozen=True)
class Measured:
    """Metrics such as sensitivity and Dice for the curves; ``counts`` of a trainer whose model makes marks."""

    metrics: Mapping[str, float]
    counts: MarkCounts | None = None


@dataclass
class ValidationTally:
    """Filled while the hospitals' answers arrive. Of the counts nothing but their sums comes out."""

    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    counts: dict[str, MarkCounts] = field(default_factory=dict)

    def refusal_or_none(self, client_id: str, answer: object) -> str | None:
        """Take an answer in, or the reason why it was refused; then nothing of it counts."""
        if not isinstance(answer, Measured) or not isinstance(answer.metrics, Mapping):
            return f"its answer must be metrics by name and counts, got {type(answer).__name__}"
        if answer.counts is not None and (reason := bad_counts_or_none(answer.counts)) is not None:
            return reason
        self.metrics[client_id] = finite_numbers(answer.metrics)
        if answer.counts is not None:
            self.counts[client_id] = answer.counts
        return None

    def summary(self) -> dict[str, Any]:
        """The fields of `RoundFinished` that are known here."""
        return {
            "validation": dict(sorted(self.metrics.items())),
            "validation_pooled": pooled_validation(list(self.counts.values())),
        }
