"""What people should know when the accounts are not in their home: banners of every page and of the sign-in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from flask_babel import format_timedelta, gettext, ngettext

from fedlung.stores.fallback.breaker import State
from fedlung.stores.fallback.sync import UserSync
from fedlung.stores.fallback.user_copy import Decision
from fedlung.stores.fallback.users import FallbackUserStore, Standing
from fedlung.stores.users import ADMIN
from fedlung.web.live.hub import Hub
from fedlung.web.live.streams import Everyone

DECISIONS_SHOWN_FOR = timedelta(hours=24)
CHANGED = {"run_id": "", "about": "accounts"}  # a notice that is of no run


def tell_pages(sync: UserSync, hub: Hub) -> None:
    """Let every open page fetch its banners again when the home of the accounts goes or comes."""
    sync.on_change.append(lambda: hub.publish("notice", CHANGED, Everyone()))


def store_banners(users: Any, role: str) -> list[dict[str, str]]:
    """Banners for people of ``role``, empty for whom nobody has signed in yet; none when all is as it should be."""
    if not isinstance(users, FallbackUserStore):
        return []
    standing = users.standing()
    found = []
    if standing.health.state is State.AWAY:
        found.append({"level": "warning", "text": " ".join(_away(standing, role))})
    elif standing.health.state is State.MISCONFIGURED:
        found.append({"level": "error", "text": _misconfigured(standing, role)})
    decided = [decision for decision in standing.decisions if _is_news(decision)]
    if decided and role == ADMIN:
        found.append({"level": "warning", "text": _decided(decided)})
    return found


def _away(standing: Standing, role: str) -> Iterator[str]:
    if standing.copy_is_too_old:
        yield gettext(
            "The database of accounts does not answer, and the copy here is too old to go by: until it is back, only"
            " one administrator can sign in."
        )
    else:
        yield gettext(
            "The database of accounts does not answer. This server goes on with its copy, which is %(age)s old.",
            age=format_timedelta(timedelta(seconds=standing.copy_age_seconds), threshold=1.2),
        )
    if role != ADMIN:
        return
    if standing.copy_is_too_old:
        yield gettext("That administrator is %(username)s.", username=standing.break_glass)
    if standing.waiting:
        yield ngettext(
            "%(num)d change of accounts waits to be sent there.",
            "%(num)d changes of accounts wait to be sent there.",
            standing.waiting,
        )
    yield gettext("Reason: %(reason)s", reason=standing.health.reason)


def _misconfigured(standing: Standing, role: str) -> str:
    if role == ADMIN:
        sentence: str = gettext(
            "The database of accounts refuses this server, so accounts cannot be changed, and only administrators can"
            " sign in. Reason: %(reason)s",
            reason=standing.health.reason,
        )
        return sentence
    sentence = gettext(
        "The database of accounts refuses this server. Until an administrator has mended that, nobody else can sign in."
    )
    return sentence


def _decided(decisions: list[Decision]) -> str:
    names = ", ".join(sorted({decision.username for decision in decisions}))
    sentence: str = gettext(
        "While the database of accounts was away, these accounts were changed both here and there, and not all that was"
        " changed here is kept: %(names)s. The audit says what was decided.",
        names=names,
    )
    return sentence


def _is_news(decision: Decision) -> bool:
    return datetime.now(UTC) - datetime.fromisoformat(decision.time) < DECISIONS_SHOWN_FOR
