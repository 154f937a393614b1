"""The data folder belongs to one process: the second is told who holds it, and kill -9 frees it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fedlung.errors import DataInUse
from fedlung.stores import data_lock
from fedlung.stores.data_lock import DataLock

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_lock, "PATIENCE_SECONDS", 0.0)


HOLDER = """
import sys
import threading
from pathlib import Path
from fedlung.stores.data_lock import DataLock
lock = DataLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_the_second_is_told_who_the_first_is(tmp_path: Path) -> None:
    with DataLock(tmp_path), pytest.raises(DataInUse) as refused:
        DataLock(tmp_path)
    said = re.fullmatch(r".* in use by process (\d+) on (\S+), started (\S+); stop it, .*", str(refused.value))
    assert said is not None
    assert (int(said[1]), said[2]) == (os.getpid(), socket.gethostname())


def test_it_can_be_taken_again_after_it_was_let_go(tmp_path: Path) -> None:
    with DataLock(tmp_path):
        pass
    with DataLock(tmp_path):
        assert (tmp_path / "instance" / "lock").read_text().startswith(f"{os.getpid()} ")


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(arguments, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(DataInUse, match=f"process {holder.pid} "):
            DataLock(tmp_path)
        holder.kill()
        holder.wait(10)
        DataLock(tmp_path).close()


def test_a_holder_that_is_just_ending_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_lock, "PATIENCE_SECONDS", 10.0)
    first = DataLock(tmp_path)
    threading.Timer(0.2, first.close).start()
    DataLock(tmp_path).close()
