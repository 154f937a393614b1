"""Who did what and when: one line per deed in ``data/audit.jsonl``, append-only.

What is never written: passwords, hashes, and user names of people who do not exist (somebody may have typed the
password into the wrong field).
"""

from __future__ import annotations

import json
import logging
import math
import os
import threading
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from fedlung.stores.atomic_files import append_line
from fedlung.stores.clock import utc_now

logger = logging.getLogger(__name__)

LONGEST_TEXT = 200  # characters of one value
BLOCK_BYTES = 1 << 16


class Action(StrEnum):
    """Every deed that is recorded; a page shows a text for each."""

    SIGN_IN = "sign_in"
    SIGN_IN_REFUSED = "sign_in_refused"
    SIGN_OUT = "sign_out"
    PASSWORD_CHANGED = "password_changed"
    PASSWORD_RESET = "password_reset"
    PROFILE_CHANGED = "profile_changed"
    USER_CREATED = "user_created"
    USER_CHANGED = "user_changed"
    ACCOUNT_MERGED = "account_merged"
    HOSPITAL_ADDED = "hospital_added"
    RUN_STARTED = "run_started"
    RUN_PAUSED = "run_paused"
    RUN_RESUMED = "run_resumed"
    RUN_STOPPED = "run_stopped"
    RUN_NOTED = "run_noted"
    RUN_DOWNLOADED = "run_downloaded"
    MODEL_PROMOTED = "model_promoted"
    MODEL_VERIFIED = "model_verified"
    MODEL_DOWNLOADED = "model_downloaded"
    SCAN_STORED = "scan_stored"
    SCAN_CHANGED = "scan_changed"
    SCAN_DELETED = "scan_deleted"
    READINESS_CHANGED = "readiness_changed"
    ANNOTATIONS_CHANGED = "annotations_changed"
    ANNOTATIONS_IMPORTED = "annotations_imported"
    ANNOTATIONS_DOWNLOADED = "annotations_downloaded"
    PREDICTION_ASKED = "prediction_asked"
    PREDICTION_CANCELLED = "prediction_cancelled"
    PREDICTION_EXPORTED = "prediction_exported"
    MARKS_SAVED = "marks_saved"
    MARKS_OFFERED = "marks_offered"


class AuditLog:
    """The log in ``path``, whose folder has to exist; one process writes at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
        self._cut_torn_end()
        self._seq = next((record["seq"] for record in self._newest_first()), 0)

    def append(
        self,
        actor: str,
        action: Action,
        target: str = "",
        details: Mapping[str, Any] | None = None,
        hospital_id: str = "",
    ) -> None:
        """Record a deed, on disk when this returns.

        A full disk is an error in the program's log, which then holds the record; it does not keep people from
        signing in to make room.
        """
        texts = {"actor": actor, "action": str(action), "target": target, "hospital_id": hospital_id}
        said = {name: _plain(text) for name, text in texts.items()}
        told = {name: _plain(value) for name, value in (details or {}).items()}
        with self._lock:
            record = {"seq": self._seq + 1, "time": utc_now(), **said, "details": told}
            size = self.path.stat().st_size if self.path.exists() else 0
            try:
                append_line(self.path, record)
                self._seq += 1
            except OSError as error:
                logger.error("the audit could not be written (%s): %s", error, json.dumps(record))
                self._take_back(size)

    def page(
        self, before: int | None = None, count: int = 50, action: str | None = None, actor: str | None = None
    ) -> list[dict[str, Any]]:
        """The newest ``count`` records, newest first, of those with a smaller ``seq`` than ``before``."""
        found: list[dict[str, Any]] = []
        for record in self._newest_first():
            wanted = before is None or record["seq"] < before
            if wanted and action in (None, record["action"]) and actor in (None, record["actor"]):
                found.append(record)
                if len(found) == count:
                    break
        return found

    def _newest_first(self) -> Iterator[dict[str, Any]]:
        for line in _lines_from_the_end(self.path):
            try:
                record = json.loads(line)
            except ValueError:
                continue  # torn by a crash, or being written at this moment
            if isinstance(record, dict) and isinstance(record.get("seq"), int):
                yield {"actor": "", "action": "", "target": "", "hospital_id": "", "details": {}, "time": "", **record}

    def _cut_torn_end(self) -> None:
        """Remove what a crash left after the last whole line, so that the next record does not continue it."""
        torn = next(_lines_from_the_end(self.path))
        if torn:
            os.truncate(self.path, self.path.stat().st_size - len(torn))

    def _take_back(self, size: int) -> None:
        """Remove what a full disk took of a line, so that the next record does not continue it."""
        try:
            os.truncate(self.path, size)
        except OSError as error:
            logger.error("%s may hold half a record: %s", self.path, error)


def _plain(value: Any) -> Any:
    """``value`` as JSON can hold it, and not longer than a page can show."""
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return text[:LONGEST_TEXT].encode(errors="replace").decode()  # a lone surrogate has no UTF-8


def _lines_from_the_end(path: Path) -> Iterator[bytes]:
    """The lines of a file, last one first, reading only as much as is asked for."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        position = file.seek(0, os.SEEK_END)
        rest = b""
        while position > 0:
            step = min(BLOCK_BYTES, position)
            position -= step
            file.seek(position)
            rest, *lines = (file.read(step) + rest).split(b"\n")
            yield from reversed(lines)
        yield rest
