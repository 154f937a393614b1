"""Clients at work in threads: who answered, who failed, who is still busy. Real threads, short waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from fedlung.errors import RefusedUpdate, Stopped
from fedlung.federation.client_threads import Answered, CameLate, ClientThreads, Failed, Progressed, in_words

LONG, SOON = 30.0, 0.1


def answers(value: Any) -> Callable[..., Any]:
    return lambda on_progress, should_stop: value


def waits_for(event: threading.Event, value: Any = None) -> Callable[..., Any]:
    """A client that does not look at ``should_stop``."""

    def task(on_progress: Callable[[float], None], should_stop: Callable[[], bool]) -> Any:
        assert event.wait(LONG)
        return value

    return task


def raises(error: BaseException) -> Callable[..., Any]:
    def task(on_progress: Callable[[float], None], should_stop: Callable[[], bool]) -> Any:
        raise error

    return task


def ended(threads: ClientThreads) -> None:
    """Wait until no client is at work."""
    threads.wait(LONG)


def test_everybody_answers() -> None:
    threads = ClientThreads(concurrent=2)
    messages = list(threads.ask("round 1", {name: answers(name.upper()) for name in "abcde"}, LONG))
    assert {message.client_id: message.answer for message in messages if isinstance(message, Answered)} == {
        name: name.upper() for name in "abcde"
    }
    assert len(messages) == 5


@pytest.mark.parametrize("concurrent", [1, 3])
def test_no_more_than_concurrent_work_at_a_time(concurrent: int) -> None:
    at_work, most = 0, 0
    lock = threading.Lock()

    def task(on_progress: Callable[[float], None], should_stop: Callable[[], bool]) -> None:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.02)
        with lock:
            at_work -= 1

    list(ClientThreads(concurrent).ask("round 1", dict.fromkeys("abcdef", task), LONG))
    assert most == concurrent


def test_prepare_is_called_in_the_thread_of_each_client() -> None:
    seen: list[str] = []
    threads = ClientThreads(2, prepare=lambda: seen.append(threading.current_thread().name))
    list(threads.ask("round 1", {name: answers(0) for name in "ab"}, LONG))
    assert sorted(seen) == ["a, round 1", "b, round 1"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("CUDA error: out of memory\nlong story"), "RuntimeError: CUDA error: out of memory"),
        (RefusedUpdate("delta lacks array w"), "delta lacks array w"),
        (MemoryError(), "MemoryError"),
        (SystemExit(3), "SystemExit: 3"),
        (KeyError("w"), "KeyError: 'w'"),
    ],
)
def test_what_a_client_raises_is_its_own_failure(error: BaseException, reason: str) -> None:
    assert in_words(error) == reason
    messages = list(ClientThreads(2).ask("round 1", {"a": raises(error), "b": answers(1)}, LONG))
    assert [message for message in messages if isinstance(message, Failed)] == [Failed("a", reason)]
    assert [message.client_id for message in messages if isinstance(message, Answered)] == ["b"]


def test_overdue_client_fails_is_busy_and_comes_back() -> None:
    threads, release = ClientThreads(concurrent=1), threading.Event()
    first = list(threads.ask("round 1", {"slow": waits_for(release, "old"), "quick": answers("new")}, SOON))
    assert first[0] == Failed("slow", "no answer within 0.1 s", late=True)
    assert isinstance(first[1], Answered)  # its slot was given on, although its thread still hangs

    assert list(threads.ask("round 2", {"slow": answers("new")}, LONG)) == [Failed("slow", "still busy with round 1")]

    release.set()
    ended(threads)
    third = list(threads.ask("round 3", {"slow": answers("new")}, LONG))
    assert third[0] == CameLate("slow", "round 1", "old")
    assert isinstance(third[1], Answered)
    assert third[1].answer == "new"


def test_late_failure_is_only_late() -> None:
    threads, release = ClientThreads(concurrent=1), threading.Event()

    def task(on_progress: Callable[[float], None], should_stop: Callable[[], bool]) -> None:
        assert release.wait(LONG)
        on_progress(0.5)  # nobody listens any more
        raise RuntimeError("broken")

    assert len(list(threads.ask("round 1", {"a": task}, SOON))) == 1
    release.set()
    ended(threads)
    assert list(threads.ask("round 2", {}, LONG)) == [CameLate("a", "round 1", None)]


def test_overdue_client_is_told_to_stop() -> None:
    told = threading.Event()

    def task(on_progress: Callable[[float], None], should_stop: Callable[[], bool]) -> None:
        while not should_stop():
            time.sleep(0.005)
        told.set()

    list(ClientThreads(1).ask("round 1", {"a": task}, SOON))
    assert told.wait(LONG)


def test_progress_is_heard_in_steps() -> None:
    def task(on_progress: Callable[[float], None], should_stop: Callable[[], bool]) -> str:
        for step in range(10_000):
            on_progress((step + 1) / 10_000)
        return "done"

    *progress, last = ClientThreads(1).ask("round 1", {"a": task}, LONG)
    assert isinstance(last, Answered)
    fractions = [message.fraction for message in progress if isinstance(message, Progressed)]
    assert len(fractions) == len(progress)
    assert 40 <= len(fractions) <= 50
    assert fractions == sorted(fractions)


def test_interrupt_from_another_thread_ends_the_wait_at_once() -> None:
    threads, release, cancelled = ClientThreads(2), threading.Event(), threading.Event()

    def task(on_progress: Callable[[float], None], should_stop: Callable[[], bool]) -> None:
        release.wait(LONG)
        if should_stop():
            cancelled.set()

    timer = threading.Timer(0.05, threads.interrupt)
    timer.start()
    started = time.monotonic()
    with pytest.raises(Stopped):
        list(threads.ask("round 1", {"a": task}, LONG))
    assert time.monotonic() - started < LONG / 2
    release.set()
    assert cancelled.wait(LONG)


def test_a_consumer_that_turns_away_cancels_the_work() -> None:
    cancelled = threading.Event()

    def task(on_progress: Callable[[float], None], should_stop: Callable[[], bool]) -> None:
        while not should_stop():
            time.sleep(0.005)
        cancelled.set()

    messages = ClientThreads(2).ask("round 1", {"a": answers(1), "b": task}, LONG)
    next(messages)
    messages.close()  # type: ignore[attr-defined]
    assert cancelled.wait(LONG)
