"""What is known about a model: made when a run ends, shown beside its download, and redacted for other hospitals."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flask_babel import gettext

from fedlung import __version__
from fedlung.stores.model_registry import ModelEntry, Promotion
from fedlung.stores.run_listing import RunRecord
from fedlung.web.model_words import card_words, with_words
from fedlung.web.training.run_json import config_json, validation_mean

Json = dict[str, Any]
INTENDED_USE = "Research use only; not for diagnosis."
SHARED = ("id", "name", "created", "run_id", "round", "rounds", "strategy", "num_hospitals", "num_scans", "seed")
SHARED_TOO = ("config", "version", "intended_use", "sha256", "size_bytes")


def model_id_of(run_id: str, round_: int) -> str:
    return f"{run_id}-r{round_:04d}"


def card_of(record: RunRecord) -> Json:
    """The card of the model after the last complete round of a run; it stays in English, like the run's folder."""
    config, last = config_json(record.arguments), record.records[-1]
    validation = last.get("validation") or {}
    return {
        "name": f"{config.get('strategy', 'model')}, round {record.round} of {record.rounds}, run {record.run_id}",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "run_id": record.run_id,
        "round": record.round,
        "rounds": record.rounds,
        "strategy": config.get("strategy"),
        "seed": config.get("seed"),
        "hospitals": dict(record.scans),
        "num_hospitals": len(record.scans),
        "num_scans": sum(record.scans.values()),
        "metrics": {
            "training": dict(last.get("metrics", {})),
            "validation_mean": validation_mean(last),
            "validation_pooled": dict(last.get("validation_pooled") or {}),
            "validation": {name: dict(found) for name, found in validation.items()},
        },
        "config": config,
        "started_by": record.started_by,
        "version": __version__,
        "intended_use": INTENDED_USE,
    }


def model_json(entry: ModelEntry, *, intact: bool, promotion: Promotion | None, own: str | None) -> Json:
    """One model of ``GET /api/models``; ``promotion`` if it is the one in use, ``own``: see `card_for`."""
    card = card_for(entry, own)
    return {
        "id": entry.model_id,
        "name": card_words(str(card.get("name") or "")) or _made_name(entry),
        "created": card.get("created"),
        "run_id": card.get("run_id"),
        "round": card.get("round"),
        "hospitals": card.get("hospitals", {}),
        "num_hospitals": card.get("num_hospitals"),
        "num_scans": card.get("num_scans"),
        "metrics": card.get("metrics", {}),
        "sha256": entry.sha256,
        "size_bytes": entry.size_bytes,
        "promoted": promotion is not None,
        "promoted_by": promotion.by if promotion and own is None else None,
        "promoted_time": promotion.time if promotion else None,
        "built_in": entry.is_built_in,
        "intact": intact,
        "card": with_words(card),
    }


def card_for(entry: ModelEntry, own: str | None) -> Json:
    """The card for an administrator (``own`` None), or for the people of one hospital.

    Cards of models that were shipped say nothing about a hospital of this federation.
    """
    if own is None or entry.is_built_in:
        return dict(entry.card)
    card = {name: entry.card[name] for name in (*SHARED, *SHARED_TOO) if name in entry.card}
    card["config"] = {name: value for name, value in (card.get("config") or {}).items() if name != "hospitals"}
    metrics = entry.card.get("metrics") or {}
    shown = {name: metrics[name] for name in ("training", "validation_mean", "validation_pooled") if name in metrics}
    card["metrics"] = {**shown, "validation": _own(metrics.get("validation"), own)}
    return {**card, "hospitals": _own(entry.card.get("hospitals"), own)}


def _own(mapping: Mapping[str, Any] | None, own: str) -> Json:
    return {name: value for name, value in (mapping or {}).items() if name == own}


def _made_name(entry: ModelEntry) -> str:
    return gettext("Built-in model %(name)s", name=entry.path.stem) if entry.is_built_in else entry.model_id
