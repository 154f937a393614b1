"""Starts the process that looks at files (`fedlung.web.scans.examiner`) and hears what it finds."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

MODULE = "fedlung.web.scans.examiner"
ROOT = Path(__file__).resolve().parents[3]
LONGEST_SECONDS = 3600.0
JOB = "job.json"


class ExaminationBroke(Exception):
    """The process ended without having looked at everything; ``was_stopped`` when that was asked for."""

    def __init__(self, was_stopped: bool) -> None:
        super().__init__("stopped" if was_stopped else "the examination ended unexpectedly")
        self.was_stopped = was_stopped


class Examination:
    """One process at a time; `stop` may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._is_stopped = False

    def run(self, workspace: Path, job: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Findings of one job, as they come; ``workspace`` holds the job's own files.

        Raises:
            ExaminationBroke: the process was stopped, was killed, took too long, or failed.
        """
        path = workspace / JOB
        path.write_text(json.dumps(job), encoding="utf-8")
        process = self._start(path)
        watch = threading.Timer(LONGEST_SECONDS, process.kill)
        watch.daemon = True
        watch.start()
        ended = False
        try:
            assert process.stdout is not None
            for line in process.stdout:
                found = json.loads(line)
                ended = found["kind"] == "end"
                if not ended:
                    yield found
        finally:
            watch.cancel()
            process.kill()
            process.communicate()
            with self._lock:
                self._process = None
        if not ended:
            logger.error("an examination ended early, with exit code %s", process.returncode)
            raise ExaminationBroke(self._is_stopped)

    def stop(self) -> None:
        """End the process that runs; another one does not start."""
        with self._lock:
            self._is_stopped = True
            if self._process is not None:
                self._process.kill()

    def _start(self, job: Path) -> subprocess.Popen[str]:
        with self._lock:
            if self._is_stopped:
                raise ExaminationBroke(True)
            self._process = subprocess.Popen(
                [sys.executable, "-m", MODULE, str(job.resolve())],
                cwd=ROOT,
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                stdin=subprocess.PIPE,  # never written: its end tells the process that the server is gone
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                start_new_session=True,  # a Ctrl-C at the server's terminal is not for it
            )
            return self._process
