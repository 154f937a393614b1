"""Who did what, into the audit."""

from __future__ import annotations

from typing import Any

from fedlung.stores.audit import Action
from fedlung.web.services import services
from fedlung.web.sessions import signed_in_user


def note_deed(deed: Action, target: str, **details: Any) -> None:
    """By the person who asks, for that person's hospital."""
    user = signed_in_user()
    services().audit.append(user.username, deed, target, details, user.hospital_id or "")
