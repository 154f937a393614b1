"""What each hospital does in a round of the overhead benchmark: the same few seconds in every framework."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

WORK_SECONDS = 5.0
NUM_EXAMPLES = 10

Arrays = Mapping[str, np.ndarray[Any, Any]]


def local_work(weights: Arrays, client: str, log: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Weights that moved a little, after `WORK_SECONDS`; begin and end go into ``log`` in seconds since 1970."""
    started = time.time()
    moved = {name: array + np.asarray(1e-3, array.dtype) for name, array in weights.items()}
    time.sleep(max(0.0, started + WORK_SECONDS - time.time()))
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"client": client, "started": started, "ended": time.time()}) + "\n")
    return moved
