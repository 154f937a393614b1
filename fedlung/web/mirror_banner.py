"""What administrators should know when records cannot be copied to Supabase until somebody mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask_babel import gettext

from fedlung.stores.users import ADMIN

if TYPE_CHECKING:
    from fedlung.stores.supabase.mirror import Mirror


def mirror_banners(mirror: Mirror | None, role: str) -> list[dict[str, str]]:
    """None while Supabase is only away: what waits is sent when it is back."""
    if mirror is None or role != ADMIN or not mirror.status.is_misconfigured:
        return []
    text = gettext(
        "History, models and audit are kept here, but not copied to Supabase, which refuses them. Reason: %(reason)s",
        reason=mirror.status.problem,
    )
    return [{"level": "warning", "text": text}]
