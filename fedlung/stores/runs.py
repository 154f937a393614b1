"""A run is a folder: what was asked, what happened, and the model after every round.

::

    data/runs/<run_id>/
        config.json           what was asked, and which hospitals came with how many scans
        events.jsonl          every event with seq and time, append-only
        rounds.jsonl          one line per complete round, append-only
        round_0000.pth + .sha256, round_0001.pth + ...    the global model (0: before the first round)
        notes.json            what people wrote about the run (see `fedlung.stores.run_listing`)
        lock                  held by the process that drives the run

A round is complete when its line is in ``rounds.jsonl``; the checkpoint is on disk before. So a kill at any moment
leaves complete rounds and perhaps a checkpoint that no line mentions, which the next attempt replaces.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from fedlung.errors import BadRunFolder, WrongArgument
from fedlung.events import Event
from fedlung.stores.atomic_files import append_line, cut_torn_line, read_lines, sync_folder, write_atomically
from fedlung.stores.clock import utc_now

CONFIG, EVENTS, ROUNDS, LOCK = "config.json", "events.jsonl", "rounds.jsonl", "lock"


def new_run_id() -> str:
    """Sorts by time (UTC). Two of the same second may be equal, hence `RunFolder.create_new`."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def find_run(root: Path, name: str) -> Path:
    """Folder of the run called ``name``, which is an id below ``root`` or a path.

    Raises:
        WrongArgument: there is no such run; lists the latest ones.
    """
    for folder in (root / name, Path(name)):
        if (folder / CONFIG).is_file():
            return folder
    known = sorted(path.parent.name for path in root.glob(f"*/{CONFIG}"))[-5:]
    raise WrongArgument(f"there is no run {name!r} in {root}; there is {', '.join(known) or 'none at all'}")


def read_config(folder: Path) -> dict[str, Any]:
    """What was asked of the run in ``folder``.

    Raises:
        BadRunFolder: no readable ``config.json``.
    """
    try:
        config = json.loads((folder / CONFIG).read_bytes())
    except (OSError, ValueError) as error:
        raise BadRunFolder(f"{folder / CONFIG} cannot be read: {error}") from None
    if not isinstance(config, dict):
        raise BadRunFolder(f"{folder / CONFIG} must hold an object, got {type(config).__name__}")
    return config


def read_events(folder: Path) -> list[dict[str, Any]]:
    """Every event of the run in order; may be called while another process drives the run."""
    return _read(folder / EVENTS)


def read_rounds(folder: Path) -> list[dict[str, Any]]:
    """One record per complete round, in order; may be called while another process drives the run.

    A run that had to go back to an earlier checkpoint wrote some rounds twice: a line replaces the lines of its own
    and of later rounds before it.
    """
    rounds: list[dict[str, Any]] = []
    for record in _read(folder / ROUNDS):
        if not isinstance(record.get("round"), int):
            raise BadRunFolder(f"{folder / ROUNDS}: a line has no round number")
        rounds = [earlier for earlier in rounds if earlier["round"] < record["round"]]
        rounds.append(record)
    return rounds


def is_driven(folder: Path) -> bool:
    """Whether a process leads the run in ``folder`` at this moment, this process included."""
    try:
        with (folder / LOCK).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # given back when the file is closed
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        return read_lines(path)[0]
    except (OSError, ValueError) as error:
        raise BadRunFolder(f"{path} cannot be read: {error}") from None


class RunFolder:
    """The folder of a run that this process drives; holds the lock until `close`."""

    def __init__(self, path: Path, lock: IO[str]) -> None:
        self.path = path
        self.run_id = path.name
        self._lock = lock
        for name in (EVENTS, ROUNDS):
            cut_torn_line(path / name)
        self._seq = max((event.get("seq", 0) for event in read_events(path)), default=0)

    @classmethod
    def create(cls, root: Path, run_id: str, config: Mapping[str, Any]) -> RunFolder:
        """Make the folder of a new run; it appears with its ``config.json`` or not at all.

        Raises:
            BadRunFolder: there is a run of this id.
        """
        if not _make(root, run_id, config):
            raise BadRunFolder(f"run {run_id} exists already in {root}")
        return cls.open(root / run_id)

    @classmethod
    def create_new(cls, root: Path, config: Callable[[str], Mapping[str, Any]]) -> RunFolder:
        """Make the folder of a new run under an id that no other has; ``config`` gets the id."""
        while not _make(root, run_id := new_run_id(), config(run_id)):
            pass
        return cls.open(root / run_id)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Take the lock of an existing run and drop what a killed process left half written.

        Raises:
            BadRunFolder: not a run folder, a damaged one, or one that another process drives.
        """
        read_config(path)
        lock = _locked(path / LOCK)
        try:
            for leftover in path.glob(".*.partial"):
                leftover.unlink(missing_ok=True)
            return cls(path.resolve(), lock)
        except BaseException as error:
            lock.close()
            if isinstance(error, OSError | ValueError):
                raise BadRunFolder(f"{path} cannot be opened: {error}") from None
            raise

    @property
    def config(self) -> dict[str, Any]:
        return read_config(self.path)

    def add_to_config(self, more: Mapping[str, Any]) -> None:
        """Replace ``config.json`` by one that also says ``more``: what is known only when the hospitals are open."""
        _write_config(self.path, {**self.config, **more})

    def rounds(self) -> list[dict[str, Any]]:
        """See `read_rounds`."""
        return read_rounds(self.path)

    def last_complete_round(self) -> dict[str, Any] | None:
        """Record of the last complete round, or None before the first line."""
        return next(reversed(self.rounds()), None)

    def checkpoint_path(self, round_: int) -> Path:
        return self.path / f"round_{round_:04d}.pth"

    def append_event(self, event: Event) -> dict[str, Any]:
        """Record an event and return it as recorded, with ``seq`` (1, 2, ...) and ``time`` (UTC)."""
        record = {"seq": self._seq + 1, "time": utc_now(), **event.to_json()}
        append_line(self.path / EVENTS, record)
        self._seq += 1
        return record

    def append_round(self, record: Mapping[str, Any]) -> None:
        """Make ``record["round"]`` complete; its checkpoint has to be on disk."""
        append_line(self.path / ROUNDS, {"time": utc_now(), **record})

    def close(self) -> None:
        self._lock.close()

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _make(root: Path, run_id: str, config: Mapping[str, Any]) -> bool:
    """Whether there is a new folder; False when the id is taken, even if by another process at this moment."""
    root.mkdir(parents=True, exist_ok=True)
    partial = root / f".{run_id}.{secrets.token_hex(4)}.partial"
    partial.mkdir()
    try:
        _write_config(partial, {"run_id": run_id, "created": utc_now(), **config})
        partial.rename(root / run_id)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):  # POSIX: a folder replaces an empty one only
            return False
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    sync_folder(root)
    return True


def _write_config(folder: Path, config: Mapping[str, Any]) -> None:
    write_atomically(folder / CONFIG, json.dumps(config, ensure_ascii=False, indent=2).encode() + b"\n")


def _locked(path: Path) -> IO[str]:
    file = path.open("a+", encoding="utf-8")
    if not _lock_or_false(file):
        file.seek(0)
        holder = file.read().strip()
        file.close()
        raise BadRunFolder(f"run {path.parent.name} is being driven by process {holder or 'unknown'}")
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def _lock_or_false(file: IO[str]) -> bool:
    """A few tries: `is_driven` of another process holds the lock for a moment."""
    for pause in (0.02, 0.05, 0.1, None):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if pause is not None:
                time.sleep(pause)
        else:
            return True
    return False
