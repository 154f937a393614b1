"""Whether the home of the accounts is asked, and when again."""

from __future__ import annotations

import pytest

from fedlung.errors import Misconfigured, StoreAway
from fedlung.stores.fallback.breaker import LONGEST_PAUSE_SECONDS, Breaker, State


def test_one_failure_is_enough_and_wakes_who_tries_again() -> None:
    breaker = Breaker()
    assert breaker.is_up
    assert not breaker.tripped.is_set()
    breaker.failed(StoreAway("it is gone"))
    assert (breaker.health.state, breaker.health.reason) == (State.AWAY, "it is gone")
    assert breaker.tripped.is_set()
    breaker.succeeded()
    assert breaker.is_up
    assert not breaker.tripped.is_set()


def test_pauses_double_up_to_a_limit_and_begin_anew() -> None:
    breaker = Breaker()
    pauses = []
    for _ in range(6):
        pauses.append(breaker.pause_seconds())
        breaker.tried_in_vain()
    assert pauses == [1, 2, 4, 8, LONGEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS]
    breaker.succeeded()
    assert breaker.pause_seconds() == pauses[0]


def test_since_when_is_the_first_failure_of_its_kind() -> None:
    now = [10.0]
    breaker = Breaker(lambda: now[0])
    for second in (20.0, 30.0):
        now[0] = second
        breaker.failed(StoreAway("gone"))
    assert breaker.health.since == 20.0
    now[0] = 40.0
    breaker.failed(Misconfigured("no table"))
    assert (breaker.health.state, breaker.health.since) == (State.MISCONFIGURED, 40.0)


def test_it_is_logged_when_it_changes_and_not_for_every_failure(caplog: pytest.LogCaptureFixture) -> None:
    breaker = Breaker()
    for _ in range(5):
        breaker.failed(StoreAway("gone"))
    breaker.succeeded()
    breaker.succeeded()
    assert len(caplog.records) == 2
