"""Guessing gets slower, for the guesser only, and never for ever."""

from __future__ import annotations

import threading

import pytest

from fedlung.accounts.throttle import FORGOTTEN_AFTER_SECONDS, PER_ACCOUNT, PER_ADDRESS, SignInThrottle
from fedlung.errors import TooManyTries

HERE, ELSEWHERE = "192.0.2.1", "198.51.100.7"


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def throttle(clock: Clock) -> SignInThrottle:
    return SignInThrottle(clock)


def wait_of(throttle: SignInThrottle, account: str, address: str) -> float:
    """Seconds that the next try has to wait; the try is counted when it is none."""
    try:
        throttle.admit(account, address)
    except TooManyTries as error:
        return error.retry_after_seconds
    return 0.0


def test_first_failures_are_free_then_each_waits_twice_as_long(throttle: SignInThrottle, clock: Clock) -> None:
    for _ in range(PER_ACCOUNT.free):
        throttle.admit("admin", HERE)
    waits = []
    for _ in range(12):
        waits.append(wait_of(throttle, "admin", HERE))
        clock.now += waits[-1]
        throttle.admit("admin", HERE)
    assert waits == [min(2.0**n, PER_ACCOUNT.longest_seconds) for n in range(12)]


def test_tries_while_waiting_do_not_lengthen_the_wait(throttle: SignInThrottle, clock: Clock) -> None:
    for _ in range(PER_ACCOUNT.free):
        throttle.admit("admin", HERE)
    for _ in range(100):
        assert wait_of(throttle, "admin", HERE) == 1.0
    clock.now += 1.0
    assert wait_of(throttle, "admin", HERE) == 0.0


def test_admin_comes_in_from_elsewhere_while_under_attack(throttle: SignInThrottle) -> None:
    for _ in range(200):
        wait_of(throttle, "admin", HERE)
    assert wait_of(throttle, "admin", ELSEWHERE) == 0.0


def test_nobody_is_locked_out_for_ever(throttle: SignInThrottle, clock: Clock) -> None:
    """A week of attack from the very address of the administrator."""
    for _ in range(2000):
        while wait := wait_of(throttle, "admin", HERE):
            clock.now += wait
    assert wait_of(throttle, "admin", HERE) == PER_ACCOUNT.longest_seconds
    clock.now += PER_ACCOUNT.longest_seconds
    throttle.admit("admin", HERE)
    throttle.succeeded("admin", HERE)
    assert wait_of(throttle, "admin", HERE) <= PER_ADDRESS.longest_seconds


def test_success_clears_the_account_at_this_address(throttle: SignInThrottle) -> None:
    for _ in range(3):
        for _ in range(PER_ACCOUNT.free - 1):
            throttle.admit("admin", HERE)
        throttle.admit("admin", HERE)
        throttle.succeeded("admin", HERE)
    assert wait_of(throttle, "admin", HERE) == 0.0


def test_own_account_does_not_wash_the_address_clean(throttle: SignInThrottle, clock: Clock) -> None:
    """An attacker who signs in to an own account between guesses at others is slowed down all the same."""
    guesses = 0
    for number in range(3 * PER_ADDRESS.free):
        if wait_of(throttle, f"victim{number}", HERE) > 0:
            break
        guesses += 1
        if wait_of(throttle, "attacker", HERE) == 0.0:
            throttle.succeeded("attacker", HERE)
    assert guesses == PER_ADDRESS.free


def test_a_hospital_behind_one_address_signs_in_freely(throttle: SignInThrottle) -> None:
    for number in range(200):
        throttle.admit(f"person{number}", HERE)
        throttle.succeeded(f"person{number}", HERE)


def test_known_browser_is_not_held_up_by_guesses_from_its_own_address(throttle: SignInThrottle) -> None:
    for number in range(200):
        wait_of(throttle, "admin", HERE)
        wait_of(throttle, f"person{number}", HERE)
    assert wait_of(throttle, "admin", HERE) > 0
    for _ in range(3):
        throttle.admit("admin", HERE, "browser")
        throttle.succeeded("admin", HERE, "browser")
    assert wait_of(throttle, "admin", HERE) > 0


def test_known_browser_is_slowed_down_by_its_own_guesses_wherever_it_is(throttle: SignInThrottle) -> None:
    for number in range(PER_ACCOUNT.free):
        throttle.admit("admin", f"10.0.0.{number}", "browser")
    with pytest.raises(TooManyTries):
        throttle.admit("admin", ELSEWHERE, "browser")
    throttle.admit("admin", ELSEWHERE, "another browser")


def test_one_password_on_many_accounts_is_slowed_down(throttle: SignInThrottle) -> None:
    waits = [wait_of(throttle, f"person{number}", HERE) for number in range(PER_ADDRESS.free + 1)]
    assert waits == [0.0] * PER_ADDRESS.free + [1.0]


def test_a_quiet_hour_is_forgiven(throttle: SignInThrottle, clock: Clock) -> None:
    for _ in range(PER_ACCOUNT.free):
        throttle.admit("admin", HERE)
    clock.now += FORGOTTEN_AFTER_SECONDS + 1
    for _ in range(PER_ACCOUNT.free):
        throttle.admit("admin", HERE)


def test_tries_at_the_same_moment_all_count(throttle: SignInThrottle) -> None:
    start, admitted = threading.Barrier(50), []

    def guess() -> None:
        start.wait()
        if wait_of(throttle, "admin", HERE) == 0.0:
            admitted.append(1)

    threads = [threading.Thread(target=guess) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(admitted) == PER_ACCOUNT.free


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "no address", False),
    ],
)
def test_what_one_person_can_change_is_one_address(throttle: SignInThrottle, one: str, other: str, same: bool) -> None:
    for _ in range(PER_ACCOUNT.free):
        throttle.admit("admin", one)
    assert (wait_of(throttle, "admin", other) > 0) is same


def test_memory_is_bounded_and_keeps_the_latest(clock: Clock) -> None:
    throttle = SignInThrottle(clock, most_remembered=100)
    for _ in range(PER_ACCOUNT.free):
        throttle.admit("admin", HERE)
    for number in range(40):
        throttle.admit(f"name{number}", f"10.0.0.{number}")
    assert wait_of(throttle, "admin", HERE) > 0
    for number in range(1000):
        throttle.admit(f"name{number}", f"10.1.{number // 250}.{number % 250}")
    assert len(throttle._tries) == 100
    assert wait_of(throttle, "admin", HERE) == 0.0
