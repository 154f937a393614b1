"""Every front asks OpenMP for sleeping threads before torch is loaded, and leaves a person's own choice alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FRONTS = ("train_simple_model", "federated_training", "federated_inference_utils")
SPY = """
import builtins, os, sys
real = builtins.__import__
def spy(name, *rest):
    if name == "torch" and "torch" not in sys.modules:
        print(os.environ.get("OMP_WAIT_POLICY"))
        sys.exit()
    return real(name, *rest)
builtins.__import__ = spy
import {front}
"""


@pytest.mark.parametrize("front", FRONTS)
@pytest.mark.parametrize(("chosen", "expected"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_the_policy_stands_when_torch_is_loaded(front: str, chosen: str | None, expected: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    if chosen is not None:
        environment["OMP_WAIT_POLICY"] = chosen
    result = subprocess.run(
        [sys.executable, "-c", SPY.format(front=front)], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert result.stdout.split() == [expected], result.stderr
