"""Changes of accounts that were made while their home was away, in order; on disk before anybody is told yes."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from fedlung.errors import UnreadableStore
from fedlung.stores.atomic_files import write_atomically
from fedlung.stores.users import User

OWNER_ONLY = 0o600


@dataclass(frozen=True)
class Change:
    """One write: ``before`` is what it replaced, None for a new account; ``after`` has the next version."""

    before: User | None
    after: User


@dataclass(frozen=True)
class _Content:
    format: Literal[1]
    changes: list[Change]


_CONTENT = TypeAdapter(_Content)


class Outbox:
    """The file ``path``; a missing one is empty.

    The whole file is written for every change: there are few, and a file is either the old or the new one.

    Raises:
        UnreadableStore: the file is damaged. It is kept: it may hold the end of somebody's access.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._changes = self._read()

    def changes(self) -> tuple[Change, ...]:
        """What waits, oldest first."""
        return self._changes

    def append(self, change: Change) -> None:
        """Raises OSError: the change is not kept."""
        with self._lock:
            self._write((*self._changes, change))

    def drop(self, sent: Sequence[Change]) -> None:
        """These do not wait any more."""
        with self._lock:
            self._write(tuple(change for change in self._changes if change not in sent))

    def _write(self, changes: tuple[Change, ...]) -> None:
        content = {"format": 1, "changes": [asdict(change) for change in changes]}
        write_atomically(self._path, to_json(content, indent=2) + b"\n", OWNER_ONLY)
        self._changes = changes

    def _read(self) -> tuple[Change, ...]:
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with open(descriptor, "rb") as file:
                return tuple(_CONTENT.validate_json(file.read(), strict=True).changes)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise self._refused(error.strerror or str(error)) from None
        except ValidationError as error:  # not str(error): it quotes the input, and with it the hashes of passwords
            raise self._refused(error.errors(include_input=False, include_url=False)[0]["msg"]) from None

    def _refused(self, reason: str) -> UnreadableStore:
        return UnreadableStore(
            f"the changes of accounts that wait for Supabase in {self._path} cannot be read and were left as is:"
            f" {reason}; move the file away only if these changes may be lost"
        )
