"""The pace of all uploads together."""

from __future__ import annotations

import pytest

from fedlung.web.scans.pace import BURST_SECONDS, Pace


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("lines", [1, 20])
def test_together_they_come_as_quickly_as_allowed(lines: int) -> None:
    """However many there are: each rests until its turn, so the last byte comes when the pace allows it."""
    clock = Clock()
    pace = Pace(1000.0, clock)
    wake_at = [clock.now] * lines
    for _ in range(200):
        line = min(range(lines), key=wake_at.__getitem__)
        clock.now = max(clock.now, wake_at[line])
        wake_at[line] = clock.now + pace.rest(100)
    assert max(wake_at) - 1000.0 == pytest.approx(200 * 100 / 1000 - BURST_SECONDS)


def test_who_is_slower_never_rests() -> None:
    clock = Clock()
    pace = Pace(1000.0, clock)
    for _ in range(100):
        clock.now += 0.2
        assert pace.rest(int(1000 * BURST_SECONDS)) == 0.0


def test_a_pause_is_not_saved_up() -> None:
    clock = Clock()
    pace = Pace(1000.0, clock)
    pace.rest(10)
    clock.now += 3600
    assert pace.rest(1000) == pytest.approx(1.0 - BURST_SECONDS)
