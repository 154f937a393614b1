"""Every front bounds OpenMP's spinning before torch is loaded, and leaves a person's own choice alone."""

from __future__ import annotations

from fedlung.openmp import SPIN_COUNT

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FRONTS = {
    "train_simple_model": "import train_simple_model",
    "federated_training": "import federated_training",
    "federated_inference_utils": "import federated_inference_utils",
    "app": "import app; app.make_launcher(app.Settings.from_env([]))",
}
SPY = """
import builtins, os, sys
real = builtins.__import__
def spy(name, *rest, **named):
    if name == "torch" and "torch" not in sys.modules:
        print(os.environ.get("OMP_WAIT_POLICY"), os.environ.get("GOMP_SPINCOUNT"))
        sys.exit()
    return real(name, *rest, **named)
builtins.__import__ = spy
{load}
"""


@pytest.mark.parametrize(
    "front", [pytest.param(front, marks=pytest.mark.slow) if front == "app" else front for front in FRONTS]
)
@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, ["None", str(SPIN_COUNT)]),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, ["ACTIVE", "None"]),
        ({"GOMP_SPINCOUNT": "7"}, ["None", "7"]),
    ],
)
def test_the_setting_stands_when_torch_is_loaded(front: str, chosen: dict[str, str], expected: list[str]) -> None:
    kept = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    result = subprocess.run(
        [sys.executable, "-c", SPY.format(load=FRONTS[front])],
        cwd=ROOT,
        env=kept | chosen,
        capture_output=True,
        text=True,
    )
    assert result.stdout.split() == expected, result.stderr
