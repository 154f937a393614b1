"""Annotations of one hospital's scans, in versions: who saved what, and nothing is ever overwritten.

``annotations/<uid>/000001.json``, ``000002.json``...: the newest is valid. ``annotations.csv`` and
``annotations_excluded.csv``, which training reads, are made of the newest versions and of the rows of scans that have
none yet; the first version of a scan that had rows holds those rows (origin "table").

The contract of `AnnotationStore`, proved by ``tests/contract/test_annotation_stores.py``:

- What `save` returned is on disk, and every later read sees it.
- Of two who read the same version and save, one wins and the other gets a Conflict.
- Earlier versions stay as they were.
- The tables say the same as the newest versions, also after the process was killed between the two.
"""

from __future__ import annotations

import os
import secrets
import shutil
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Protocol

from fedlung.errors import Conflict
from fedlung.stores.annotation_tables import AnnotationTables
from fedlung.stores.annotation_versions import AnnotationVersion, Change, Kind, ScanFinding, read_version
from fedlung.stores.atomic_files import sync_folder, to_indented, write_atomically
from fedlung.stores.clock import utc_now

FOLDER = "annotations"
_NAMESPACE = uuid.UUID("6d6ab0a6-6b4f-5a27-9d6f-8f6f4f5c2e11")


class AnnotationStore(Protocol):
    """See the module's first lines."""

    def newest(self, scan_id: str) -> AnnotationVersion: ...

    def history(self, scan_id: str) -> list[AnnotationVersion]:
        """All versions, the newest first."""

    def save(
        self, scan_id: str, base: int, findings: Sequence[ScanFinding], *, is_read: bool, origin: str, author: str
    ) -> AnnotationVersion:
        """A new version after version ``base``, which has to be the newest. Raises Conflict."""

    def save_all(self, changes: Mapping[str, Change], origin: str, author: str) -> dict[str, AnnotationVersion]:
        """Those of several scans at once. Raises Conflict before anything is saved."""

    def forget(self, scan_id: str) -> None:
        """All versions, and the rows of the tables."""


class FileAnnotationStore:
    """See `AnnotationStore`; ``folder`` is the hospital's. One process writes at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER
        self._tables = AnnotationTables(folder)
        self._lock = threading.RLock()
        self._newest: dict[str, AnnotationVersion] | None = None

    def newest(self, scan_id: str) -> AnnotationVersion:
        with self._lock:
            return self._saved().get(scan_id) or self._from_tables(scan_id)

    def history(self, scan_id: str) -> list[AnnotationVersion]:
        with self._lock:
            if scan_id not in self._saved():
                newest = self._from_tables(scan_id)
                return [newest] if newest.version else []
            return [read_version(path) for path in reversed(_versions(self._folder / scan_id))]

    def save(
        self, scan_id: str, base: int, findings: Sequence[ScanFinding], *, is_read: bool, origin: str, author: str
    ) -> AnnotationVersion:
        return self.save_all({scan_id: Change(base, tuple(findings), is_read)}, origin, author)[scan_id]

    def save_all(self, changes: Mapping[str, Change], origin: str, author: str) -> dict[str, AnnotationVersion]:
        with self._lock:
            self._tables.require_readable()  # before anything is written that they could not follow
            for scan_id, change in changes.items():
                newest = self.newest(scan_id)
                if newest.version != change.base:
                    raise Conflict(
                        f"version {change.base} was read, and there is version {newest.version} by {newest.author}"
                    )
            saved = {scan_id: self._next(scan_id, change, origin, author) for scan_id, change in changes.items()}
            self._follow()
            return saved

    def _next(self, scan_id: str, change: Change, origin: str, author: str) -> AnnotationVersion:
        before, now = self.newest(scan_id), utc_now()
        if before.version and scan_id not in self._saved():
            self._write(scan_id, before)
        known = {finding.id: finding for finding in before.findings}
        kept = tuple(_signed(finding, known.get(finding.id), author, now) for finding in change.findings)
        version = AnnotationVersion(before.version + 1, author, now, origin, change.is_read, kept)
        self._write(scan_id, version)
        self._saved()[scan_id] = version
        return version

    def forget(self, scan_id: str) -> None:
        with self._lock:
            self._tables.require_readable()
            self._saved().pop(scan_id, None)
            shutil.rmtree(self._folder / scan_id, ignore_errors=True)
            self._follow(without=scan_id)

    def repair(self) -> None:
        """Let the tables say what the versions say: a process may have been killed in between."""
        with self._lock:
            for leftover in self._folder.glob("*/.*.partial"):
                leftover.unlink(missing_ok=True)
            if self._saved():
                self._follow()

    def to_csv(self) -> str:
        """Every nodule of the hospital in LUNA16's form."""
        return self._tables.nodules_csv()

    def _follow(self, without: str = "") -> None:
        self._tables.follow({uid: version.findings for uid, version in self._saved().items()}, without)

    def _from_tables(self, scan_id: str) -> AnnotationVersion:
        findings = []
        for number, row in enumerate(self._tables.rows_of(scan_id)):
            made = uuid.uuid5(_NAMESPACE, f"{scan_id} {number} {row.center_xyz_mm} {row.diameter_mm}").hex
            kind: Kind = "ignore" if row.is_excluded else "nodule"
            findings.append(ScanFinding(made, kind, row.center_xyz_mm, row.diameter_mm, "table"))
        if not findings:
            return AnnotationVersion()
        return AnnotationVersion(1, "", "", "table", True, tuple(findings))

    def _saved(self) -> dict[str, AnnotationVersion]:
        """Newest version of every scan that has one, read once: this process is the only writer."""
        if self._newest is None:
            folders = sorted(self._folder.iterdir()) if self._folder.is_dir() else []
            self._newest = {folder.name: read_version(files[-1]) for folder in folders if (files := _versions(folder))}
        return self._newest

    def _write(self, scan_id: str, version: AnnotationVersion) -> None:
        folder = self._folder / scan_id
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f".{secrets.token_hex(4)}.partial"
        write_atomically(partial, to_indented({"format": 1, **asdict(version)}))
        try:
            os.link(partial, folder / f"{version.version:06}.json")  # fails where there is one, unlike a rename
            sync_folder(folder)
        except FileExistsError:
            raise Conflict(f"there is a version {version.version} already") from None
        finally:
            partial.unlink(missing_ok=True)


def _signed(finding: ScanFinding, before: ScanFinding | None, author: str, now: str) -> ScanFinding:
    """Who left a finding as it was is not its author."""
    if before is not None and finding.says_the_same(before):
        return before
    return replace(finding, author=author, time=now)


def _versions(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9]*.json"))
