"""Who is looking at the pages right now: every open tab has one socket, and a person may have several."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fedlung.stores.users import User


@dataclass(frozen=True)
class Tab:
    """One socket: the person, and the session that it was opened with."""

    user: User
    session: Mapping[str, Any]


class Presence:
    """Open sockets by their ids; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tabs: dict[str, Tab] = {}

    def add(self, sid: str, user: User, session: Mapping[str, Any]) -> None:
        with self._lock:
            self._tabs[sid] = Tab(user, dict(session))

    def remove(self, sid: str) -> bool:
        """Whether it was there."""
        with self._lock:
            return self._tabs.pop(sid, None) is not None

    def tabs(self) -> dict[str, Tab]:
        with self._lock:
            return dict(self._tabs)

    def online(self) -> list[dict[str, Any]]:
        """One entry per person, sorted by user name, with the number of open tabs."""
        people: dict[str, list[User]] = {}
        for tab in self.tabs().values():
            people.setdefault(tab.user.id, []).append(tab.user)
        online = [
            {
                "username": users[-1].username,
                "display_name": users[-1].display_name,
                "role": users[-1].role,
                "hospital": users[-1].hospital_id,
                "tabs": len(users),
            }
            for users in people.values()
        ]
        return sorted(online, key=lambda person: str(person["username"]))
