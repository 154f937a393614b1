"""The peers that we are measured against, each in a virtual environment of its own with exact pins.

They are no requirement of the program: `benchmarks/peers/` holds the programs that import them, and only the Python
of the peer's environment runs those.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.tables import ROOT

TORCH = ("torch==2.13.0", "numpy==2.4.6")
"""The same in every environment, and the same as ours: what differs is the peer."""
PINS: Mapping[str, Sequence[str]] = {
    "monai": ("monai==1.6.1", *TORCH),
    "flower": ("flwr[simulation]==1.41.0", *TORCH),
    "nvflare": ("nvflare==2.9.0", *TORCH),
}
QUIET = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "PYTHONWARNINGS": "ignore",
}
"""No peer reports home from a benchmark."""


class PeerFailed(Exception):
    """A peer could not be installed or run; the message is the last line it wrote."""


def peer_python(work: Path, peer: str) -> Path:
    """Python of the peer's environment in ``work/../peers/<peer>``, installed when it is first needed.

    Raises:
        PeerFailed: pip could not install the pins.
    """
    folder = work.resolve().parent / "peers" / peer
    python = folder / "bin" / "python"
    ready = folder / "installed.txt"
    if ready.is_file() and ready.read_text(encoding="utf-8").split() == list(PINS[peer]):
        return python
    _run([sys.executable, "-m", "venv", "--clear", folder])
    _run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", *PINS[peer]])
    ready.write_text("\n".join(PINS[peer]), encoding="utf-8")
    return python


def run_peer(python: Path, program: str, *arguments: object, threads: int, cwd: Path | None = None) -> dict[str, Any]:
    """Run ``benchmarks/peers/<program>.py``; its answer is the JSON object on its last line.

    Raises:
        PeerFailed: it ended with an error.
    """
    script = ROOT / "benchmarks" / "peers" / f"{program}.py"
    output = _run([python, script, *arguments], threads=threads, cwd=cwd)
    answer: dict[str, Any] = json.loads(output.splitlines()[-1])
    return answer


def peer_variables(threads: int) -> dict[str, str]:
    """Environment variables of a peer's process: so many threads, and our checkout nowhere on its path."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**inherited, **QUIET, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}


def _run(command: Sequence[object], *, threads: int = 1, cwd: Path | None = None) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, env=peer_variables(threads), cwd=cwd, check=False)
    if done.returncode != 0:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise PeerFailed(lines[-1].strip() if lines else f"{words[0]} ended with {done.returncode}")
    return done.stdout
