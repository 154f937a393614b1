"""An answer in time, or none: a network's own time-outs count every silence anew, a person's patience does not."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TypeVar

from fedlung.errors import StoreAway

Answer = TypeVar("Answer")


def answered_within(seconds: float, ask: Callable[[], Answer]) -> Answer:
    """What ``ask`` answers or raises. When it takes longer, it goes on in its thread, and nobody hears of it.

    Raises:
        StoreAway: no answer in time.
    """
    outcomes: queue.SimpleQueue[tuple[list[Answer], Exception | None]] = queue.SimpleQueue()

    def work() -> None:
        try:
            outcomes.put(([ask()], None))
        except Exception as error:  # raised again below, in the thread that waits
            outcomes.put(([], error))

    threading.Thread(target=work, name="question with a deadline", daemon=True).start()
    try:
        answers, error = outcomes.get(timeout=seconds)
    except queue.Empty:
        raise StoreAway(f"there was no answer within {seconds:g} s") from None
    if error is not None:
        raise error
    return answers[0]
