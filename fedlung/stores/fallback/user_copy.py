"""The copy of Supabase's accounts in ``users.json``, and ``users.copy.json`` beside it, which says of what and when.

Without the marker a ``users.json`` is the home of its accounts: it must never be overwritten by those of a Supabase
project. With it, the file must never be taken for a home: it would bring back people whom Supabase shut out.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from fedlung.errors import BadSettings, UnreadableStore
from fedlung.stores.atomic_files import write_atomically
from fedlung.stores.clock import utc_now
from fedlung.stores.json_users import JsonUserStore
from fedlung.stores.users import User

logger = logging.getLogger(__name__)

NOTED_EVERY_SECONDS = 60.0  # the limit of a copy's age is hours
DECISIONS_SHOWN = 20
ENDS_SESSIONS = ("is_active", "role", "hospital_id", "session_epoch", "password_hash")


@dataclass(frozen=True)
class Decision:
    """An account that was changed on both sides, and what was decided (see `fedlung.stores.fallback.merging`)."""

    time: str
    username: str
    decided: dict[str, str]


@dataclass(frozen=True)
class Marker:
    """``synced_at``: when the copy was last known to be like its home; None before the first time."""

    format: Literal[1]
    url: str
    synced_at: str | None
    decisions: list[Decision]


_MARKER = TypeAdapter(Marker)


def marker_of(users_file: Path) -> Path:
    return users_file.with_name(f"{users_file.stem}.copy.json")


def check_is_home(users_file: Path) -> None:
    """For a server without Supabase.

    Raises:
        BadSettings: the file is a copy of accounts that live elsewhere.
    """
    marker = marker_of(users_file)
    if marker.exists():
        raise BadSettings(
            f"{users_file} is a copy of the accounts of {_read(marker).url}: set SUPABASE_URL and SUPABASE_SECRET_KEY,"
            f" or remove {marker} to make the copy the home of the accounts"
        )


def adopt(users_file: Path, url: str) -> None:
    """Say that the accounts of ``users_file`` are in the project at ``url`` now, and the file is a copy of them."""
    _write(marker_of(users_file), Marker(1, url, None, []))


class UserCopy:
    """Raises BadSettings when ``users_file`` is the home of accounts, or the copy of another project's."""

    def __init__(self, users_file: Path, url: str) -> None:
        self.accounts = JsonUserStore(users_file)
        self._path = marker_of(users_file)
        self._lock = threading.Lock()
        self._marker = self._opened(users_file, url)
        self._noted = self._synced = time.monotonic()
        self._known_age = _age(self._marker.synced_at)

    @property
    def is_complete(self) -> bool:
        """Whether it was ever like its home."""
        return self._marker.synced_at is not None

    @property
    def decisions(self) -> Sequence[Decision]:
        return self._marker.decisions

    def age_seconds(self) -> float:
        """Since it was last known to be like its home; infinite before the first time."""
        return self._known_age + time.monotonic() - self._synced

    def put(self, users: Iterable[User]) -> list[str]:
        """Take in these accounts, unless a newer version is here; ids of those whose sessions end by that."""
        with self._lock:
            before = {user.id: user for user in self.accounts.all()}
            news = {user.id: user for user in users if not _is_older(user, before.get(user.id))}
            return self._keep(before, {**before, **news})

    def become(self, users: Iterable[User]) -> list[str]:
        """Hold exactly these accounts; ids of those whose sessions end by that. Mends a file that cannot be read."""
        with self._lock:
            try:
                before = {user.id: user for user in self.accounts.all()}
            except UnreadableStore as error:
                logger.error("%s; being a copy, it is made anew", error)
                before = {}
                self._move_away()
            return self._keep(before, {user.id: user for user in users})

    def is_like_home(self) -> None:
        """Note that everything of the home is here by now."""
        now = time.monotonic()
        self._known_age, self._synced = 0.0, now
        if not self.is_complete or now - self._noted >= NOTED_EVERY_SECONDS:
            self._note(replace(self._marker, synced_at=utc_now()))

    def note_decision(self, decision: Decision) -> None:
        self._note(replace(self._marker, decisions=[decision, *self._marker.decisions][:DECISIONS_SHOWN]))

    def _note(self, marker: Marker) -> None:
        self._marker, self._noted = marker, time.monotonic()
        try:
            _write(self._path, marker)
        except OSError as error:  # the copy is only taken for older than it is
            logger.warning("%s could not be written: %s", self._path, error)

    def _move_away(self) -> None:
        for path in (self.accounts.path, self.accounts.copy):
            if path.exists() or path.is_symlink():
                path.replace(path.with_name(f"{path.name}.unreadable"))

    def _keep(self, before: dict[str, User], after: dict[str, User]) -> list[str]:
        if after != before:
            self.accounts.keep(after.values())
        return [
            key
            for key, user in before.items()
            if key not in after or any(getattr(user, name) != getattr(after[key], name) for name in ENDS_SESSIONS)
        ]

    def _opened(self, users_file: Path, url: str) -> Marker:
        if self._path.exists():
            marker = _read(self._path)
            if marker.url != url:
                raise BadSettings(
                    f"{users_file} is a copy of the accounts of {marker.url}, not of {url} as SUPABASE_URL says; move"
                    f" {users_file} and {self._path} away to begin with a new copy"
                )
            return marker
        if users_file.exists() or self.accounts.copy.exists():
            raise BadSettings(
                f"{users_file} holds accounts of its own, not a copy of those of {url}: take them there with"
                f" `flask --app app users import {users_file}`, or move the file away"
            )
        marker = Marker(1, url, None, [])
        _write(self._path, marker)
        return marker


def _is_older(user: User, here: User | None) -> bool:
    return here is not None and user.version < here.version


def _age(synced_at: str | None) -> float:
    """Seconds; infinite for a time in the future, since the clock cannot be believed then."""
    if synced_at is None:
        return float("inf")
    seconds = (datetime.now(UTC) - datetime.fromisoformat(synced_at)).total_seconds()
    return seconds if seconds > -NOTED_EVERY_SECONDS else float("inf")


def _write(path: Path, marker: Marker) -> None:
    write_atomically(path, to_json(asdict(marker), indent=2) + b"\n", 0o600)


def _read(path: Path) -> Marker:
    try:
        return _MARKER.validate_json(path.read_bytes(), strict=True)
    except (OSError, ValidationError) as error:
        raise UnreadableStore(
            f"{path}, which says of what users.json is a copy, cannot be read: {_reason(error)}"
        ) from None


def _reason(error: OSError | ValidationError) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return error.errors(include_input=False, include_url=False)[0]["msg"]
