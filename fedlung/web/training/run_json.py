"""A run as JSON: what an administrator sees, and how much of it the people of one hospital see.

Fields for others than administrators are listed one by one, so that a new one stays hidden until somebody decides
otherwise: names, reasons and numbers of other hospitals are never among them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from fedlung.stores.run_listing import INTERRUPTED, RunRecord
from fedlung.web.training.live_run import LiveRun

Json = dict[str, Any]
ASKED = {  # field of the request -> name of the command's argument
    "rounds": "rounds",
    "local_epochs": "local_epochs",
    "strategy": "strategy",
    "seed": "seed",
    "hospitals": "hospitals",
    "learning_rate": "learning_rate",
    "schedule": "schedule",
    "deadline_seconds": "deadline",
    "quorum": "quorum",
    "fraction": "fraction",
    "held_out_share": "held_out",
    "validate_every": "val_every",
}
TIMES = ("eta_seconds", "worked_seconds", "lasted_seconds")
BY_NODULES = ("cpm", "sensitivity_at_1_fp")  # shares of nodules; what else is measured is a mean over scans


def run_json(record: RunRecord, live: LiveRun | None, model_id: str | None) -> Json:
    """A run in a list: everything but its rounds. ``live`` when this process leads it."""
    last = record.records[-1] if record.records else {}
    return {
        "id": record.run_id,
        "state": live.state if live else record.state,
        "pending": live.pending if live else None,
        "round": live.round if live else record.round,
        "rounds": live.rounds if live else record.rounds,
        "reason": _without_place(live.reason if live else record.reason, record.arguments),
        "created": record.created,
        "ended": None if live else record.ended or None,
        "worked_seconds": None if live else record.worked_seconds,
        "lasted_seconds": None if live else record.lasted_seconds,
        "started_by": record.started_by,
        "note": record.note.text,
        "note_by": record.note.author,
        "note_time": record.note.time,
        "can_resume": live is None and record.can_resume,
        "config": config_json(record.arguments),
        "scans": dict(record.scans),
        "left_out": {
            hospital: _without_place(reason, record.arguments)
            for hospital, reason in (live.left_out if live else record.left_out).items()
        },
        "metrics": {"training": dict(last.get("metrics", {})), "validation": validation_mean(last)},
        "eta_seconds": live.eta_seconds() if live else None,
        "model_id": model_id,
    }


def full_run_json(record: RunRecord, live: LiveRun | None, model_id: str | None) -> Json:
    """A run with its rounds, and with the one under way."""
    records = [{**item, "validation_mean": validation_mean(item)} for item in record.records]
    return {**run_json(record, live, model_id), "records": records, "current": live.current_json() if live else None}


def _without_place(reason: str, arguments: Mapping[str, Any]) -> str:
    """Files by their names below the hospital's folder: where the server keeps its data is in the log."""
    data = str(arguments.get("data") or "")
    return re.sub(re.escape(data) + r"/[^/\s]+/", "", reason) if data.startswith("/") else reason


def config_json(arguments: Mapping[str, Any]) -> Json:
    """The arguments of a run, of the web or of the command, under the names of the request."""
    if not arguments:
        return {}
    config = {name: arguments.get(argument) for name, argument in ASKED.items()}
    return {**config, "strategy_options": dict(arguments.get("strategy_option") or [])}


def validation_mean(record: Mapping[str, Any]) -> dict[str, float]:
    """Mean of what the hospitals measured, weighted by nodules or by scans; of those that measured it."""
    results: Sequence[Mapping[str, float]] = list((record.get("validation") or {}).values())
    names = dict.fromkeys(name for result in results for name in result if not name.startswith("num_"))
    means = {}
    for name in names:
        count = "num_nodules" if name in BY_NODULES else "num_scans"
        weighted = [(result[name], result.get(count, 1.0)) for result in results if name in result]
        total = sum(weight for _, weight in weighted)
        if total > 0:
            means[name] = sum(value * weight for value, weight in weighted) / total
    return means


def run_for_hospital(run: Mapping[str, Any], own: str) -> Json:
    """What staff and clinicians of the hospital ``own`` see of a run."""
    open_fields = ("id", "state", "pending", "round", "rounds", "created", "ended", "started_by", "metrics")
    seen = {**_pick(run, *open_fields, *TIMES, "model_id"), "can_resume": False}
    seen |= {
        "note": "",
        "note_by": "",
        "note_time": "",
        "reason": run["reason"] if run["reason"] == INTERRUPTED else "",
    }
    seen["config"] = {**run["config"], "hospitals": None} if run["config"] else {}
    seen |= {name: _pick(run[name], own) for name in ("scans", "left_out")}
    if "records" in run:
        seen["records"] = [_record_for_hospital(record, own) for record in run["records"]]
    if "current" in run:
        current = run["current"]
        seen["current"] = current and {**current, "hospitals": _pick(current["hospitals"], own)}
    return seen


def _record_for_hospital(record: Mapping[str, Any], own: str) -> Json:
    shared = ("time", "event", "run_id", "round", "rounds", "num_examples", "seconds", "learning_rate", "metrics")
    return {
        **_pick(record, *shared, "validation_mean"),
        "hospitals": [result for result in record.get("hospitals", ()) if result.get("hospital") == own],
        "dropped": _pick(record.get("dropped", {}), own),
        "validation": _pick(record.get("validation", {}), own),
    }


def _pick(mapping: Mapping[str, Any], *names: str) -> Json:
    return {name: mapping[name] for name in names if name in mapping}
