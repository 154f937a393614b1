"""Several people who do something at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable

LONG_SECONDS = 60.0


def run_together(work: Callable[[int], None], count: int) -> None:
    """``work(0)`` to ``work(count - 1)`` in threads that begin together; returns when all have ended."""
    together = threading.Barrier(count)

    def begin(number: int) -> None:
        together.wait(LONG_SECONDS)
        work(number)

    threads = [threading.Thread(target=begin, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG_SECONDS)
    assert not any(thread.is_alive() for thread in threads)
