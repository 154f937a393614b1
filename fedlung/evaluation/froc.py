"""The LUNA16 evaluation: marks of a detector in, FROC curve and CPM out; also a command.

    python -m fedlung.evaluation.froc --annotations A.csv --excluded E.csv --seriesuids S.csv --results R.csv

The hit rules are in ``luna16``, the arithmetic of the curve in ``curve``, the intervals in ``bootstrap``.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fedlung.command_line import Arguments, run_command
from fedlung.errors import BadAnnotations, WrongArgument
from fedlung.evaluation.bootstrap import BootstrapInterval, Interval, bootstrap_froc
from fedlung.evaluation.curve import (
    OPERATING_POINT_NAMES,
    OPERATING_POINTS_FPS,
    FrocResult,
    RankedEntries,
    corners,
    count,
    rates,
    sensitivity_at,
)
from fedlung.evaluation.luna16 import MAX_MARKS_PER_SCAN, match_marks
from fedlung.evaluation.marks import Mark, read_marks, read_series_uids
from fedlung.imaging.annotations import Finding, read_findings


def evaluate_froc(
    annotations: Sequence[Finding], excluded: Sequence[Finding], series_uids: Sequence[str], marks: Sequence[Mark]
) -> FrocResult:
    """Score ``marks`` by the rules of LUNA16.

    Args:
        annotations: the nodules to find.
        excluded: findings on which a mark is neither right nor wrong. Leaving them out lowers the result of a
            good detector on LUNA16 by about 0.1.
        series_uids: the scans that were read, also those without nodule or mark; the divisor of the rates.
        marks: all marks, also improbable ones: a list cut early ends before 8 false positives per scan.

    Raises:
        WrongArgument: ``series_uids`` is empty or names a scan twice.
    """
    matching = match_marks(annotations, excluded, series_uids, marks)
    ranked = RankedEntries.of(matching.entries)
    counts = count(ranked, np.ones(len(series_uids), dtype=np.int64))
    kept = corners(counts)
    fps, sensitivity = rates(replace(counts, found=counts.found[kept], false=counts.false[kept]))
    points = sensitivity_at(np.array(OPERATING_POINTS_FPS), fps, sensitivity)
    num_detected = int(matching.entries.is_nodule.sum())
    return FrocResult(
        fps_per_scan=fps,
        sensitivity=sensitivity,
        thresholds=np.concatenate([[np.inf], ranked.thresholds[kept]]),
        operating_points=dict(zip(OPERATING_POINTS_FPS, points.tolist(), strict=True)),
        cpm=float(points.mean()),
        num_scans=len(series_uids),
        num_nodules=counts.num_nodules,
        num_detected=num_detected,
        num_false_positives=len(matching.entries.is_nodule) - num_detected,
        detections=matching.detections,
        ignored=matching.ignored,
        entries=matching.entries,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    return run_command(_evaluate, argv)


def _evaluate(argv: Sequence[str] | None) -> None:
    parser = Arguments("fedlung.evaluation.froc", "LUNA16 evaluation: sensitivity at 1/8 to 8 false positives per scan")
    parser.add_argument("--annotations", type=Path, required=True, help="CSV of the nodules to find")
    parser.add_argument("--excluded", type=Path, required=True, help="CSV of the findings to ignore")
    parser.add_argument("--seriesuids", type=Path, required=True, help="the scans that were read, one UID per line")
    parser.add_argument("--results", type=Path, required=True, help="CSV of the marks with their probability")
    parser.add_argument("--out", type=Path, help="folder for froc.json, froc.csv and froc.png")
    parser.add_argument("--bootstrap", type=int, default=1000, help="resamples for the 95 %% intervals, 0 for none")
    parser.add_argument("--seed", type=int, default=0, help="seed of the resampling")
    given = parser.parse_args(argv)
    for name in ("annotations", "excluded", "seriesuids", "results"):
        if not getattr(given, name).is_file():
            raise WrongArgument(f"--{name}: {getattr(given, name)} is not a file")
    for name in ("bootstrap", "seed"):
        if getattr(given, name) < 0:
            raise WrongArgument(f"--{name} must be 0 or more, got {getattr(given, name)}")
    if given.out and given.out.exists() and not given.out.is_dir():
        raise WrongArgument(f"--out: {given.out} is not a folder")

    result = evaluate_froc(
        read_findings(given.annotations),
        read_findings(given.excluded, excluded=True),
        read_series_uids(given.seriesuids),
        read_marks(given.results),
    )
    if not result.num_nodules:
        raise BadAnnotations(f"{given.annotations} holds no nodule of a scan listed in {given.seriesuids}")
    interval = bootstrap_froc(result, given.bootstrap, given.seed) if given.bootstrap else None
    sys.stdout.write(_table(result, interval))
    if given.out:
        _write_files(given.out, result, interval)


def _table(result: FrocResult, interval: BootstrapInterval | None) -> str:
    lines = [f"{'FP/scan':<8}{'sensitivity':>12}" + (f"{'95 % interval':>22}" if interval else "")]
    for name, fps in zip(OPERATING_POINT_NAMES, OPERATING_POINTS_FPS, strict=True):
        lines.append(_row(name, result.operating_points[fps], interval.operating_points[fps] if interval else None))
    lines.append(_row("CPM", result.cpm, interval.cpm if interval else None))
    ignored = result.ignored
    lines += [
        f"{result.num_scans} scans, {result.num_nodules} nodules, {result.num_detected} with a mark, "
        f"{result.num_false_positives} false positives",
        f"marks ignored: {ignored.marks_in_unlisted_scans} in scans not listed, {ignored.marks_over_limit} beyond "
        f"{MAX_MARKS_PER_SCAN} per scan, {ignored.marks_on_excluded} on excluded findings, "
        f"{ignored.double_detections} repeated on a nodule",
    ]
    if ignored.nodules_in_unlisted_scans:
        lines.append(f"nodules ignored: {ignored.nodules_in_unlisted_scans} in scans not listed")
    return "\n".join(lines) + "\n"


def _row(name: str, value: float, interval: Interval | None) -> str:
    return f"{name:<8}{value:>12.6f}" + (f"{interval.lower:>12.6f} -{interval.upper:>8.6f}" if interval else "")


def _write_files(folder: Path, result: FrocResult, interval: BootstrapInterval | None) -> None:
    # Here and not above: a program that only evaluates does not load matplotlib.
    from fedlung.evaluation.froc_plot import draw_froc

    content = {**result.to_json(), "bootstrap": interval and interval.to_json()}
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / "froc.json", lambda path: _write_json(path, content))
    _replace(folder / "froc.csv", lambda path: _write_csv(path, result))
    _replace(folder / "froc.png", lambda path: draw_froc(path, result, interval))


def _replace(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a file beside ``path`` and put it in place whole; after a failure the old file stays."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        write(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _write_csv(path: Path, result: FrocResult) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["fps_per_scan", "sensitivity", "threshold"])
        columns = (result.fps_per_scan, result.sensitivity, result.thresholds)
        writer.writerows(zip(*(column.tolist() for column in columns), strict=True))


if __name__ == "__main__":
    sys.exit(main())
