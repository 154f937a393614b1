"""All runs of a data folder as they stand on disk: what a page shows of runs that this process does not lead.

Nothing here takes a lock or changes a run, except its notes. A run that was under way when its process was killed
says ``running`` on disk for ever; it is told as stopped, with the reason ``interrupted``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fedlung.errors import BadRunFolder, NotFound
from fedlung.events import FAILED, PAUSED, QUEUED, RUNNING, STOPPED
from fedlung.stores.atomic_files import write_atomically
from fedlung.stores.runs import CONFIG, EVENTS, ROUNDS, is_driven, read_config, read_events, read_rounds

NOTES = "notes.json"
INTERRUPTED = "interrupted"
UNFINISHED = (QUEUED, RUNNING, PAUSED)


@dataclass(frozen=True)
class Note:
    """What somebody wrote about a run; the last writer's text."""

    text: str = ""
    author: str = ""
    time: str = ""


@dataclass(frozen=True)
class RunRecord:
    """One run as its folder tells it.

    Attributes:
        state: of the last event; ``queued`` before the first one.
        reason: why it stopped or failed, in words; ``interrupted`` when its process was killed.
        round, rounds: the last complete round, and how many were asked for.
        created, ended: UTC, ISO 8601; ``ended`` is empty while it goes on.
        arguments: what was asked, in the form of the command's arguments; empty in a folder that cannot be read.
        scans: number of scans of each hospital that takes part; empty until they are opened.
        left_out: hospital -> why it could not take part.
        records: one per complete round from round 1, in order.
        is_driven: a process leads it at this moment.
    """

    run_id: str
    state: str
    reason: str
    round: int
    rounds: int
    created: str
    ended: str = ""
    started_by: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    scans: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    records: tuple[Mapping[str, Any], ...] = ()
    note: Note = Note()
    is_driven: bool = False

    @property
    def can_resume(self) -> bool:
        """Nobody drives it, something is left to do, and its arguments are known."""
        ended_early = self.state in (STOPPED, FAILED) and not self.is_driven
        return ended_early and self.round < self.rounds and bool(self.arguments)


class RunListing:
    """The runs below ``root``. What was read is kept until a file of the run changes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known: dict[str, tuple[tuple[object, ...], RunRecord]] = {}

    def all(self) -> list[RunRecord]:
        """Every run, the newest first."""
        found = [self._record(folder) for folder in self._folders().values()]
        return sorted(found, key=lambda record: (record.created, record.run_id), reverse=True)

    def get(self, run_id: str) -> RunRecord:
        """Raises NotFound."""
        return self._record(self.folder(run_id))

    def folder(self, run_id: str) -> Path:
        """The run's folder. An id is only compared with names that are there, never made a path.

        Raises:
            NotFound: there is no such run.
        """
        folder = self._folders().get(run_id)
        if folder is None:
            raise NotFound("there is no such run")
        return folder

    def set_note(self, run_id: str, text: str, author: str) -> Note:
        """Replace the run's note.

        Raises:
            NotFound: there is no such run.
        """
        note = Note(text, author, datetime.now(UTC).isoformat(timespec="seconds"))
        content = json.dumps(vars(note), ensure_ascii=False).encode() + b"\n"
        write_atomically(self.folder(run_id) / NOTES, content)
        return note

    def _folders(self) -> dict[str, Path]:
        if not self.root.is_dir():
            return {}
        return {path.name: path for path in self.root.iterdir() if path.name[0] != "." and (path / CONFIG).is_file()}

    def _record(self, folder: Path) -> RunRecord:
        signature = tuple(_signature(folder / name) for name in (CONFIG, EVENTS, ROUNDS, NOTES))
        known = self._known.get(folder.name)
        if known is None or known[0] != signature:
            known = signature, _read_or_explain(folder)
            self._known[folder.name] = known
        record = known[1]
        if record.state not in UNFINISHED:
            return record
        if is_driven(folder):
            return replace(record, is_driven=True)
        return replace(record, state=STOPPED, reason=INTERRUPTED)


def _signature(path: Path) -> object:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino


def _read_or_explain(folder: Path) -> RunRecord:
    """A damaged folder is a failed run that says what is wrong with it."""
    try:
        return _read(folder)
    except (BadRunFolder, KeyError, TypeError, ValueError, AttributeError) as error:
        return RunRecord(folder.name, FAILED, f"{type(error).__name__}: {error}", 0, 0, created=_made(folder))


def _read(folder: Path) -> RunRecord:
    config, events = read_config(folder), read_events(folder)
    arguments = dict(config.get("arguments") or {})
    told: Mapping[str, Any] = next((event for event in reversed(events) if event.get("event") == "training_status"), {})
    state = str(told.get("state", QUEUED))
    # Who had to go back to an earlier checkpoint and ended before he was as far again says so in the last event only.
    last = math.inf if state in UNFINISHED else int(told.get("round", 0))
    records = [record for record in read_rounds(folder) if 0 < record["round"] <= last]
    return RunRecord(
        run_id=folder.name,
        state=state,
        reason=str(told.get("reason", "")),
        round=int(records[-1]["round"]) if records else 0,
        rounds=int(arguments.get("rounds") or told.get("rounds", 0)),
        created=str(config.get("created") or _made(folder)),
        ended="" if state in UNFINISHED else str(events[-1].get("time", "")),
        started_by=str(config.get("started_by", "")),
        arguments=arguments,
        scans=dict(config.get("scans") or {}),
        left_out=_left_out(events),
        records=tuple(records),
        note=_note(folder / NOTES),
    )


def _left_out(events: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """By the last word about each hospital: one that was left out may be back after a resume."""
    told = {str(event["hospital"]): event for event in events if event.get("event") == "hospital_status"}
    return {name: str(event.get("reason", "")) for name, event in told.items() if event.get("state") == "left_out"}


def _note(path: Path) -> Note:
    """A note that cannot be read is no reason to hide a run."""
    try:
        content = json.loads(path.read_bytes())
        return Note(*(str(content[name]) for name in ("text", "author", "time")))
    except (OSError, ValueError, KeyError, TypeError):
        return Note()


def _made(folder: Path) -> str:
    return datetime.fromtimestamp(folder.stat().st_mtime, UTC).isoformat(timespec="milliseconds")
