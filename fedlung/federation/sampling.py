"""Who takes part in a round, and with which random numbers; both follow from the run's seed alone.

Nothing depends on the order in which hospitals are listed, start or answer, so a resumed run repeats them.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable

import numpy as np


def sample_clients(client_ids: Iterable[str], *, fraction: float, at_least: int, seed: int, round_: int) -> list[str]:
    """Sorted ids of ``ceil(fraction * n)`` clients, never fewer than ``at_least`` where there are so many."""
    ids = sorted(client_ids)
    # 0.07 * 100 is a little more than 7; without the rounding it would ask for 8.
    wanted = min(len(ids), max(at_least, math.ceil(round(fraction * len(ids), 9))))
    generator = np.random.default_rng(_seed_sequence(seed, round_, "sample"))
    return sorted(generator.choice(ids, wanted, replace=False).tolist())


def client_seed(run_seed: int, round_: int, client_id: str) -> int:
    """Seed (63 bits) of one client's work in one round."""
    return int(_seed_sequence(run_seed, round_, f"client {client_id}").generate_state(1, np.uint64)[0] >> np.uint64(1))


def _seed_sequence(run_seed: int, round_: int, purpose: str) -> np.random.SeedSequence:
    words = hashlib.sha256(purpose.encode()).digest()
    return np.random.SeedSequence([run_seed, round_, int.from_bytes(words[:16], "big")])
