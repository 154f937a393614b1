"""Copies what runs, models and people leave behind into Supabase, in the background and in its own time.

One thread reads the files that others have written, sends what is new in batches, and notes on disk how far it came.
Nobody waits for it: a round that ends writes its line and goes on, whether Supabase answers or not. A batch whose
answer was lost is sent again; keys are made here, so that it is there once all the same.
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from fedlung.errors import Conflict, FedLungError, InvalidInput, Misconfigured, StoreAway
from fedlung.stores.atomic_files import write_atomically
from fedlung.stores.clock import utc_now
from fedlung.stores.hospitals import HospitalFolders
from fedlung.stores.model_registry import ModelRegistry
from fedlung.stores.run_listing import RunListing
from fedlung.stores.supabase.connection import Row, SupabaseConnection
from fedlung.stores.supabase.mirror_rows import Site, storable
from fedlung.stores.supabase.mirror_sources import (
    AnnotationSource,
    AuditSource,
    Batch,
    Cursor,
    ModelSource,
    PromotionSource,
    RunSource,
    SiteSource,
    Source,
)
from fedlung.stores.supabase.tables import TABLES

logger = logging.getLogger(__name__)

SITE_FILE = "identity.json"  # no source has this name
OWNER_ONLY = 0o600
NO_SITE = "_site_id_fkey"  # the constraint that a row breaks when its site is not there
LOOK_EVERY_SECONDS = 10.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 2.0, 120.0
BREATH_SECONDS = 0.02  # between two batches: a first copy of years must not crowd the pages out
LAST_SECONDS = 0.5  # for a request that is under way when the server ends; it may as well be cut off


@dataclass(frozen=True)
class MirrorStatus:
    """How the copy stands.

    Attributes:
        problem: why the last attempt failed; empty after one that did not.
        is_misconfigured: a person has to mend it, waiting does not help.
        up_to_date: UTC, ISO 8601: when everything was last known to be in Supabase; empty before the first time.
        refused: rows since the start that the database did not take; they are in the log, by table.
    """

    problem: str = ""
    is_misconfigured: bool = False
    up_to_date: str = ""
    refused: int = 0


def site_of(folder: Path) -> Site:
    """Who this data folder is in Supabase; made at the first call, in ``folder``."""
    path = folder / SITE_FILE
    folder.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        made = {"id": str(uuid4()), "secret": secrets.token_hex(32)}
        write_atomically(path, json.dumps(made).encode() + b"\n", OWNER_ONLY)
    try:
        known = json.loads(path.read_bytes())
        return Site(UUID(known["id"]), str(known["secret"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Misconfigured(f"{path} cannot be read ({error}); move it away to mirror as a new site") from None


class Mirror:
    """``start`` begins the copying, ``close`` ends it. ``sources`` are asked in their order; the site comes first."""

    def __init__(self, connection: SupabaseConnection, sources: Sequence[Source], folder: Path) -> None:
        self._connection, self._sources, self._folder = connection, sources, folder
        self._ends = threading.Event()
        self._thread: threading.Thread | None = None
        self._status = MirrorStatus()

    @property
    def status(self) -> MirrorStatus:
        return self._status

    @property
    def is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        self._thread = threading.Thread(target=self._go_on, name="mirror to Supabase", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ends.set()
        if self._thread is not None:
            self._thread.join(LAST_SECONDS)

    def copy_news(self) -> None:
        """Send everything that is new.

        Raises:
            StoreAway, Misconfigured: what could not be sent waits for the next time.
        """
        unreadable: Exception | None = None
        for source in self._sources:
            try:
                self._copy_from(source)
            except (StoreAway, Misconfigured):
                raise
            except Exception as error:  # one damaged file must not keep the other records here
                unreadable = error
        if unreadable is not None:
            raise unreadable
        if not self._ends.is_set():
            self._status = replace(self._status, problem="", is_misconfigured=False, up_to_date=utc_now())

    def _copy_from(self, source: Source) -> None:
        for batch in source.news(self._cursor(source)):
            self._send(batch)
            self._keep(source, batch.cursor)
            if self._ends.wait(BREATH_SECONDS):
                return

    def _go_on(self) -> None:
        pause, failures = 0.0, 0
        while not self._ends.wait(pause):
            try:
                self.copy_news()
            except Exception as error:  # nothing may end the copying for ever
                self._note(error)
                pause = min(FIRST_PAUSE_SECONDS * 2.0**failures, LONGEST_PAUSE_SECONDS)
                failures += 1
            else:
                pause, failures = LOOK_EVERY_SECONDS, 0

    def _note(self, error: Exception) -> None:
        problem = str(error) or type(error).__name__
        if problem != self._status.problem:
            bug = None if isinstance(error, FedLungError) else error
            logger.warning("records wait to be copied to Supabase: %s", problem, exc_info=bug)
        self._status = replace(self._status, problem=problem, is_misconfigured=isinstance(error, Misconfigured))

    def _send(self, batch: Batch) -> None:
        table = TABLES[batch.table]
        if batch.gone:
            self._connection.remove(batch.table, batch.gone)
        rows: list[Row] = [storable(row) for row in batch.rows]
        if rows:
            self._upsert(batch.table, rows, ",".join(table.key), replaces=not table.is_append_only)

    def _upsert(self, table: str, rows: list[Row], key: str, *, replaces: bool) -> None:
        """One row that the database does not take must not keep the others away."""
        try:
            self._connection.upsert(table, rows, key=key, replaces=replaces)
        except (InvalidInput, Conflict) as error:
            if NO_SITE in str(error):
                self._begin_anew()
            if len(rows) == 1:
                self._status = replace(self._status, refused=self._status.refused + 1)
                logger.error("Supabase did not take a row of %s: %s", table, error)
                return
            half = len(rows) // 2
            for part in (rows[:half], rows[half:]):
                self._upsert(table, part, key, replaces=replaces)

    def _begin_anew(self) -> None:
        """Somebody made the tables anew: what was sent is gone, the row of this site first of all."""
        for source in self._sources:
            self._keep(source, {})
        raise StoreAway("the tables in Supabase were emptied; everything is sent again")

    def _cursor(self, source: Source) -> Cursor:
        """An unreadable one begins anew: everything is sent again, and nothing is there twice."""
        try:
            kept: Any = json.loads((self._folder / f"{source.name}.json").read_bytes())
            return kept if isinstance(kept, dict) and kept.pop("url", None) == self._connection.url else {}
        except (OSError, ValueError):
            return {}

    def _keep(self, source: Source, cursor: Cursor) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        content = json.dumps({"url": self._connection.url, **cursor}).encode() + b"\n"
        write_atomically(self._folder / f"{source.name}.json", content, OWNER_ONLY)


def open_mirror(
    connection: SupabaseConnection, data: Path, hospitals: HospitalFolders, models: ModelRegistry
) -> Mirror:
    """The mirror of a data folder; starts no thread.

    Raises:
        Misconfigured: the file that says which site this is cannot be read.
    """
    folder = data / "instance" / "mirror"
    site = site_of(folder)
    sources: list[Source] = [
        SiteSource(site, hospitals),
        RunSource(site, RunListing(data / "runs")),
        ModelSource(site, models),
        PromotionSource(site, models),
        AnnotationSource(site, hospitals),
        AuditSource(site, data / "audit.jsonl"),
    ]
    return Mirror(connection, sources, folder)
