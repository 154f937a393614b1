"""The peers that we are measured against, each in a virtual environment of its own with exact pins.

They are no requirement of the program: only ``benchmarks/peers/`` imports them, and only the Python of the peer's own
environment runs those programs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.tables import ROOT

SAME_AS_OURS = ("torch==2.13.0", "numpy==2.4.6")
OUR_NETWORK_NEEDS = ("matplotlib==3.11.2", "pillow==13.0.0", "rich==15.0.0", "scipy==1.17.1")
PINS: Mapping[str, Sequence[str]] = {
    "monai": ("monai==1.6.1", *SAME_AS_OURS, *OUR_NETWORK_NEEDS),
    "flower": ("flwr[simulation]==1.41.0", *SAME_AS_OURS),
    "nvflare": ("nvflare==2.9.0", *SAME_AS_OURS),
}
NO_REPORTS_HOME = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}


class PeerFailed(Exception):
    """A peer could not be installed or run; the message is the last line it wrote."""


def peer_python(work: Path, peer: str) -> Path:
    """Python of the peer's environment ``work/../peers/<peer>``, shared by the benchmarks, made when it is needed.

    Raises:
        PeerFailed: pip could not install the pins.
    """
    folder = work.resolve().parent / "peers" / peer
    python = folder / "bin" / "python"
    ready = folder / "installed.txt"
    if not ready.is_file() or ready.read_text(encoding="utf-8").split() != list(PINS[peer]):
        _install([sys.executable, "-m", "venv", "--clear", str(folder)])
        _install([str(python), "-m", "pip", "install", "--quiet", "--no-input", *PINS[peer]])
        ready.write_text("\n".join(PINS[peer]), encoding="utf-8")
    return python


class Peer:
    """A program of ``benchmarks/peers/`` at work: one JSON object asks on its stdin, one answers on its stdout.

    It stays alive between questions, so that a warm peer is compared with a warm program of ours.
    """

    def __init__(self, python: Path, program: str, *arguments: object, threads: int) -> None:
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - see __exit__
        self._process = subprocess.Popen(
            [str(python), "-m", f"benchmarks.peers.{program}", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=ROOT,
            env=_variables(threads),
        )

    def ask(self, **question: Any) -> Any:
        """The answer to one question; lines that a library prints in between are passed over.

        Raises:
            PeerFailed: the program ended instead.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise PeerFailed(self._last_words()) from None
        for line in self._process.stdout:
            if line.startswith('{"answer"'):
                return json.loads(line)["answer"]
        raise PeerFailed(self._last_words())

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()  # its stdin ends, and so does it
        self._errors.close()

    def _last_words(self) -> str:
        self._process.wait()
        self._errors.seek(0)
        return _last_line(self._errors.read()) or f"it ended with code {self._process.returncode}"


def _variables(threads: int) -> dict[str, str]:
    count = str(threads)
    return {**os.environ, **NO_REPORTS_HOME, "OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count}


def _install(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PeerFailed(_last_line(done.stderr) or f"{command[0]} ended with code {done.returncode}")


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
