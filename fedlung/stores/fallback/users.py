"""Accounts in Supabase, and the local copy in front of it and in its place.

- Every request asks the copy, which is in memory; signing in asks Supabase, and the copy when there is no answer.
- A write goes to Supabase, then into the copy. While Supabase is away it goes into the outbox, then into the copy.
- What Supabase refuses for good reasons (a key, a missing table) is no outage: nothing is written anywhere.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from fedlung.errors import Conflict, FedLungError, Misconfigured, StoreAway
from fedlung.stores.audit import Action, AuditLog
from fedlung.stores.clock import utc_now
from fedlung.stores.fallback import replay
from fedlung.stores.fallback.breaker import Breaker, Health, State
from fedlung.stores.fallback.deadline import answered_within
from fedlung.stores.fallback.outbox import Change, Outbox
from fedlung.stores.fallback.user_copy import Decision, UserCopy
from fedlung.stores.supabase.users import Snapshot, SupabaseUserStore
from fedlung.stores.users import ADMIN, User

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 0.6  # of somebody who signs in; comparing the password takes a quarter of a second more
OVERLAP = timedelta(seconds=60)  # a change becomes visible when it is committed, later than the time that it carries
BY = "supabase"  # who did it, for the audit


@dataclass(frozen=True)
class Standing:
    """What people should know about the accounts."""

    health: Health
    copy_age_seconds: float
    copy_is_too_old: bool
    break_glass: str
    waiting: int
    decisions: tuple[Decision, ...]


class FallbackUserStore:
    """See `fedlung.stores.users.UserStore`. `fedlung.stores.fallback.sync.UserSync` keeps it going.

    ``break_glass``: user name of the administrator who may come in with a copy older than ``max_age_seconds``; empty
    for the oldest account of an active administrator.
    """

    def __init__(
        self,
        home: SupabaseUserStore,
        copy: UserCopy,
        outbox: Outbox,
        audit: AuditLog,
        max_age_seconds: float,
        break_glass: str = "",
    ) -> None:
        self.on_sessions_ended: list[Callable[[str], None]] = []
        self.breaker = Breaker()
        self._home, self._copy, self._outbox, self._audit = home, copy, outbox, audit
        self._max_age_seconds, self._break_glass = max_age_seconds, break_glass
        self._lock = threading.Lock()  # of the copy together with the outbox; never held while Supabase is asked
        self._writes = 0  # into the copy, other than by looking at Supabase
        self._seen_until: datetime | None = None  # the newest change that was seen in Supabase
        self._redo()

    @property
    def has_copy(self) -> bool:
        """Whether there is a copy to go on with; an empty one may be a file that somebody removed."""
        return self._copy.is_complete and bool(self.all())

    # --- reading ---------------------------------------------------------------------------------------------

    def all(self) -> list[User]:
        return self._copy.accounts.all()

    def by_id(self, user_id: str) -> User | None:
        return self._copy.accounts.by_id(user_id)

    def by_username(self, username: str) -> User | None:
        """Asks Supabase first: who was shut out there must not sign in here."""
        if self.breaker.is_up:
            try:
                found = answered_within(PATIENCE_SECONDS, lambda: self._home.by_username(username))
            except (StoreAway, Misconfigured) as error:
                self.breaker.failed(error)
            else:
                self._take_in(found)
                return found
        return self._copy.accounts.by_username(username)

    def refusal(self, user: User, signing_in: bool) -> str:
        health = self.breaker.health
        if health.state is State.UP and signing_in:
            return ""  # Supabase was asked a moment ago
        if self._is_too_old() and user.username != self._break_glass_name():
            return "the copy of the accounts is too old"
        if health.state is State.MISCONFIGURED and signing_in and user.role != ADMIN:
            return "Supabase refuses this server"
        return ""

    def standing(self) -> Standing:
        return Standing(
            self.breaker.health,
            self._copy.age_seconds(),
            self._is_too_old(),
            self._break_glass_name(),
            len(self._outbox.changes()),
            tuple(self._copy.decisions),
        )

    # --- writing ---------------------------------------------------------------------------------------------

    def add(self, user: User) -> User:
        """Raises Misconfigured besides what every store raises."""
        return self._written(lambda: self._home.add(user), lambda: self._addition(user))

    def replace(self, user: User) -> User:
        """Raises Misconfigured besides what every store raises."""
        try:
            return self._written(lambda: self._home.replace(user), lambda: self._replacement(user))
        except Conflict:
            self._look_again(user.id)  # the next try is made from what is there now
            raise

    def _written(self, at_home: Callable[[], User], here: Callable[[], Change]) -> User:
        while True:
            if self.breaker.is_up:
                try:
                    user = at_home()
                except (StoreAway, Misconfigured) as error:
                    self.breaker.failed(error)
                else:
                    self._put(user)
                    return user
            with self._lock:
                health = self.breaker.health
                if health.state is State.MISCONFIGURED:
                    raise Misconfigured(health.reason)
                if health.state is State.AWAY:
                    return self._write_here(here())

    def _write_here(self, change: Change) -> User:
        self._outbox.append(change)
        try:
            self._copy.put([change.after])
        except OSError:  # nobody is told yes, so it must not be sent either
            self._outbox.drop([change])
            raise
        self._writes += 1
        return change.after

    def _addition(self, user: User) -> Change:
        self._copy.accounts.check_addition(user)
        return Change(None, user)

    def _replacement(self, user: User) -> Change:
        after = self._copy.accounts.replacement(user)
        return Change(self._copy.accounts.by_id(user.id), after)

    def _put(self, user: User) -> None:
        with self._lock:
            self._writes += 1
            self._copy.put([user])

    # --- the copy and its home -------------------------------------------------------------------------------

    def look(self) -> None:
        """Take in what was changed in Supabase since the last look.

        Raises:
            StoreAway, Misconfigured: it could not be asked.
        """
        if self._seen_until is None:
            self.look_at_all()
            return
        found = self._home.changed_since(self._seen_until - OVERLAP)
        with self._lock:
            if not self.breaker.is_up:  # somebody writes here by now
                return
            ended = self._copy.put(found.users)
            self._saw(found)
        self._tell(ended)

    def look_at_all(self) -> None:
        """Make the copy like Supabase, after everything that waits was sent there.

        Raises:
            StoreAway, Misconfigured: it could not be asked.
        """
        while True:
            replay.send(self._outbox, self._home, self._decided)
            writes = self._writes
            found = self._home.changed_since(None)
            with self._lock:
                if writes != self._writes or self._outbox.changes():
                    continue  # what was read may be older than what was written
                self._check_not_emptied(found.users)
                ended = self._copy.become(found.users)
                self._saw(found)
                self.breaker.succeeded()
            self._tell(ended)
            return

    def try_again(self) -> None:
        """Whether Supabase is back, and answers in the time that somebody who signs in would wait.

        Raises:
            StoreAway, Misconfigured: no.
        """
        answered_within(PATIENCE_SECONDS, self._home.probe)
        self.look_at_all()

    def _saw(self, found: Snapshot) -> None:
        self._seen_until = found.newest or self._seen_until
        self._copy.is_like_home()

    def _check_not_emptied(self, users: list[User]) -> None:
        if not users and self.has_copy:
            raise Misconfigured(
                "Supabase shows no accounts at all, though there were some: use the secret key (sb_secret_...), not a"
                " publishable one; `flask --app app supabase check` says what is missing"
            )

    def _look_again(self, user_id: str) -> None:
        try:
            if self.breaker.is_up:
                self._take_in(self._home.by_id(user_id))
        except (StoreAway, Misconfigured) as error:
            self.breaker.failed(error)

    def _take_in(self, user: User | None) -> None:
        if user is None:
            return
        try:
            with self._lock:
                ended = self._copy.put([user])
        except (FedLungError, OSError) as error:
            logger.error("%s could not be copied: %s", user.username, error)
        else:
            self._tell(ended)

    def _redo(self) -> None:
        """What was put into the outbox and, killed a moment later, not into the copy."""
        changes = self._outbox.changes()
        if changes:
            self._copy.put([change.after for change in changes])
            self.breaker.failed(StoreAway(f"{len(changes)} changes wait to be sent"))

    def _decided(self, username: str, decided: Mapping[str, str]) -> None:
        self._audit.append(BY, Action.ACCOUNT_MERGED, username, decided)
        self._copy.note_decision(Decision(utc_now(), username, dict(decided)))

    def _tell(self, ended: list[str]) -> None:
        for user_id in ended:
            for listener in self.on_sessions_ended:
                listener(user_id)

    def _is_too_old(self) -> bool:
        return self._copy.age_seconds() > self._max_age_seconds

    def _break_glass_name(self) -> str:
        if self._break_glass:
            return self._break_glass
        admins = [user for user in self.all() if user.role == ADMIN and user.is_active]
        return min(admins, key=lambda user: user.created_at).username if admins else ""
