"""What people say to the marks of a prediction: versions, each a whole list, never changed once written.

Version 0 is the model's own list and stands in no file. Who saves says which version was read: of two, one wins and
the other gets a Conflict. A mark carries the name of who changed it last, and when; that is decided here, by comparing
with the version before, never taken from a browser. So does every person's declaration to have read the scan first,
which stays in all later versions.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ConfigDict, TypeAdapter

from fedlung.errors import Conflict, UnreadableStore
from fedlung.stores.atomic_files import to_indented, write_atomically
from fedlung.stores.clock import utc_now

MARKS = "marks"
MODEL, READER = "model", "reader"
OPEN, ACCEPTED, REJECTED = "open", "accepted", "rejected"
OLD_FLAG = "first_read_declared"  # of versions that were written before everybody declared for themselves
SOURCES, STATUSES = (MODEL, READER), (OPEN, ACCEPTED, REJECTED)


@dataclass(frozen=True)
class Mark:
    """One ball in the scan; ``author`` and ``time`` (UTC) are empty for a mark of the model that nobody has touched."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    id: str
    source: str
    center_xyz_mm: tuple[float, float, float]
    diameter_mm: float
    status: str = OPEN
    comment: str = ""
    author: str = ""
    time: str = ""

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise ValueError(f"source must be one of {', '.join(SOURCES)}, got {self.source!r}")
        if self.status not in STATUSES:
            raise ValueError(f"status must be one of {', '.join(STATUSES)}, got {self.status!r}")

    def says_the_same(self, other: Mark) -> bool:
        return replace(self, author="", time="") == replace(other, author="", time="")


@dataclass(frozen=True)
class FirstRead:
    """``author`` declared at ``time`` to have read the scan without the model's marks."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    author: str
    time: str


@dataclass(frozen=True)
class MarkVersion:
    """One state of the list; ``first_reads`` of a later version begin with those of an earlier one."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    version: int
    author: str
    time: str
    first_reads: tuple[FirstRead, ...]
    items: tuple[Mark, ...]

    def has_declared(self, username: str) -> bool:
        return any(declared.author == username for declared in self.first_reads)

    def counts(self) -> dict[str, int]:
        """How many marks of each status, and how many were added by readers."""
        found = {status: sum(mark.status == status for mark in self.items) for status in STATUSES}
        return {**found, "added": sum(mark.source == READER for mark in self.items)}


_VERSION = TypeAdapter(MarkVersion)


class MarkStore:
    """The versions in the folders of predictions."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def newest(self, folder: Path, candidates: Sequence[Mapping[str, Any]]) -> MarkVersion:
        """Raises UnreadableStore; never falls back to an older version, which would undo somebody's work in silence."""
        files = _files(folder)
        return _read(files[-1]) if files else _of_the_model(candidates)

    def history(self, folder: Path) -> list[dict[str, Any]]:
        """Who saved what, the newest last."""
        versions = [_read(path) for path in _files(folder)]
        return [{"version": v.version, "author": v.author, "time": v.time, **v.counts()} for v in versions]

    def save(
        self,
        folder: Path,
        candidates: Sequence[Mapping[str, Any]],
        read: int,
        items: Sequence[Mark],
        *,
        first_read_declared: bool,
        author: str,
    ) -> MarkVersion:
        """Keep a new version; marks of the model that are not in ``items`` stay as they were.

        Args:
            first_read_declared: by ``author``; who has declared it once has declared it for ever.

        Raises:
            Conflict: ``read`` is not the newest version any more.
            UnreadableStore: the newest version cannot be read.
        """
        with self._lock:
            before = self.newest(folder, candidates)
            if before.version != read:
                raise Conflict(f"version {read} was read, and {before.version} is there now")
            time = utc_now()
            known = {mark.id: mark for mark in before.items}
            told = [_signed(mark, known.get(mark.id), author, time) for mark in items]
            sent = {mark.id for mark in items}
            kept = [mark for mark in before.items if mark.source == MODEL and mark.id not in sent]
            is_new = first_read_declared and not before.has_declared(author)
            declared = (*before.first_reads, FirstRead(author, time)) if is_new else before.first_reads
            version = MarkVersion(read + 1, author, time, declared, (*told, *kept))
            (folder / MARKS).mkdir(exist_ok=True)
            write_atomically(folder / MARKS / f"{version.version:06d}.json", to_indented(asdict(version)))
            return version


def _signed(mark: Mark, before: Mark | None, author: str, time: str) -> Mark:
    if before is not None and mark.says_the_same(before):
        return before
    return replace(mark, author=author, time=time)


def _of_the_model(candidates: Sequence[Mapping[str, Any]]) -> MarkVersion:
    marks = []
    for candidate in candidates:
        x, y, z = candidate["center_xyz_mm"]
        marks.append(Mark(candidate["id"], MODEL, (x, y, z), candidate["diameter_mm"]))
    return MarkVersion(0, "", "", (), tuple(marks))


def _files(folder: Path) -> list[Path]:
    return sorted((folder / MARKS).glob("[0-9]*.json"))


def _read(path: Path) -> MarkVersion:
    try:
        content = json.loads(path.read_bytes())
        if OLD_FLAG in content:
            content = {name: value for name, value in content.items() if name != OLD_FLAG}
            content["first_reads"] = _old_first_reads(path)
        return _VERSION.validate_python(content)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UnreadableStore(f"{path} cannot be read: {type(error).__name__}") from None


def _old_first_reads(path: Path) -> list[dict[str, str]]:
    """Who set the flag in the file of an old version, which then stayed set in all later ones."""
    for earlier in _files(path.parent.parent):
        content = json.loads(earlier.read_bytes())
        if content[OLD_FLAG]:
            return [{"author": content["author"], "time": content["time"]}]
        if earlier == path:
            break
    return []
