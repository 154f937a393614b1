"""The rounds of a run as lines of text. They are made from the records of ``rounds.jsonl``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

SHOWN_METRICS = ("loss", "dice")


def round_line(record: Mapping[str, Any]) -> str:
    """One complete round in one line; what hospitals measured and who was left out included."""
    parts = [f"round {record['round']}/{record['rounds']}"]
    parts += [f"{name} {value:.4f}" for name, value in _shown(record["metrics"])]
    parts.append(f"{record['num_examples']} scans")
    parts.append(", ".join(_hospital(result) for result in record["hospitals"]))
    if record["validation"]:
        parts.append("validation: " + ", ".join(_judged(*item) for item in sorted(record["validation"].items())))
    if record["dropped"]:
        reasons = (f"{hospital} ({reason})" for hospital, reason in sorted(record["dropped"].items()))
        parts.append("left out: " + ", ".join(reasons))
    return "  ".join(parts)


def rounds_table(records: Sequence[Mapping[str, Any]]) -> str:
    """A table of all complete rounds; those before the first (the initial weights) are not shown."""
    header = ["round", "learning rate", *SHOWN_METRICS, "hospitals", "scans", "seconds", "left out"]
    rows = [header, *(_row(record) for record in records if record["round"] > 0)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def _row(record: Mapping[str, Any]) -> list[str]:
    metrics = record["metrics"]
    return [
        str(record["round"]),
        f"{record['learning_rate']:.3g}",
        *(f"{metrics[name]:.4f}" if name in metrics else "-" for name in SHOWN_METRICS),
        str(len(record["hospitals"])),
        str(record["num_examples"]),
        f"{record['seconds']:.1f}",
        ", ".join(sorted(record["dropped"])) or "-",
    ]


def _shown(metrics: Mapping[str, float]) -> list[tuple[str, float]]:
    return [(name, metrics[name]) for name in SHOWN_METRICS if name in metrics]


def _hospital(result: Mapping[str, Any]) -> str:
    return f"{result['hospital']} {result['num_examples']} scans {result['seconds']:.1f} s"


def _judged(hospital: str, metrics: Mapping[str, float]) -> str:
    # Counts (num_scans...) are in rounds.jsonl; here they would hide what was measured.
    return " ".join([hospital, *(f"{name} {value:.3f}" for name, value in metrics.items() if name[:4] != "num_")])
