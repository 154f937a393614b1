"""A run's rounds and events as files that people open in a spreadsheet or read with a program."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
EVENT_COLUMNS = ("seq", "time", "event", "round", "hospital", "state", "fraction", "reason", "message")
ROUND_COLUMNS = ("round", "hospital", "outcome", "reason", "num_examples", "seconds", "learning_rate")
EVERYBODY = "(all)"


def to_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """A table with a header. Text that a spreadsheet would take for a formula gets a leading apostrophe; numbers, also
    negative ones, stay numbers (OWASP, CSV injection)."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return target.getvalue()


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, int | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def events_csv(events: Sequence[Mapping[str, Any]]) -> str:
    """One row per event; what has no column of its own is in ``details``."""
    rows = []
    for event in events:
        rest = {name: value for name, value in event.items() if name not in (*EVENT_COLUMNS, "run_id")}
        rows.append({**event, "details": rest or None})
    return to_csv((*EVENT_COLUMNS, "details"), rows)


def events_jsonl(events: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events)


def rounds_csv(records: Sequence[Mapping[str, Any]]) -> str:
    """One row per round and hospital, and one for all of them: ``training_*`` and ``validation_*`` are metrics."""
    rows = [row for record in records for row in _rows(record)]
    metrics = dict.fromkeys(name for row in rows for name in row if name not in ROUND_COLUMNS)
    return to_csv((*ROUND_COLUMNS, *metrics), rows)


def _rows(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    common = {"round": record["round"], "learning_rate": record.get("learning_rate")}
    validation = record.get("validation") or {}
    all_of_them = {**common, "hospital": EVERYBODY, "outcome": "aggregated", "seconds": record.get("seconds")}
    all_of_them |= {"num_examples": record.get("num_examples")}
    all_of_them |= _named("training", record.get("metrics")) | _named("validation", record.get("validation_mean"))
    rows = [all_of_them]
    for result in record.get("hospitals", ()):
        numbers = {name: result.get(name) for name in ("hospital", "num_examples", "seconds")}
        measured = _named("training", result.get("metrics")) | _named("validation", validation.get(result["hospital"]))
        rows.append({**common, **numbers, "outcome": "accepted", **measured})
    for hospital, reason in (record.get("dropped") or {}).items():
        measured = _named("validation", validation.get(hospital))
        rows.append({**common, "hospital": hospital, "outcome": "left out", "reason": reason, **measured})
    return rows


def _named(kind: str, metrics: Mapping[str, Any] | None) -> dict[str, Any]:
    return {f"{kind}_{name}": value for name, value in (metrics or {}).items()}
