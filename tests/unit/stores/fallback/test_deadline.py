"""An answer in time, or none."""

from __future__ import annotations

import threading
import time

import pytest

from fedlung.errors import Conflict, StoreAway
from fedlung.stores.fallback.deadline import answered_within


def test_answers_and_errors_come_through() -> None:
    assert answered_within(5.0, lambda: 7) == 7

    def refuses() -> int:
        raise Conflict("no")

    with pytest.raises(Conflict, match="no"):
        answered_within(5.0, refuses)


def test_who_is_late_is_not_waited_for() -> None:
    late, begun = threading.Event(), time.monotonic()
    with pytest.raises(StoreAway, match=r"0\.05 s"):
        answered_within(0.05, lambda: late.wait(30))
    assert time.monotonic() - begun < 5
    late.set()
