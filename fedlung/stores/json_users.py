"""Accounts in one JSON file that only its owner can read, for a federation on one machine.

Every write makes a whole new file, then a copy beside it, ``users.json.bak``. A file that cannot be read is kept as it
is and refused in words that name the copy: a person decides, because the copy may lack the last change, which may
have been the end of somebody's access.

One process writes at a time: the lock of the data folder sees to that.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from fedlung.errors import Conflict, NotFound, UnreadableStore
from fedlung.stores.atomic_files import write_atomically
from fedlung.stores.clock import utc_now
from fedlung.stores.users import User, normal_username

logger = logging.getLogger(__name__)

OWNER_ONLY = 0o600


@dataclass(frozen=True)
class _Content:
    """What the file holds."""

    format: Literal[1]
    users: list[User]


@dataclass(frozen=True)
class _Seen:
    """The file as it was read; ``mark`` tells whether it is still the same."""

    mark: tuple[int, ...]
    by_id: Mapping[str, User]
    by_username: Mapping[str, User]


NOTHING = _Seen((), {}, {})
_CONTENT = TypeAdapter(_Content)


class JsonUserStore:
    """See `fedlung.stores.users.UserStore`. The folder of ``path`` has to exist."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.copy = path.with_name(path.name + ".bak")
        self._write_lock = threading.Lock()
        self._seen = NOTHING
        for leftover in path.parent.glob(f".{path.name}.*.partial"):
            leftover.unlink(missing_ok=True)

    def all(self) -> list[User]:
        return sorted(self._read().by_id.values(), key=lambda user: user.username)

    def by_id(self, user_id: str) -> User | None:
        return self._read().by_id.get(user_id)

    def by_username(self, username: str) -> User | None:
        try:
            return self._read().by_username.get(normal_username(username))
        except ValueError:  # nobody can have this name
            return None

    def add(self, user: User) -> User:
        with self._write_lock:
            self.check_addition(user)
            self._write({**self._read().by_id, user.id: user})
        return user

    def replace(self, user: User) -> User:
        with self._write_lock:
            written = self.replacement(user)
            self._write({**self._read().by_id, user.id: written})
        return written

    def refusal(self, user: User, signing_in: bool) -> str:
        return ""

    def check_addition(self, user: User) -> None:
        """Raise what `add` would raise."""
        seen = self._read()
        if user.id in seen.by_id:
            raise Conflict(f"there is an account with the id {user.id}")
        _check_name_is_free(seen, user)

    def replacement(self, user: User) -> User:
        """What `replace` would write; raises what it would raise."""
        seen = self._read()
        stored = seen.by_id.get(user.id)
        if stored is None:
            raise NotFound(f"there is no account with the id {user.id}")
        if stored.version != user.version:
            raise Conflict(f"{stored.username}: version {user.version} was replaced by {stored.version}")
        _check_name_is_free(seen, user)
        return replace(user, version=user.version + 1, created_at=stored.created_at, updated_at=utc_now())

    def keep(self, users: Iterable[User]) -> None:
        """Make these all the accounts there are, whatever the file held: for a copy of accounts that live elsewhere."""
        with self._write_lock:
            self._write({user.id: user for user in users})

    def _write(self, users: Mapping[str, User]) -> None:
        content = to_json({"format": 1, "users": [asdict(user) for user in users.values()]}, indent=2) + b"\n"
        write_atomically(self.path, content, OWNER_ONLY)
        try:
            write_atomically(self.copy, content, OWNER_ONLY)
        except OSError as error:  # the change itself is on disk
            logger.warning("%s could not be written: %s", self.copy, error)

    def _read(self) -> _Seen:
        """The file's content, read again only when another file has taken its place."""
        try:
            found = self.path.lstat()
        except FileNotFoundError:
            return self._first_start()
        except OSError as error:
            raise self._refused(error.strerror or str(error)) from None
        if not stat.S_ISREG(found.st_mode):
            raise self._refused("it is not a plain file (links are not followed)")
        seen = self._seen
        if seen.mark != _mark(found):
            seen = self._seen = self._parsed()
        return seen

    def _first_start(self) -> _Seen:
        # Otherwise whoever can remove one file would be asked for a new administrator's password.
        if self.copy.exists():
            raise self._refused("it is missing")
        return NOTHING

    def _parsed(self) -> _Seen:
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with open(descriptor, "rb") as file:
                found = os.fstat(descriptor)
                if found.st_mode & 0o077:
                    self._hide(descriptor, found)
                users = _CONTENT.validate_json(file.read(), strict=True).users
        except OSError as error:
            raise self._refused(error.strerror or str(error)) from None
        except ValidationError as error:
            raise self._refused(_reason(error)) from None
        seen = _Seen(_mark(found), {user.id: user for user in users}, {user.username: user for user in users})
        if not len(users) == len(seen.by_id) == len(seen.by_username):
            raise self._refused("two accounts have the same id or user name")
        return seen

    def _hide(self, descriptor: int, found: os.stat_result) -> None:
        logger.warning("%s has mode %03o: others can read or write it", self.path, found.st_mode & 0o777)
        with suppress(OSError):  # somebody else's file, or a read-only disk
            os.fchmod(descriptor, OWNER_ONLY)

    def _refused(self, reason: str) -> UnreadableStore:
        rescue = f"; the last good copy is {self.copy}" if self.copy.is_file() else ""
        return UnreadableStore(f"the accounts in {self.path} cannot be read and were left as is: {reason}{rescue}")


def _mark(found: os.stat_result) -> tuple[int, ...]:
    return found.st_ino, found.st_mtime_ns, found.st_size


def _check_name_is_free(seen: _Seen, user: User) -> None:
    namesake = seen.by_username.get(user.username)
    if namesake is not None and namesake.id != user.id:
        raise Conflict(f"the user name {user.username} is taken")


def _reason(error: ValidationError) -> str:
    # Not str(error): it quotes the input, and with it the hashes of passwords.
    first = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]
