"""The background task of the accounts: it looks at Supabase every few seconds, and asks whether it is back."""

from __future__ import annotations

import logging
import threading
import time

from fedlung.errors import FedLungError, Misconfigured, StoreAway, UnreadableStore
from fedlung.stores.fallback.users import FallbackUserStore

logger = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 5.0
LOOK_AT_ALL_EVERY_SECONDS = 300.0  # what was removed there leaves no trace of when


class UserSync:
    """One thread; the only one that tries whether Supabase is back.

    ``on_sessions_ended`` hears the ids of people whose access was changed there, ``on_change`` that it went or came.
    """

    def __init__(self, users: FallbackUserStore) -> None:
        self.on_sessions_ended, self.on_change = users.on_sessions_ended, users.breaker.on_change
        self._users = users
        self._closed = threading.Event()
        self._looked_at_all = float("-inf")
        self._thread = threading.Thread(target=self._run, name="accounts", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        self._users.breaker.tripped.set()

    def step(self) -> None:
        """Do once what there is to do; what goes wrong is noted where pages find it."""
        breaker = self._users.breaker
        try:
            if breaker.is_up and time.monotonic() - self._looked_at_all < LOOK_AT_ALL_EVERY_SECONDS:
                self._users.look()
            else:
                self._users.try_again()
                self._looked_at_all = time.monotonic()
        except (StoreAway, Misconfigured) as error:
            breaker.failed(error)
            breaker.tried_in_vain()
        except UnreadableStore as error:  # the copy, which is made anew by looking at all
            logger.error("%s", error)
            self._looked_at_all = float("-inf")
        except (FedLungError, OSError) as error:
            logger.error("the accounts could not be compared with Supabase: %s", error)

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self.step()
            except Exception:
                logger.exception("the accounts could not be compared with Supabase")
            self._pause()

    def _pause(self) -> None:
        breaker = self._users.breaker
        if breaker.is_up:
            breaker.tripped.wait(LOOK_EVERY_SECONDS)  # until it goes away, if it does
        if not breaker.is_up:
            self._closed.wait(breaker.pause_seconds())
