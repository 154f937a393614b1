"""How quickly uploads may come, all of them together.

Receiving is Python's work, byte for byte: twenty lines that send as fast as they can would take every turn of the
interpreter, and pages would wait for seconds. The limit is above what a hospital's line carries.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

BYTES_PER_SECOND = 50_000_000
BURST_SECONDS = 0.02


class Pace:
    """Says how long whoever has received something should rest; ``clock`` gives seconds."""

    def __init__(self, bytes_per_second: float = BYTES_PER_SECOND, clock: Callable[[], float] = time.monotonic) -> None:
        self._bytes_per_second = bytes_per_second
        self._clock = clock
        self._lock = threading.Lock()
        self._free_at = 0.0  # when everything so far would have come at the allowed pace

    def rest(self, num_bytes: int) -> float:
        """Seconds to wait after these bytes; 0 while there was a pause before them."""
        with self._lock:
            now = self._clock()
            self._free_at = max(now - BURST_SECONDS, self._free_at) + num_bytes / self._bytes_per_second
            return max(0.0, self._free_at - now)
