"""What the validation of a run says about the threshold of its model: for the model's file, and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fedlung.federation.operating_points import (
    DEFAULT_THRESHOLD,
    DISPLAYED_RATE,
    LEAST_NODULES,
    LEAST_SCANS,
    TOO_FEW,
)


def threshold_metadata(records: Sequence[Mapping[str, Any]], round_: int) -> dict[str, Any]:
    """Metadata for the model after ``round_``, from the run's complete rounds, so that a resumed run says the same.

    Empty for a model that was not validated itself: what holds for an earlier round need not hold for this one.
    """
    pooled = next((record.get("validation_pooled") for record in records if record["round"] == round_), None)
    if not pooled:
        return {}
    metadata: dict[str, Any] = {"validation_pooled": pooled}
    if "display_threshold" in pooled:
        metadata["display_threshold"] = pooled["display_threshold"]
    return metadata


def threshold_line(metadata: Mapping[str, Any]) -> str:
    """What the display threshold of a model means, in one line; ``metadata`` as `threshold_metadata` made them."""
    pooled = metadata.get("validation_pooled")
    stays = f"display threshold {DEFAULT_THRESHOLD:.2f}, not chosen on validation"
    if not pooled:
        return f"{stays}: no hospital validated this model (see --held-out and --val)"
    seen = f"{_of(pooled['num_scans'], 'scan')} and {_of(pooled['num_nodules'], 'nodule')}"
    if pooled.get("no_threshold") == TOO_FEW:
        return f"{stays}: {seen} were held out, at least {LEAST_SCANS} and {LEAST_NODULES} are needed"
    if "display_threshold" not in pooled:
        return f"{stays}: at every threshold there is more than {DISPLAYED_RATE:g} false mark per scan ({seen})"
    threshold = pooled["display_threshold"]
    point = next(point for point in pooled["operating_points"] if point["threshold"] == threshold)
    rate = f"{point['fp_per_scan']:.2f} false marks per scan{_interval(point.get('fp_interval'))}"
    sensitivity = f"sensitivity {point['sensitivity']:.2f}{_interval(point['interval'])}"
    return f"display threshold {threshold:.2f}: in validation {rate}, {sensitivity}, on {seen}"


def _interval(ends: Sequence[float] | None) -> str:
    return "" if ends is None else f" (95 % interval {ends[0]:.2f} to {ends[1]:.2f})"


def _of(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
