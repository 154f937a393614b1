"""What the mirror copies: each source tells, in batches, what is new since a cursor.

A cursor is a small JSON object that is kept on disk once the batch has arrived. A lost or an old one only means that
rows are sent again, which changes nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from fedlung import __version__
from fedlung.stores.clock import utc_now
from fedlung.stores.hospitals import HospitalFolders
from fedlung.stores.model_registry import ModelRegistry
from fedlung.stores.run_listing import RunListing, RunRecord
from fedlung.stores.supabase import mirror_rows as rows_of
from fedlung.stores.supabase.connection import Row
from fedlung.stores.supabase.mirror_rows import Site

BATCH_ROWS = 200
AUDIT_BLOCK_BYTES = 200_000
Cursor = Mapping[str, Any]


@dataclass(frozen=True)
class Batch:
    """Rows for one table, and the cursor behind them; ``gone``: column -> PostgREST filter of rows to remove."""

    table: str
    rows: Sequence[Row]
    cursor: Cursor
    gone: Mapping[str, str] = field(default_factory=dict)


class Source(Protocol):
    name: str  # of the file with the cursor

    def news(self, cursor: Cursor) -> Iterator[Batch]:
        """What is new since ``cursor``; used by one thread."""


class SiteSource:
    """This data folder itself: the other rows refer to it."""

    name = "site"

    def __init__(self, site: Site, hospitals: HospitalFolders) -> None:
        self._site, self._hospitals = site, hospitals

    def news(self, cursor: Cursor) -> Iterator[Batch]:
        summaries = [self._hospitals.summary(name) for name in self._hospitals.ids()]
        told = [{"id": one.hospital_id, "scans": one.scans, "nodules": one.nodules} for one in summaries]
        row: Row = {"id": str(self._site.id), "program_version": __version__, "hospitals": told}
        if (digest := _digest(row)) != cursor.get("digest"):
            yield Batch("sites", [{**row, "last_seen": utc_now()}], {"digest": digest})


class RunSource:
    """Runs and their complete rounds. Cursor: run -> digest of its row, number of rounds sent, digest of those."""

    name = "runs"

    def __init__(self, site: Site, runs: RunListing) -> None:
        self._site, self._runs = site, runs
        self._sent: dict[str, RunRecord] = {}  # looked at already; a run that has ended is the same object next time

    def news(self, cursor: Cursor) -> Iterator[Batch]:
        known = dict(cursor)
        if not known:
            self._sent.clear()
        for run in reversed(self._runs.all()):
            if self._sent.get(run.run_id) is not run:
                for batch in self._of(run, known.get(run.run_id) or {}):
                    known[run.run_id] = batch.cursor
                    yield Batch(batch.table, batch.rows, dict(known), batch.gone)
                self._sent[run.run_id] = run

    def _of(self, run: RunRecord, known: Cursor) -> Iterator[Batch]:
        row = rows_of.run_row(self._site, run)
        rounds = [rows_of.round_row(self._site, run.run_id, record) for record in run.records]
        count = int(known.get("rounds", 0))
        digest = _digest(row)
        if digest != known.get("row"):
            known = {"rounds": 0, **known, "row": digest}
            yield Batch("runs", [row], known)
        if count > len(rounds) or _digest(rounds[:count]) != known.get("digest", _digest([])):
            count = 0  # it went back to an earlier checkpoint: some rounds are other ones
            known = {**known, "rounds": 0, "digest": _digest([])}
            last = len(rounds) and rounds[-1]["round"]
            yield Batch(
                "rounds",
                [],
                known,
                {"site_id": f"eq.{self._site.id}", "run_id": f"eq.{run.run_id}", "round": f"gt.{last}"},
            )
        for start in range(count, len(rounds), BATCH_ROWS):
            end = min(start + BATCH_ROWS, len(rounds))
            known = {**known, "rounds": end, "digest": _digest(rounds[:end])}
            yield Batch("rounds", rounds[start:end], known)


class ModelSource:
    """Models of the registry. Cursor: model -> digest of its row."""

    name = "models"

    def __init__(self, site: Site, models: ModelRegistry) -> None:
        self._site, self._models = site, models

    def news(self, cursor: Cursor) -> Iterator[Batch]:
        known = dict(cursor)
        found = {entry.model_id: rows_of.model_row(self._site, entry) for entry in self._models.all()}
        new = [row for model_id, row in found.items() if _digest(row) != known.get(model_id)]
        for start in range(0, len(new), BATCH_ROWS):
            part = new[start : start + BATCH_ROWS]
            known |= {row["id"]: _digest(row) for row in part}
            yield Batch("models", part, dict(known))


class PromotionSource:
    """Every promotion, in order. Cursor: how many were sent, and a digest of them."""

    name = "promotions"

    def __init__(self, site: Site, models: ModelRegistry) -> None:
        self._site, self._models = site, models

    def news(self, cursor: Cursor) -> Iterator[Batch]:
        rows = [rows_of.promotion_row(self._site, promotion) for promotion in self._models.promotions()]
        count = int(cursor.get("count", 0))
        if _digest(rows[:count]) != cursor.get("digest"):
            count = 0
        for start in range(count, len(rows), BATCH_ROWS):
            end = min(start + BATCH_ROWS, len(rows))
            yield Batch("promotions", rows[start:end], {"count": end, "digest": _digest(rows[:end])})


class AuditSource:
    """Lines of ``audit.jsonl``. Cursor: the byte behind the last line sent, and where and what that line was."""

    name = "audit"

    def __init__(self, site: Site, path: Path) -> None:
        self._site, self._path = site, path

    def news(self, cursor: Cursor) -> Iterator[Batch]:
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return
        with file:
            line_start, end = int(cursor.get("line_start", 0)), int(cursor.get("end", 0))
            file.seek(line_start)
            if _digest_of_bytes(file.read(end - line_start)) != cursor.get("line"):
                end = 0  # another file has taken its place
            file.seek(end)
            while lines := [line for line in file.readlines(AUDIT_BLOCK_BYTES) if line.endswith(b"\n")]:
                end += sum(map(len, lines))
                behind = {"line_start": end - len(lines[-1]), "end": end, "line": _digest_of_bytes(lines[-1])}
                yield Batch("audit", list(self._rows(lines)), behind)
                file.seek(end)

    def _rows(self, lines: Sequence[bytes]) -> Iterator[Row]:
        for line in lines:
            record = _record_or_none(line)
            if record is not None and isinstance(record.get("seq"), int):
                yield rows_of.audit_row(self._site, record)


class AnnotationSource:
    """That scans were annotated, by whom and how much. Cursor: hospital -> scan -> id of the newest row sent."""

    name = "annotations"

    def __init__(self, site: Site, hospitals: HospitalFolders) -> None:
        self._site, self._hospitals = site, hospitals
        self._seen: dict[Path, int] = {}  # folder of a scan -> its change time when everything in it had been sent

    def news(self, cursor: Cursor) -> Iterator[Batch]:
        known = {hospital: dict(scans) for hospital, scans in cursor.items()}
        if not known:
            self._seen.clear()
        rows: list[Row] = []
        seen: dict[Path, int] = {}
        for hospital, folder, changed in self._changed():
            sent = known.setdefault(hospital, {})
            new = self._rows_of(hospital, folder, str(sent.get(folder.name, "")))
            sent |= {folder.name: new[-1]["id"]} if new else {}
            rows += new
            seen[folder] = changed
            if len(rows) >= BATCH_ROWS:
                yield Batch("annotation_sets", rows, known)
                self._seen |= seen
                rows, seen = [], {}
        if rows:
            yield Batch("annotation_sets", rows, known)
        self._seen |= seen

    def _changed(self) -> Iterator[tuple[str, Path, int]]:
        """Hospital, folder of a scan, and its change time, where something may be new."""
        for hospital in self._hospitals.ids():
            for folder in sorted((self._hospitals.folder(hospital) / "annotations").glob("*/")):
                changed = folder.stat().st_mtime_ns
                if self._seen.get(folder) != changed:
                    yield hospital, folder, changed

    def _rows_of(self, hospital: str, folder: Path, sent: str) -> list[Row]:
        files = sorted((int(path.stem), path) for path in folder.glob("*.json") if path.stem.isdigit())
        records = [_record_or_none(path.read_bytes()) for _, path in files]
        rows = [rows_of.annotation_row(self._site, hospital, folder.name, record) for record in records if record]
        ids = [row["id"] for row in rows]
        # Not there: a scan that was deleted, and came again.
        return rows[ids.index(sent) + 1 :] if sent in ids else rows


def _record_or_none(content: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(content)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _digest(value: object) -> str:
    return _digest_of_bytes(json.dumps(value, sort_keys=True).encode())


def _digest_of_bytes(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
