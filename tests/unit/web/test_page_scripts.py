"""The arithmetic and the bookkeeping of the pages' scripts, tested in Node where it is installed (tests/js)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TESTS = sorted((ROOT / "tests" / "js").glob("*.test.mjs"))


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_scripts_in_node(path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed: the browser tests cover these scripts, too")
    # The pages' modules end in .js and have no package.json that would say what they are.
    command = [node, "--experimental-detect-module", "--no-warnings", "--test", str(path)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_there_are_such_tests() -> None:
    assert len(TESTS) >= 3
