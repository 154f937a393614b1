"""Accounts in a real Supabase project with their copy here, three people whose password is known, and its faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import pytest

from fedlung.accounts.accounts import Accounts
from fedlung.accounts.passwords import PasswordHasher
from fedlung.accounts.throttle import SignInThrottle
from fedlung.stores.audit import AuditLog
from fedlung.stores.fallback import users
from fedlung.stores.fallback.sync import UserSync
from fedlung.stores.fallback.users import FallbackUserStore
from fedlung.stores.supabase import connection
from fedlung.stores.supabase.connection import SupabaseConnection
from fedlung.stores.supabase.users import SupabaseUserStore
from fedlung.stores.users import ADMIN, CLINICIAN, STAFF, User, new_user
from tests.accounts_pair import DAY_SECONDS, accounts_pair
from tests.supabase_stack import SupabaseStack
from tests.web.browsers import wait_until

PASSWORD = "a canary sings"
SLOW_SECONDS = 2.0
PATIENCE_SECONDS = 20.0

# Everything that can keep Supabase from answering in time.
FAULTS: Mapping[str, Callable[[SupabaseStack], None]] = {
    "nothing listens": lambda supa: supa.close_gateway(),
    "hangs": lambda supa: supa.fault.set("hang"),
    "resets": lambda supa: supa.fault.set("reset"),
    "503": lambda supa: supa.fault.set("status"),
    "page instead of JSON": lambda supa: supa.fault.set("html502"),
    "slow": lambda supa: supa.fault.set("slow", delay_seconds=SLOW_SECONDS),
    "answers get lost": lambda supa: supa.fault.set("drop_after"),
    "database killed": lambda supa: supa.kill_database(),
    "PostgREST killed": lambda supa: supa.kill_rest(),
    "PostgREST frozen": lambda supa: supa.freeze_rest(),
}


def be_patient(patch: pytest.MonkeyPatch) -> None:
    """For tests that are not about time: a busy machine is no outage."""
    patch.setattr(users, "PATIENCE_SECONDS", PATIENCE_SECONDS)
    patch.setattr(connection, "READ_SECONDS", PATIENCE_SECONDS)
    patch.setattr(connection, "CONNECT_SECONDS", PATIENCE_SECONDS)


@cache
def hashed_password(cost: int) -> str:
    return PasswordHasher(cost).hash(PASSWORD)


class SupabaseWorld:
    """One server's accounts: an administrator, one of the staff and a clinician. Nothing runs in the background."""

    def __init__(
        self,
        folder: Path,
        supa: SupabaseStack,
        *,
        cost: int = 4,
        max_age_seconds: float = DAY_SECONDS,
        break_glass: str = "",
    ) -> None:
        self.folder, self.supa, self._cost = folder, supa, cost
        self._options = (max_age_seconds, break_glass)
        self.connection = SupabaseConnection(supa.url, supa.secret_key)
        self.home = SupabaseUserStore(self.connection)
        self.ended: list[str] = []
        self.restart()
        self.users.look_at_all()
        self.people = {
            name: self.users.add(new_user(name, f"Name of {name}", hashed_password(cost), role, hospital_id))
            for name, role, hospital_id in (
                ("admin", ADMIN, None),
                ("staff_a", STAFF, "hospital_a"),
                ("clinician_a", CLINICIAN, "hospital_a"),
            )
        }

    def restart(self) -> None:
        """Forget everything that is in memory."""
        self.users: FallbackUserStore = accounts_pair(self.folder, self.connection, *self._options)
        self.users.on_sessions_ended.append(self.ended.append)
        self.sync = UserSync(self.users)
        self.audit = AuditLog(self.folder / "audit.jsonl")
        self.accounts = Accounts(self.users, self.audit, PasswordHasher(self._cost), SignInThrottle(clock=lambda: 0.0))

    def sign_in(self, username: str, password: str = PASSWORD) -> User:
        return self.accounts.authenticate(username, password, "127.0.0.1")

    def here(self, username: str) -> User:
        """The account as every request sees it."""
        found = self.users.by_id(self.people[username].id)
        assert found is not None
        return found

    def there(self, username: str) -> User:
        """The account as Supabase has it."""
        found = self.home.by_id(self.people[username].id)
        assert found is not None
        return found

    def edits_there(self, username: str, assignment: str) -> None:
        """As somebody does in Supabase's own table editor."""
        self.supa.sql(f"update users set {assignment} where username = '{username}'")

    def comes_back(self) -> None:
        """Supabase is well again, and the accounts have noticed: perhaps not at once on a busy machine."""
        self.supa.heal()
        wait_until(self._is_up, "Supabase is found to be back")

    def _is_up(self) -> bool:
        self.sync.step()
        return self.users.breaker.is_up

    def close(self) -> None:
        self.connection.close()
