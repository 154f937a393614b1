"""The accounts as the settings say: in ``users.json``, or in Supabase with ``users.json`` as their copy."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fedlung.errors import BadSettings, Misconfigured, StoreAway
from fedlung.settings import Settings
from fedlung.stores.audit import AuditLog
from fedlung.stores.fallback.outbox import Outbox
from fedlung.stores.fallback.user_copy import UserCopy, check_is_home
from fedlung.stores.fallback.users import FallbackUserStore
from fedlung.stores.json_users import JsonUserStore
from fedlung.stores.supabase.users import SupabaseUserStore
from fedlung.stores.users import normal_username

if TYPE_CHECKING:
    from fedlung.stores.supabase.connection import SupabaseConnection

logger = logging.getLogger(__name__)


def connection(settings: Settings) -> SupabaseConnection | None:
    """The one connection of this process, if there is a project to connect to; asks nobody yet."""
    if settings.supabase_url is None:
        return None
    # Here and not above: the official client takes half a second to import.
    from fedlung.stores.supabase.connection import SupabaseConnection

    return SupabaseConnection(settings.supabase_url, settings.supabase_secret_key or "")


@contextmanager
def connected(settings: Settings) -> Iterator[SupabaseConnection | None]:
    """The connection for as long as it is needed: two processes must not share one."""
    made = connection(settings)
    try:
        yield made
    finally:
        if made:
            made.close()


def open_users(
    settings: Settings, audit: AuditLog, supabase: SupabaseConnection | None
) -> JsonUserStore | FallbackUserStore:
    """Open the store; asks nobody yet.

    Raises:
        BadSettings: ``users.json`` is something else than the settings say.
        UnreadableStore: what the copy is of, or what waits to be sent, cannot be read.
    """
    if supabase is None:
        check_is_home(settings.users_file)
        return JsonUserStore(settings.users_file)
    return FallbackUserStore(
        SupabaseUserStore(supabase),
        UserCopy(settings.users_file, supabase.url),
        Outbox(settings.users_file.with_name(f"{settings.users_file.stem}.outbox.json")),
        audit,
        settings.supabase_copy_max_age_hours * 3600.0,
        _break_glass(settings),
    )


def bring_up_to_date(users: FallbackUserStore) -> None:
    """At a start: make the copy like Supabase, or go on with the one of before.

    Raises:
        StoreAway, Misconfigured: there is no copy to go on with.
    """
    try:
        users.look_at_all()
    except (StoreAway, Misconfigured) as error:
        if not users.has_copy:
            raise
        users.breaker.failed(error)
        logger.warning("this start goes on with the copy of the accounts: %s", error)


def _break_glass(settings: Settings) -> str:
    try:
        return normal_username(settings.break_glass) if settings.break_glass else ""
    except ValueError as error:
        raise BadSettings(f"FEDLUNG_BREAK_GLASS: {error}") from None
