"""The process that looks at files ends with the server that started it, and when it is told to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from fedlung.web.scans.examination import MODULE, ROOT, Examination, ExaminationBroke

LONG = 30.0


@pytest.fixture
def endless(tmp_path: Path) -> dict[str, Any]:
    """A job that waits for a pipe into which nobody writes."""
    os.mkfifo(tmp_path / "pipe")
    return {"kind": "upload", "files": [{"name": "a.raw", "path": str(tmp_path / "pipe"), "sha256": "00"}]}


def test_it_ends_with_the_server(tmp_path: Path, endless: dict[str, Any]) -> None:
    """Its standard input is closed by the system, however the server ended."""
    (tmp_path / "job.json").write_text(json.dumps(endless))
    command = [sys.executable, "-m", MODULE, str(tmp_path / "job.json")]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["stage"] == "reading"
        process.stdin.close()
        assert process.wait(LONG) == 1


def test_it_can_be_stopped_and_does_not_start_again(tmp_path: Path, endless: dict[str, Any]) -> None:
    examination, caught = Examination(), []

    def work() -> None:
        try:
            list(examination.run(tmp_path, endless))
        except ExaminationBroke as broke:
            caught.append(broke.was_stopped)

    thread = threading.Thread(target=work)
    thread.start()
    until = time.monotonic() + LONG
    while examination._process is None and time.monotonic() < until:
        time.sleep(0.01)
    examination.stop()
    thread.join(LONG)
    work()
    assert caught == [True, True]


@pytest.mark.parametrize("content", ["", "[]", '{"kind": "other"}'])
def test_what_is_no_job_breaks(tmp_path: Path, content: str) -> None:
    examination = Examination()
    with pytest.raises(ExaminationBroke) as caught:
        list(examination.run(tmp_path, json.loads(content or "null") or {}))
    assert not caught.value.was_stopped
