"""Which scans went into which rounds: one line per finished round in a hospital's ``used.jsonl``, append-only."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from fedlung.stores.atomic_files import append_line, cut_torn_line, read_lines
from fedlung.stores.clock import utc_now
from fedlung.stores.file_signature import file_signature

USED = "used.jsonl"


class ScanUsage:
    """The rounds in which the scans of the hospital in ``folder`` were used; one process writes at a time."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / USED
        self._lock = threading.Lock()
        self._known: tuple[object, dict[str, dict[str, set[int]]]] = (None, {})
        cut_torn_line(self._path)

    def append(self, run_id: str, round_: int, scan_ids: Sequence[str]) -> None:
        """Note a finished round, on disk when this returns."""
        with self._lock:
            append_line(self._path, {"run_id": run_id, "round": round_, "scans": sorted(scan_ids), "time": utc_now()})

    def of(self, scan_id: str) -> list[dict[str, str]]:
        """``[{"run_id", "rounds": "3-7, 9"}]``, in the order of first use."""
        runs = self._read().get(scan_id, {})
        return [{"run_id": run_id, "rounds": in_ranges(rounds)} for run_id, rounds in runs.items()]

    def _read(self) -> dict[str, dict[str, set[int]]]:
        with self._lock:
            signature = file_signature(self._path)
            if self._known[0] != signature:
                self._known = signature, _by_scan(read_lines(self._path)[0])
            return self._known[1]


def in_ranges(rounds: Iterable[int]) -> str:
    """``{3, 4, 5, 9}`` -> ``3-5, 9``."""
    ranges: list[list[int]] = []
    for number in sorted(set(rounds)):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def _by_scan(records: Iterable[dict[str, Any]]) -> dict[str, dict[str, set[int]]]:
    found: dict[str, dict[str, set[int]]] = {}
    for record in records:
        for scan_id in record["scans"]:
            found.setdefault(scan_id, {}).setdefault(record["run_id"], set()).add(record["round"])
    return found
