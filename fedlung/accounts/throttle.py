"""Guessing passwords gets slower with every failure, for the guesser only.

Failures are counted for an account *as tried from one address*, and for an address over all accounts. So a stranger
can neither lock the administrator out, who comes from elsewhere, nor try one password on every account. A browser in
which the person signed in before is counted on its own: guesses from behind the same proxy do not hold it up
(https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies). Nothing is locked for ever:
the delays have an upper end, and are forgotten after a quiet hour and at a restart.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from fedlung.errors import TooManyTries

FORGOTTEN_AFTER_SECONDS = 3600.0
MOST_REMEMBERED = 10_000


@dataclass(frozen=True)
class Pace:
    """``free`` tries at any speed, then a delay of 1, 2, 4, ... seconds up to ``longest_seconds``."""

    free: int
    longest_seconds: float

    def delay_seconds(self, tries: int) -> float:
        """Time to wait after this many tries without success."""
        # 2^30 is beyond any upper end; a float has no 2^2000.
        return 0.0 if tries < self.free else min(2.0 ** min(tries - self.free, 30), self.longest_seconds)


PER_ACCOUNT = Pace(free=5, longest_seconds=300.0)
PER_ADDRESS = Pace(free=20, longest_seconds=60.0)  # a whole hospital may come from one address


@dataclass
class _Tries:
    count: int = 0
    last: float = 0.0
    blocked_until: float = 0.0


class SignInThrottle:
    """Counts tries; safe for many threads. ``clock`` never goes back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, most_remembered: int = MOST_REMEMBERED) -> None:
        self._clock = clock
        self._most_remembered = most_remembered
        self._lock = threading.Lock()
        self._tries: OrderedDict[tuple[str, ...], _Tries] = OrderedDict()

    def admit(self, account: str, address: str, device: str = "") -> None:
        """Count a try before it is made, so that fifty at the same moment are fifty and not one.

        ``device`` names a browser that is known to be this person's; its address does not count then.

        Raises:
            TooManyTries: wait first; such a try is not counted, and must not be made.
        """
        now = self._clock()
        with self._lock:
            paces = _paces(account, address, device)
            tries = {key: self._remembered(key, now) for key in paces}
            wait = max(each.blocked_until for each in tries.values()) - now
            if wait > 0:
                raise TooManyTries("too many failed tries", retry_after_seconds=wait)
            for key, each in tries.items():
                each.count, each.last = each.count + 1, now
                each.blocked_until = now + paces[key].delay_seconds(each.count)

    def succeeded(self, account: str, address: str, device: str = "") -> None:
        """Take back an admitted try: the account starts afresh, the address only loses this one from its count."""
        with self._lock:
            for key, pace in _paces(account, address, device).items():
                tries = self._tries.get(key)
                if tries is not None:
                    tries.count = tries.count - 1 if pace is PER_ADDRESS else 0
                    if tries.count < pace.free:
                        tries.blocked_until = 0.0

    def _remembered(self, key: tuple[str, ...], now: float) -> _Tries:
        tries = self._tries.pop(key, None)
        if tries is None or now - tries.last > FORGOTTEN_AFTER_SECONDS:
            tries = _Tries()
        self._tries[key] = tries  # at the end: the one at the beginning was not used for longest
        while len(self._tries) > self._most_remembered:
            self._tries.popitem(last=False)
        return tries


def _paces(account: str, address: str, device: str) -> dict[tuple[str, ...], Pace]:
    """What this try is counted for, and how fast it may go there."""
    if device:
        return {("device", device, account): PER_ACCOUNT}
    network = _network(address)
    return {("address", network, account): PER_ACCOUNT, ("address", network): PER_ADDRESS}


def _network(address: str) -> str:
    """What one person can change at will counts as one address: the lower half of an IPv6 address."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, IPv6Address):
        return str(ip.ipv4_mapped or ip_network((int(ip) >> 64 << 64, 64)))
    return str(ip)
