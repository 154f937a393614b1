"""What people see of the model that read a scan: where it comes from, and what its thresholds meant in validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedlung.stores.model_registry import ModelEntry

POINT = ("threshold", "fp_per_scan", "sensitivity", "num_scans")


def model_facts(entry: ModelEntry) -> dict[str, Any]:
    """Facts of the card that concern everybody: no hospital is named, only how many there were."""
    card = entry.card
    metrics = card.get("metrics") or {}
    validation = metrics.get("validation") if entry.is_built_in else metrics.get("validation_mean")
    return {
        "id": entry.model_id,
        "name": str(card.get("name") or entry.model_id),
        "sha256": entry.sha256,
        "round": card.get("round"),
        "rounds": card.get("rounds"),
        "hospitals": card.get("num_hospitals"),
        "num_scans": card.get("num_scans"),
        "created": entry.created,
        "is_built_in": entry.is_built_in,
        "validation": dict(validation) if isinstance(validation, Mapping) else {},
        "operating_points": operating_points(card),
    }


def operating_points(card: Mapping[str, Any]) -> list[dict[str, float]]:
    """What a threshold gave in validation: false marks per scan, sensitivity, on how many scans; by rising threshold.

    A card may list them as ``metrics.validation.operating_points``. Else there is one at most: the display threshold,
    with the sensitivity at its false marks per scan. A model whose validation named no threshold has none, and the
    page says so instead of inventing a meaning.
    """
    validation = (card.get("metrics") or {}).get("validation") or {}
    listed = validation.get("operating_points")
    if isinstance(listed, list):
        points = [{name: float(point[name]) for name in POINT} for point in listed]
        return sorted(points, key=lambda point: point["threshold"])
    rate = validation.get("false_marks_per_scan_at_threshold")
    threshold, sensitivities = validation.get("display_threshold"), validation.get("sensitivity_at_fp_per_scan") or {}
    interval = sensitivities.get(f"{rate:g}") if isinstance(rate, int | float) else None
    if threshold is None or interval is None:
        return []
    values = (threshold, rate, interval[0], validation.get("num_scans") or 0)
    return [{name: float(value) for name, value in zip(POINT, values, strict=True)}]
