"""Sending what was changed while Supabase was away: once, in order.

A change that is there already (its answer was lost, or this server was killed before it could note the answer) is
known by its content. One that meets a row which somebody changed in Supabase is merged (see
`fedlung.stores.fallback.merging`), and what was decided is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace

from fedlung.errors import Conflict, InvalidInput, NotFound, StoreAway
from fedlung.stores.fallback.merging import merge
from fedlung.stores.fallback.outbox import Change, Outbox
from fedlung.stores.users import User, UserStore

Tell = Callable[[str, Mapping[str, str]], None]  # user name, what was decided
TRIES = 5  # against somebody who edits the same account in Supabase at this moment


def send(outbox: Outbox, home: UserStore, tell: Tell) -> None:
    """Empty the outbox into the home.

    Raises:
        StoreAway, Misconfigured: what is left waits on.
    """
    while changes := outbox.changes():
        first = changes[0]
        same_person = [change for change in changes if change.after.id == first.after.id]
        try:
            if _is_written(first, home):
                outbox.drop([first])
                continue
            news = _settle(first.before, same_person[-1].after, home)
        except InvalidInput as error:  # it would be refused for ever, and everything behind it would wait
            news = {"account": str(error)}
        if news:
            tell(first.after.username, news)
        outbox.drop(same_person)


def _is_written(change: Change, home: UserStore) -> bool:
    """Try to write it; false when the home holds something else than the change was made from."""
    try:
        if change.before is None:
            home.add(change.after)
        else:
            home.replace(replace(change.after, version=change.before.version))
    except (Conflict, NotFound):
        row = home.by_id(change.after.id)
        return row is not None and _content(row) == _content(change.after)
    return True


def _settle(base: User | None, ours: User, home: UserStore) -> Mapping[str, str]:
    """Bring together what both sides made of one account; returns what people should hear about."""
    for _ in range(TRIES):
        theirs = home.by_id(ours.id)
        try:
            if theirs is not None:
                merged = merge(base or theirs, ours, theirs)
                home.replace(merged.user)
                return merged.decided
            if base is not None:
                return {"account": "was removed in Supabase, and stays so"}
            home.add(_under_another_name(ours))
            return {"username": "was taken in Supabase meanwhile: kept under another name, inactive"}
        except Conflict:
            continue
    raise StoreAway(f"{ours.username} is changed again and again in Supabase")


def _under_another_name(user: User) -> User:
    """Nobody is ever deleted: a name in the audit always means the same person."""
    return replace(user, username=f"{user.username[:54]}-{user.id[:8]}", is_active=False)


def _content(user: User) -> Mapping[str, object]:
    """Everything but the times, which the database writes itself."""
    return {name: value for name, value in asdict(user).items() if name not in ("created_at", "updated_at")}
