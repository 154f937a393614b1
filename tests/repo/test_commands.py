"""Every command answers ``--help``, and a wrong option with exit code 2 and one plain line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

COMMANDS = [
    ["train_simple_model.py"],
    ["federated_training.py"],
    ["federated_inference_utils.py"],
    ["app.py"],
    ["-m", "fedlung.evaluation.froc"],
    ["-m", "fedlung.imaging.phantom"],
    ["-m", "fedlung.web.scans.examiner"],
]
DONE, WRONG_ARGUMENTS = 0, 2

each_command = pytest.mark.parametrize("command", COMMANDS, ids=[command[-1] for command in COMMANDS])


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run this Python from the checkout's root, as a person would, without a terminal."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@each_command
def test_help(command: list[str]) -> None:
    answer = run(*command, "--help")
    assert (answer.returncode, answer.stderr) == (DONE, "")
    assert answer.stdout.startswith("usage: ")


@pytest.mark.slow
@each_command
def test_unknown_option_is_one_plain_line(command: list[str]) -> None:
    answer = run(*command, "--no-such-option")
    assert answer.returncode == WRONG_ARGUMENTS
    assert answer.stdout == ""
    assert len(answer.stderr.splitlines()) == 1
    assert answer.stderr.endswith("(see --help)\n")
