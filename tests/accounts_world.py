"""A small world of accounts for tests: a real store, a real audit, cheap hashes, and two people."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fedlung.accounts.accounts import Accounts
from fedlung.accounts.passwords import PasswordHasher
from fedlung.accounts.throttle import SignInThrottle
from fedlung.errors import InvalidInput
from fedlung.stores.audit import AuditLog
from fedlung.stores.json_users import JsonUserStore
from fedlung.stores.users import ADMIN, STAFF, User

PASSWORD = "a canary sings"


class World:
    """Accounts of one administrator and one of the staff, whose password is known."""

    def __init__(self, folder: Path) -> None:
        self.users = JsonUserStore(folder / "users.json")
        self.audit = AuditLog(folder / "audit.jsonl")
        self.accounts = Accounts(self.users, self.audit, PasswordHasher(cost=4), SignInThrottle())
        self.ended: list[str] = []
        self.accounts.on_sessions_ended.append(self.ended.append)
        self.admin, _ = self.accounts.create_user("test", "admin", "Administrator", ADMIN, None, PASSWORD)
        self.staff, _ = self.accounts.create_user("test", "staff_a", "Staff A", STAFF, "hospital_a", PASSWORD)

    def stored(self, user: User) -> User:
        return self.accounts.find(user.id)

    def last_deed(self) -> tuple[str, str, str, dict[str, Any]]:
        entry = self.audit.page(count=1)[0]
        return entry["actor"], entry["action"], entry["target"], entry["details"]

    def update(self, user: User, **changes: Any) -> User:
        asked = {"display_name": user.display_name, "role": user.role, "hospital_id": user.hospital_id}
        version = changes.pop("version", user.version)
        return self.accounts.update_user("admin", user.id, version, **{**asked, "is_active": user.is_active, **changes})


def fields_of(action: Callable[[], object]) -> dict[str, str]:
    with pytest.raises(InvalidInput) as error:
        action()
    return error.value.fields
