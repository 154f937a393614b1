"""Time ends sessions: without requests, after the longest time, and whenever the clock cannot be trusted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from fedlung.web.services import SETTINGS
from fedlung.web.sessions import CLOCK, CLOCK_SET_BACK_SECONDS, SEEN, SEEN_EVERY_SECONDS, steady_clock
from tests.web.conftest import SignedIn

HOUR, DAY = 3600.0, 24 * 3600.0


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(app: Flask) -> Clock:
    """The clock of the sessions, which goes when it is told to."""
    app.extensions[CLOCK] = clock = Clock()
    return clock


def is_signed_in(browser: FlaskClient) -> bool:
    return browser.get("/api/status").status_code == 200


def test_session_ends_after_a_time_without_requests(app: Flask, clock: Clock, signed_in: SignedIn) -> None:
    idle = app.extensions[SETTINGS].session_idle_seconds
    for step, still in ((idle - 1, True), (idle - 1, True), (idle, False)):
        browser = signed_in("staff_a")
        clock.now += step
        assert is_signed_in(browser) is still


def test_session_ends_after_the_longest_time_however_busy(app: Flask, clock: Clock, signed_in: SignedIn) -> None:
    browser, hours = signed_in("staff_a"), 0
    while is_signed_in(browser):
        clock.now += HOUR
        hours += 1
    assert hours * HOUR == app.extensions[SETTINGS].session_absolute_seconds


def test_copy_of_a_cookie_is_not_kept_alive_by_the_browser_that_goes_on(
    app: Flask, clock: Clock, signed_in: SignedIn
) -> None:
    browser, thief = signed_in("staff_a"), app.test_client()
    cookie = browser.get_cookie("fedlung_session")
    assert cookie is not None
    for _ in range(9):
        clock.now += HOUR
        assert is_signed_in(browser)
    thief.set_cookie("fedlung_session", cookie.value)
    assert not is_signed_in(thief)


@pytest.mark.parametrize(("moved", "still"), [(-DAY, False), (DAY, False), (-CLOCK_SET_BACK_SECONDS, True)])
def test_clock_that_was_set_between_two_starts_never_extends(
    app: Flask, clock: Clock, signed_in: SignedIn, moved: float, still: bool
) -> None:
    browser = signed_in("staff_a")
    clock.now += moved
    assert is_signed_in(browser) is still


@pytest.mark.parametrize(("moved", "went_on"), [(-DAY, 0.0), (DAY, DAY)])
def test_clock_of_the_running_server_goes_forward_only(
    monkeypatch: pytest.MonkeyPatch, moved: float, went_on: float
) -> None:
    """Forward: somebody set it, or the machine slept; either way, nobody was there."""
    clock = steady_clock()
    before = clock()
    monkeypatch.setattr("time.time", lambda: before + moved)
    assert clock() - before == pytest.approx(went_on, abs=60.0)


def test_time_noted_by_a_clock_that_was_wrong_for_a_while_keeps_nothing_alive(
    clock: Clock, signed_in: SignedIn
) -> None:
    browser = signed_in("staff_a")
    clock.now += HOUR
    assert is_signed_in(browser)
    clock.now -= HOUR / 2
    assert not is_signed_in(browser)


def test_use_is_noted_once_a_minute_only(clock: Clock, signed_in: SignedIn) -> None:
    """Each note is a cookie in the answer, and two of them in flight may overtake each other."""
    browser = signed_in("staff_a")
    began = clock.now
    for step, noted in ((1.0, False), (SEEN_EVERY_SECONDS - 2, False), (1.0, True), (1.0, False)):
        clock.now += step
        answer = browser.get("/api/status")
        assert ("Set-Cookie" in answer.headers) is noted
    with browser.session_transaction() as session:
        assert session[SEEN] == began + SEEN_EVERY_SECONDS


def test_shortest_idle_time_that_can_be_set_is_kept_alive_by_use(app: Flask, clock: Clock, signed_in: SignedIn) -> None:
    app.extensions[SETTINGS] = replace(app.extensions[SETTINGS], session_idle_seconds=60)
    browser = signed_in("staff_a")
    for _ in range(10):
        clock.now += 30
        assert is_signed_in(browser)
    clock.now += 60
    assert not is_signed_in(browser)
