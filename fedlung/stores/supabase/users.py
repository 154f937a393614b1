"""Accounts in the table ``users`` of a Supabase project (``supabase/migrations``)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fedlung.errors import Conflict, NotFound
from fedlung.stores.users import User, normal_username

if TYPE_CHECKING:
    from fedlung.stores.supabase.connection import Row, SupabaseConnection

logger = logging.getLogger(__name__)

TABLE = "users"
NAMES = tuple(field.name for field in fields(User))
COLUMNS = ",".join(NAMES)
CHANGED_AT = "changed_at"  # by the database's clock; for asking what is new
TIMES = ("created_at", "updated_at")


@dataclass(frozen=True)
class Snapshot:
    """Accounts, and when the last of them was written by the clock of the database; None for none."""

    users: list[User]
    newest: datetime | None


class SupabaseUserStore:
    """See `fedlung.stores.users.UserStore`. Every call is one or two requests.

    Every method raises StoreAway when there is no answer - what was to be written may be there all the same - and
    Misconfigured when the project refuses this server.
    """

    def __init__(self, connection: SupabaseConnection) -> None:
        self._connection = connection

    def all(self) -> list[User]:
        return sorted(self.changed_since(None).users, key=lambda user: user.username)

    def changed_since(self, moment: datetime | None) -> Snapshot:
        """Accounts that were written at ``moment`` or later; None for all there are."""
        pages = self._connection.pages(
            TABLE,
            f"{COLUMNS},{CHANGED_AT}",
            narrow=lambda query: query if moment is None else query.gte(CHANGED_AT, moment.isoformat()),
        )
        rows = [row for page in pages for row in page]
        newest = max((datetime.fromisoformat(row[CHANGED_AT]) for row in rows), default=None)
        return Snapshot(list(_readable(rows)), newest)

    def by_id(self, user_id: str) -> User | None:
        return self._one("id", user_id)

    def by_username(self, username: str) -> User | None:
        try:
            return self._one("username", normal_username(username))
        except ValueError:  # nobody can have this name
            return None

    def add(self, user: User) -> User:
        try:
            rows = self._connection.execute(self._connection.table(TABLE).insert(_row(user)))
        except Conflict:
            raise Conflict(f"there is an account with the id {user.id}, or with the name {user.username}") from None
        return _user(rows[0])

    def replace(self, user: User) -> User:
        row = _row(replace(user, version=user.version + 1))
        changes = {name: value for name, value in row.items() if name not in ("id", *TIMES)}
        query = self._connection.table(TABLE).update(changes).eq("id", user.id).eq("version", user.version)
        try:
            rows = self._connection.execute(query)
        except Conflict:
            raise Conflict(f"the user name {user.username} is taken") from None
        if rows:
            return _user(rows[0])
        if (stored := self.by_id(user.id)) is None:
            raise NotFound(f"there is no account with the id {user.id}")
        raise Conflict(f"{stored.username}: version {user.version} was replaced by {stored.version}")

    def refusal(self, user: User, signing_in: bool) -> str:
        return ""

    def probe(self) -> None:
        """Raise what keeps this server from the accounts, if anything does."""
        self._connection.probe()

    def _one(self, column: str, value: str) -> User | None:
        rows = self._connection.execute(self._connection.table(TABLE).select(COLUMNS).eq(column, value).limit(1))
        return next(_readable(rows), None)


def _row(user: User) -> Row:
    # A damaged hash only has to stay one: PostgreSQL has no text with a NUL.
    return {**asdict(user), "password_hash": user.password_hash.replace("\x00", "\ufffd")}


def _readable(rows: Iterable[Row]) -> Iterator[User]:
    """People can write into tables by hand: a row that makes no sense is nobody, and keeps nobody else out."""
    for row in rows:
        try:
            yield _user(row)
        except (KeyError, TypeError, ValueError) as error:
            logger.error("the account %s in Supabase is left out: %s", row.get("id"), error)


def _user(row: Row) -> User:
    times = {name: _moment(row[name]) for name in TIMES}
    return User(**{name: row[name] for name in NAMES} | times)


def _moment(text: str) -> str:
    """As `fedlung.stores.clock.utc_now` writes it; the database has microseconds."""
    return datetime.fromisoformat(text).astimezone(UTC).isoformat(timespec="milliseconds")
