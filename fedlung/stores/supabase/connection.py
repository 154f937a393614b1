"""One connection to a Supabase project per process, and what its answers mean.

An answer is one of four things, and never a fifth:

- rows;
- `StoreAway`: nobody answers, not in time, or something in between does. What was asked may have been done;
- `Misconfigured`: the project answers and refuses this server: key, permission, table, certificate. It needs a person;
- `Conflict` or `InvalidInput`: this record may not be written, the connection is well.

Codes: https://docs.postgrest.org/en/v12/references/errors.html and the PostgreSQL manual, appendix A. PostgREST 13 gave
some of them new names (an unknown table is 42P01 in 12 and PGRST205 since), so families are compared, not single codes.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import httpx
from postgrest import APIResponse, SyncRequestBuilder, SyncSelectRequestBuilder
from postgrest.exceptions import APIError
from postgrest.types import ReturnMethod
from supabase import Client, ClientOptions, create_client

from fedlung.errors import Conflict, FedLungError, InvalidInput, Misconfigured, StoreAway

Row = dict[str, Any]
PAGE_ROWS = 1000  # Supabase silently cuts an answer here
CONNECT_SECONDS, READ_SECONDS = 1.0, 3.0
TEMPORARY = (408, 425, 429)  # HTTP statuses that say "later"; so does everything from 500 on
CHECK = "`flask --app app supabase check` prints the SQL that is missing"


class Query(Protocol):
    """What the official client builds: `table("users").select("*")` and so on."""

    def execute(self) -> APIResponse: ...


Narrowed = TypeVar("Narrowed", bound=Query)


class SupabaseConnection:
    """The project at ``url``, asked with a server's key of either kind. Safe for many threads; connects when asked."""

    def __init__(self, url: str, secret_key: str) -> None:
        self.url = url.rstrip("/")
        self._key = secret_key
        self._lock = threading.Lock()
        self._client: Client | None = None

    def __repr__(self) -> str:
        return f"SupabaseConnection({self.url!r})"

    def table(self, name: str) -> SyncRequestBuilder:
        """A query on a table, in the words of the official client; nothing is sent before `execute`.

        Raises:
            Misconfigured: the address or the key cannot be one.
        """
        return self._made().table(name)

    def execute(self, query: Query) -> list[Row]:
        """Send a query, once, and return its rows.

        Raises:
            StoreAway, Misconfigured, Conflict, InvalidInput: see the top of this module.
        """
        try:
            rows = query.execute().data
        except APIError as error:
            raise _meaning(error) from None
        except httpx.InvalidURL as error:
            raise Misconfigured(f"SUPABASE_URL is not an address: {error}") from None
        except httpx.HTTPError as error:
            raise self._unreached(error) from None
        if not isinstance(rows, list):
            raise StoreAway(f"{self.url} answered with something that is not a list of rows")
        return [row for row in rows if isinstance(row, dict)]

    def call(self, function: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """What a function of the project's database answers. Raises as `execute` does."""
        try:
            return self._made().rpc(function, dict(arguments or {})).execute().data
        except APIError as error:
            raise _meaning(error) from None
        except httpx.HTTPError as error:
            raise self._unreached(error) from None

    def pages(
        self,
        table: str,
        columns: str = "*",
        *,
        key: str = "id",
        narrow: Callable[[SyncSelectRequestBuilder], SyncSelectRequestBuilder] = lambda query: query,
    ) -> Iterator[list[Row]]:
        """Every row, sorted by the unique column ``key``, at most a thousand at a time; ``narrow`` may add filters.

        Pages begin behind the last key, not at an offset: rows that come or go meanwhile move no other row.
        """
        last: str | None = None
        while True:
            query = narrow(self.table(table).select(columns))
            query = query if last is None else query.gt(key, last)
            rows = self.execute(query.order(key).limit(PAGE_ROWS))
            if not rows:  # not "fewer than a thousand": a project may be set to cut earlier
                return
            yield rows
            last = str(rows[-1][key])

    def upsert(self, table: str, rows: Sequence[Row], *, key: str, replaces: bool = True) -> None:
        """Write rows whole, in one transaction; those whose ``key`` columns are there are replaced, or left as is.

        May be repeated after a `StoreAway`: the same rows give the same table.
        """
        query = self.table(table).upsert(
            list(rows), on_conflict=key, ignore_duplicates=not replaces, returning=ReturnMethod.minimal
        )
        self.execute(query)

    def remove(self, table: str, filters: Mapping[str, str]) -> None:
        """Remove the rows that pass every filter: column -> ``"eq.7"``, in PostgREST's words.

        Raises:
            ValueError: without a filter it would be every row.
        """
        if not filters:
            raise ValueError("filters must name at least one column")
        query = self.table(table).delete(returning=ReturnMethod.minimal)
        for column, text in filters.items():
            operator, _, value = text.partition(".")
            query = query.filter(column, operator, value)
        self.execute(query)

    def probe(self) -> None:
        """Read one account's id: proves network, key, permission and table. Raises as `execute` does."""
        self.execute(self.table("users").select("id").limit(1))

    def close(self) -> None:
        with self._lock:
            if self._client is not None:
                self._client.postgrest.aclose()
                self._client = None

    def _made(self) -> Client:
        # Making one takes 40 ms, most of it for TLS: once per process, and not at its start.
        with self._lock:
            if self._client is None:
                self._client = _new_client(self.url, self._key)
            return self._client

    def _unreached(self, error: httpx.HTTPError) -> FedLungError:
        if isinstance(error, httpx.UnsupportedProtocol):
            return Misconfigured(f"SUPABASE_URL must begin with https:// or http://, got {self.url}")
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ssl.SSLCertVerificationError):
                return Misconfigured(
                    f"the certificate of {self.url} is not trusted here ({cause.verify_message});"
                    " SSL_CERT_FILE may name your network's own authority"
                )
            cause = cause.__cause__ or cause.__context__
        return StoreAway(f"{self.url} does not answer: {error or type(error).__name__}")


def _new_client(url: str, key: str) -> Client:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not key:
        raise Misconfigured(f"SUPABASE_URL must be an address such as https://abc.supabase.co with a key, got {url!r}")
    if key.startswith("sb_publishable_"):
        raise Misconfigured(
            "SUPABASE_SECRET_KEY is a publishable key, for browsers; a secret key (sb_secret_...) is needed"
        )
    # HTTP/2 connections to Supabase break now and then (supabase-py issue 1064), and the client's own repetitions
    # would hold a person's sign-in for seven seconds.
    session = httpx.Client(
        timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS, pool=CONNECT_SECONDS),
        http2=False,
        # More than are ever needed: to make room, httpcore 1.0.9 may close a connection in use (httpcore issue 1110).
        limits=httpx.Limits(max_connections=1000, keepalive_expiry=10),
        event_hooks={"response": [_check_status]},
    )
    try:
        return create_client(
            url,
            key,
            ClientOptions(
                httpx_client=session, postgrest_client_retry=False, auto_refresh_token=False, persist_session=False
            ),
        )
    except Exception as error:  # it has no class of errors of its own to be caught here
        session.close()
        raise Misconfigured(f"SUPABASE_URL or SUPABASE_SECRET_KEY cannot be used: {error}") from None


def _check_status(response: httpx.Response) -> None:
    """Runs for every answer before the client reads it, because its errors do not tell the HTTP status.

    A page or nothing at all, instead of JSON, comes from whatever stands between: a proxy's sign-in, a gateway's
    apology. The client would take nothing at all for an empty table.
    """
    status = response.status_code
    if status in TEMPORARY or status >= 500 or 300 <= status < 400:
        raise httpx.RemoteProtocolError(f"HTTP status {status}")
    if response.request.method == "GET" and response.is_success:
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        if "json" not in kind or not response.read().strip():
            raise httpx.RemoteProtocolError(f"it sent {kind or 'nothing'} instead of rows")


def _meaning(error: APIError) -> FedLungError:
    """One of our errors for one of the database's; only words of its own, never the row that it quotes."""
    code, message = error.code or "", error.message or "no reason given"
    if code == "23505":
        return Conflict("there is such a record already")
    if code[:2] in ("22", "23"):
        return InvalidInput(f"Supabase refused a record: {message} ({code})")
    if code == "42501":
        return Misconfigured(f"Supabase does not permit it: {message} (42501); {CHECK}")
    if code in ("42P01", "42703", "42883", "42P10") or code.startswith("PGRST2"):
        return Misconfigured(f"Supabase lacks something: {message} ({code}); {CHECK}")
    if code == "25006":
        return Misconfigured("Supabase allows reading only (25006): its disk is full, or somebody set it so")
    if code == "404" or "Route" in message:
        return Misconfigured(f"at SUPABASE_URL there is no Supabase project: {message}")
    if code.startswith("PGRST3") or code in ("", "401", "403"):
        return Misconfigured(
            f"Supabase does not accept SUPABASE_SECRET_KEY: {message}; copy it anew from the dashboard"
        )
    if code.startswith(("PGRST00", "40", "53", "57", "58", "08")):
        return StoreAway(f"Supabase cannot answer at present: {message} ({code})")
    return Misconfigured(f"Supabase refused a request: {message} ({code}); {CHECK}")
