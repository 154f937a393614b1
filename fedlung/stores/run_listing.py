"""All runs of a data folder as they stand on disk: what a page shows of runs that this process does not lead.

Nothing here takes a lock or changes a run, except its notes. A run that was under way when its process was killed
says ``running`` on disk for ever; it is told as stopped, with the reason ``interrupted``.
"""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fedlung.errors import BadRunFolder, NotFound
from fedlung.events import FAILED, PAUSED, QUEUED, RUNNING, STOPPED
from fedlung.stores.atomic_files import write_atomically
from fedlung.stores.file_signature import FileSignature, file_signature
from fedlung.stores.run_time import lasted_seconds, worked_seconds
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
        worked_seconds: for how long it was under way (see `fedlung.stores.run_time`); None without events.
        lasted_seconds: from ``created`` to its last event, pauses and gaps included.
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
    worked_seconds: float | None = None
    lasted_seconds: float | None = None

    @property
    def can_resume(self) -> bool:
        """Nobody drives it, something is left to do, and its arguments are known."""
        ended_early = self.state in (STOPPED, FAILED) and not self.is_driven
        return ended_early and self.round < self.rounds and bool(self.arguments)


@dataclass(frozen=True)
class _Known:
    """A run as it was read, and its files from outside just before."""

    signatures: tuple[FileSignature, ...]
    record: RunRecord


class RunListing:
    """The runs below ``root``. What was read is kept until a file of the run changes, whoever changes it.

    Several threads may ask at once.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known: dict[str, _Known] = {}

    def all(self) -> list[RunRecord]:
        """Every run, the newest first."""
        return sorted(map(self._record, self._configs()), key=_age, reverse=True)

    def newest(self) -> RunRecord | None:
        """The first of `all`. Of the other runs only the ``config.json`` is looked at: it says how old they are."""
        known = [self._known_by_config(name, config) for name, config in self._configs().items()]
        newest = max((each.record for each in known), key=_age, default=None)
        return None if newest is None else self._record(newest.run_id)

    def get(self, run_id: str) -> RunRecord:
        """Raises NotFound."""
        return self._record(self.folder(run_id).name)

    def folder(self, run_id: str) -> Path:
        """The run's folder. An id is only compared with names that are there, never made a path.

        Raises:
            NotFound: there is no such run.
        """
        if run_id not in self._configs():
            raise NotFound("there is no such run")
        return self.root / run_id

    def set_note(self, run_id: str, text: str, author: str) -> Note:
        """Replace the run's note.

        Raises:
            NotFound: there is no such run.
        """
        note = Note(text, author, datetime.now(UTC).isoformat(timespec="seconds"))
        content = json.dumps(vars(note), ensure_ascii=False).encode() + b"\n"
        write_atomically(self.folder(run_id) / NOTES, content)
        return note

    def _configs(self) -> dict[str, FileSignature]:
        """Name of every run -> its ``config.json`` from outside. What is known of runs that are gone is dropped."""
        try:
            names = [name for name in os.listdir(self.root) if name[0] != "."]
        except (FileNotFoundError, NotADirectoryError):
            names = []
        looks = {name: file_signature(f"{self.root}/{name}/{CONFIG}") for name in names}
        configs = {name: look for name, look in looks.items() if stat.S_ISREG(look[0])}
        for name in set(self._known) - configs.keys():
            self._known.pop(name, None)
        return configs

    def _known_by_config(self, name: str, config: FileSignature) -> _Known:
        """What is known of a run whose other files may have changed since."""
        known = self._known.get(name)
        return known if known is not None and known.signatures[0] == config else self._looked_at(name)

    def _looked_at(self, name: str) -> _Known:
        # From outside first: what is written while it is read is then read again the next time.
        signatures = tuple(file_signature(f"{self.root}/{name}/{file}") for file in (CONFIG, EVENTS, ROUNDS, NOTES))
        known = self._known.get(name)
        if known is None or known.signatures != signatures:
            known = self._known[name] = _Known(signatures, _read_or_explain(self.root / name))
        return known

    def _record(self, name: str) -> RunRecord:
        record = self._looked_at(name).record
        if record.state not in UNFINISHED:
            return record
        if is_driven(self.root / name):
            return replace(record, is_driven=True)
        return replace(record, state=STOPPED, reason=INTERRUPTED)


def _age(record: RunRecord) -> tuple[str, str]:
    return record.created, record.run_id


def _read_or_explain(folder: Path) -> RunRecord:
    """A damaged folder is a failed run that says what is wrong with it."""
    created = ""
    try:
        config = read_config(folder)
        created = str(config.get("created") or _made(folder))
        return _read(folder, config, created)
    except (BadRunFolder, KeyError, TypeError, ValueError, AttributeError) as error:
        why = f"{type(error).__name__}: {error}"
        return RunRecord(folder.name, FAILED, why, 0, 0, created=created or _made(folder))


def _read(folder: Path, config: Mapping[str, Any], created: str) -> RunRecord:
    events = read_events(folder)
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
        created=created,
        ended="" if state in UNFINISHED else str(events[-1].get("time", "")),
        started_by=str(config.get("started_by", "")),
        arguments=arguments,
        scans=dict(config.get("scans") or {}),
        left_out=_left_out(events),
        records=tuple(records),
        note=_note(folder / NOTES),
        worked_seconds=worked_seconds(events),
        lasted_seconds=lasted_seconds(created, events),
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
    """By the time of the ``config.json``, which a note or a round does not change."""
    return datetime.fromtimestamp((folder / CONFIG).stat().st_mtime, UTC).isoformat(timespec="milliseconds")
