"""``kill -9``, full disks, the n-th system call that fails: accounts stay readable, no acknowledged one is lost."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fedlung.errors import UnreadableStore
from fedlung.stores.json_users import JsonUserStore
from fedlung.stores.users import STAFF, User, new_user

ROOT = Path(__file__).resolve().parents[2]
KILLS = 12
LONG = 60.0


def a_writer(path: Path, before: Callable[[], None] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.faults.users_json_driver", str(path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=before,
    )


def said(lines: list[str]) -> dict[str, int]:
    """User name -> newest acknowledged version; a line that the kill cut is not an acknowledgement."""
    words = (line.split() for line in lines if line.endswith("\n") and not line.startswith("failed"))
    return {name: int(version) for name, version in words}


def versions(path: Path) -> dict[str, int]:
    return {user.username: user.version for user in JsonUserStore(path).all()}


def holds(found: dict[str, int], acknowledged: dict[str, int]) -> bool:
    return all(found.get(name, 0) >= version for name, version in acknowledged.items())


def test_killed_writers_leave_a_readable_file_with_all_they_acknowledged(tmp_path: Path) -> None:
    path, acknowledged, dice = tmp_path / "users.json", dict[str, int](), random.Random(0)
    for _ in range(KILLS):
        with a_writer(path) as writer:
            assert writer.stdout is not None
            first = writer.stdout.readline()
            killer = threading.Timer(dice.uniform(0.0, 0.08), writer.kill)
            killer.start()
            acknowledged |= said([first, *writer.stdout.readlines()])
            assert writer.wait(LONG) == -signal.SIGKILL
        found = versions(path)
        assert holds(found, acknowledged)
        assert sum(found.values()) <= sum(acknowledged.values()) + KILLS  # at most the one at work each time
        assert not list(tmp_path.glob(".*.partial"))
        assert JsonUserStore(path.with_name("users.json.bak")).all()
    assert len(acknowledged) > KILLS


def test_full_disk_keeps_what_was_acknowledged_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """A limit on the size of files stands for the end of the disk: a write ends in the middle."""
    path = tmp_path / "users.json"

    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write fails instead of the process
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))

    with a_writer(path, small_files) as writer:
        output = writer.communicate(timeout=LONG)[0].splitlines(keepends=True)
    assert writer.returncode == 1
    assert "File too large" in output[-1]
    acknowledged = said(output)
    assert len(acknowledged) > 3
    assert versions(path) == acknowledged
    assert sorted(os.listdir(tmp_path)) == ["users.json", "users.json.bak"]
    store = JsonUserStore(path)
    store.add(new_user("after", "After", "hash", STAFF, "hospital_a"))
    assert versions(path) == {**acknowledged, "after": 1}


class FailingCalls:
    """Lets the n-th open, write, fsync or rename fail, as a disk does that is full or broken."""

    def __init__(self, patch: pytest.MonkeyPatch, failing: int) -> None:
        self.count = 0
        self.failing = failing
        patch.setattr(os, "open", self._counting(os.open))
        patch.setattr(os, "fsync", self._counting(os.fsync))
        patch.setattr(os, "fdopen", self._broken_file(os.fdopen))
        patch.setattr(Path, "replace", self._counting(Path.replace))

    def _counting(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self._fail_when_due()
            return real(*arguments, **options)

        return call

    def _broken_file(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def open_file(*arguments: Any) -> Any:
            file = real(*arguments)
            write = file.write

            def half(content: bytes) -> int:
                write(content[: len(content) // 2])
                self._fail_when_due()
                return int(write(content[len(content) // 2 :]))

            return _WithWrite(file, half)

        return open_file

    def _fail_when_due(self) -> None:
        self.count += 1
        if self.count == self.failing:
            raise OSError(28, "No space left on device")


class _WithWrite:
    """A file whose ``write`` is another."""

    def __init__(self, file: Any, write: Callable[[bytes], int]) -> None:
        self._file = file
        self.write = write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _WithWrite:
        return self

    def __exit__(self, *reason: object) -> None:
        self._file.close()


def test_every_call_of_a_write_may_fail(tmp_path: Path) -> None:
    """n = 1, 2, ... until nothing fails any more: the file is the old or the new one, and never lies about it."""
    path = tmp_path / "users.json"
    user = JsonUserStore(path).add(new_user("dr.li", "Dr Li", "hash", STAFF, "hospital_a"))
    refused = 0
    for failing in range(1, 100):
        store = JsonUserStore(path)
        changed, calls = attempt(store, replace(user, display_name=f"attempt {failing}"), failing)
        found = JsonUserStore(path).by_id(user.id)
        assert found is not None
        # Refused, and yet the new one: the rename was done, and what came after it failed.
        assert found == changed if changed else found == user or found.display_name == f"attempt {failing}"
        assert not list(tmp_path.glob(".*.partial"))
        refused += changed is None
        user = found
        if calls < failing:
            break
    # Read; then open, write, fsync and rename of the file and open, fsync of its folder may refuse the change;
    # the six of the copy may not.
    assert (refused, failing) == (7, 14)


def attempt(store: JsonUserStore, user: User, failing: int) -> tuple[User | None, int]:
    """Make the change while the call number ``failing`` fails; None where the store refused it."""
    with pytest.MonkeyPatch.context() as patch:
        calls = FailingCalls(patch, failing)
        try:
            return store.replace(user), calls.count
        except (OSError, UnreadableStore):
            return None, calls.count
