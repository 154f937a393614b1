"""Secrets on their way to one person's next page: shown once, never in a cookie or an address."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

KEPT_SECONDS = 300.0
MOST_KEPT = 100


class ShownOnce:
    """Keeps secrets in memory for those who were given a ticket; safe for many threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], tuple[float, tuple[str, str]]] = OrderedDict()

    def keep(self, owner_id: str, secret: tuple[str, str]) -> str:
        """A ticket with which ``owner_id`` gets the secret, once and soon."""
        ticket = secrets.token_urlsafe(8)
        with self._lock:
            self._kept[owner_id, ticket] = self._clock() + KEPT_SECONDS, secret
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return ticket

    def take(self, owner_id: str, ticket: str) -> tuple[str, str] | None:
        with self._lock:
            until, secret = self._kept.pop((owner_id, ticket), (0.0, None))
        return secret if self._clock() < until else None
