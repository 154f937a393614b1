"""The learning rate of each global round.

It follows the round of the run, not the local epoch: a schedule that restarts in every round would never come down.
"""

from __future__ import annotations

import math

SCHEDULES = ("constant", "cosine")
LAST_SHARE = 0.05
"""Share of the peak that cosine reaches in the last round, which should still learn something."""


def learning_rate_at(round_: int, rounds: int, peak: float, *, warmup_rounds: int = 0, schedule: str) -> float:
    """Learning rate of round ``round_`` (1..rounds).

    Linear warm-up ``peak * round / (warmup + 1)`` over the first ``warmup_rounds``; then constant, or half a cosine
    from ``peak`` down to 5 % of it (Loshchilov & Hutter, SGDR, ICLR 2017)::

        round     1    2    3  |  4   ...  rounds       warmup_rounds = 3
        share    1/4  2/4  3/4 |  1   ...   0.05
    """
    if round_ <= warmup_rounds:
        return peak * round_ / (warmup_rounds + 1)
    span = rounds - warmup_rounds - 1
    if schedule == "constant" or span <= 0:
        return peak
    done = (round_ - warmup_rounds - 1) / span  # 0 in the first full round, 1 in the last
    return peak * (LAST_SHARE + (1 - LAST_SHARE) * (1 + math.cos(math.pi * done)) / 2)
