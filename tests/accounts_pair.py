"""Accounts in a Supabase project with their local copy, as `app.py` makes them, in a folder of a test."""

from __future__ import annotations

from pathlib import Path

from fedlung.stores.audit import AuditLog
from fedlung.stores.fallback.outbox import Outbox
from fedlung.stores.fallback.user_copy import UserCopy
from fedlung.stores.fallback.users import FallbackUserStore
from fedlung.stores.supabase.connection import SupabaseConnection
from fedlung.stores.supabase.users import SupabaseUserStore

DAY_SECONDS = 24 * 3600.0


def accounts_pair(
    folder: Path, connection: SupabaseConnection, max_age_seconds: float = DAY_SECONDS, break_glass: str = ""
) -> FallbackUserStore:
    """Opening it a second time, when the first is not used any more, is what a restart does."""
    return FallbackUserStore(
        SupabaseUserStore(connection),
        UserCopy(folder / "users.json", connection.url),
        Outbox(folder / "users.outbox.json"),
        AuditLog(folder / "audit.jsonl"),
        max_age_seconds,
        break_glass,
    )
