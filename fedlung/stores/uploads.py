"""Uploads of one hospital, piece by piece onto the disk: what has arrived stays, whatever happens to line and server.

::

    uploads/<group>/state.json              `UploadGroup`
    uploads/<group>/files/<file>.json       `UploadFile`, written once
    uploads/<group>/files/<file>.part       what has arrived; its length is the offset at which to go on

Nothing here is ever visible as a scan. What was acknowledged is on disk. A newer writer takes over from an older one:
who sends again after a broken line must not wait until the server has noticed that the old line is dead.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from fedlung.errors import Conflict, InvalidInput, NotFound
from fedlung.stores.atomic_files import sync_folder
from fedlung.stores.clock import utc_now
from fedlung.stores.upload_groups import (
    CHECKING,
    ENDED,
    FILES,
    PART,
    STATE,
    UPLOADING,
    WAITING,
    UploadFile,
    UploadGroup,
    UploadResult,
    read_group,
    write_file,
    write_group,
)
from fedlung.stores.upload_pieces import Checksum, write_pieces

FOLDER = "uploads"
MOST_FILES = 5000  # of one group

logger = logging.getLogger(__name__)


class _Writer:
    """Whose turn it is to write one file: always the newest request's. A lock per file: a disk that is busy with one
    must not hold up the others."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest = 0

    def take_over(self) -> int:
        with self._lock:
            self._newest += 1
            return self._newest

    @contextmanager
    def turn(self, mine: int) -> Iterator[None]:
        """Raises Conflict."""
        with self._lock:
            if self._newest != mine:
                raise Conflict("the file is being sent by a newer request")
            yield


class UploadStore:
    """The uploads of the hospital in ``folder``; safe for many threads of one process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER
        self._lock = threading.RLock()
        self._groups: dict[str, UploadGroup] = {}
        self._group_of: dict[str, str] = {}  # file -> group
        self._writers: dict[str, _Writer] = {}  # file -> who may write it
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            group = read_group(path)
            if group is None:
                shutil.rmtree(path, ignore_errors=True)
            else:
                self._groups[group.id] = group
                self._group_of |= dict.fromkeys((file.id for file in group.files), group.id)

    # --- files arrive ----------------------------------------------------------------------------------

    def create(self, key: str, name: str, size_bytes: int, by: str, sha256: str = "") -> UploadFile:
        """Announce a file of the group that the browser calls ``key``.

        Raises:
            Conflict: everything of this group had arrived already.
            InvalidInput: too many files.
        """
        file = UploadFile(uuid4().hex, name, size_bytes, sha256)
        with self._lock:
            group = self._open_group(key or file.id, by)
            if len(group.files) >= MOST_FILES:
                raise InvalidInput(f"one upload may have at most {MOST_FILES} files; send a zip archive")
            write_file(self._folder / group.id, len(group.files), file)
            self._groups[group.id] = replace(group, files=(*group.files, file))
            self._group_of[file.id] = group.id
        return file

    def find(self, file_id: str) -> tuple[UploadGroup, UploadFile]:
        """Raises NotFound."""
        with self._lock:
            group = self._groups.get(self._group_of.get(file_id, ""))
            for file in group.files if group else ():
                if group and file.id == file_id:
                    return group, file
        raise NotFound("there is no such upload in this hospital")

    def received(self, group: UploadGroup, file: UploadFile) -> int:
        """Bytes of the file that have arrived."""
        if group.state != UPLOADING:
            return file.size_bytes
        try:
            return self._part(group, file).stat().st_size
        except FileNotFoundError:
            return 0

    def append(self, file_id: str, offset: int, pieces: Iterable[bytes], checksum: Checksum | None = None) -> int:
        """Write ``pieces`` behind the first ``offset`` bytes; what has arrived is kept when the iterator raises.

        Returns the new offset; everything before it is on disk.

        Raises:
            NotFound: no such file.
            Conflict: other bytes are missing, somebody else sends the file now, or everything had arrived.
            InvalidInput, ChecksumMismatch, OSError: as `write_pieces`.
        """
        with self._lock:
            group, file = self.find(file_id)
            if group.state != UPLOADING:
                raise Conflict("everything of this upload has arrived")
            writer = self._writers.setdefault(file_id, _Writer())
        mine = writer.take_over()
        with writer.turn(mine):
            arrived = self.received(group, file)
        if arrived != offset:
            raise Conflict(f"{arrived} bytes have arrived, and these begin at byte {offset}")
        part = self._part(group, file)
        return write_pieces(part, offset, file.size_bytes, pieces, checksum, lambda: writer.turn(mine))

    def cancel(self, file_id: str) -> UploadGroup:
        """Remove one file that is arriving, or a whole group that has ended. Raises NotFound, Conflict."""
        with self._lock:
            group, file = self.find(file_id)
            if group.state in (WAITING, CHECKING):
                raise Conflict("the upload is being checked; wait for the end")
            rest = tuple(each for each in group.files if each.id != file_id)
            if group.state in ENDED or not rest:
                self.remove(group.id)
            else:
                for path in (self._folder / group.id / FILES).glob(f"{file.id}.*"):
                    path.unlink()
                self._groups[group.id] = replace(group, files=rest)
            return group

    # --- everything has arrived ------------------------------------------------------------------------

    def finish(self, file_id: str, file_ids: Sequence[str], sha256: Mapping[str, str]) -> UploadGroup:
        """Let the group of ``file_id`` wait for its checks, with those files only; again it changes nothing.

        Raises:
            NotFound: no such file, or not in this group.
            Conflict: a file has not arrived completely.
        """
        with self._lock:
            group, _ = self.find(file_id)
            wanted = tuple(file for file in group.files if file.id in set(file_ids)) or group.files
            if unknown := set(file_ids) - {file.id for file in group.files}:
                raise NotFound(f"{len(unknown)} files are not in this upload")
            if group.state != UPLOADING:
                return group
            missing = [file for file in wanted if self.received(group, file) < file.size_bytes]
            if missing:
                raise Conflict(f"{len(missing)} of {len(wanted)} files have not arrived completely")
            finished = replace(group, state=WAITING, finished=utc_now(), files=wanted, sha256=dict(sha256))
            self._put(finished)
            kept = {file.id for file in wanted}
            for path in (self._folder / group.id / FILES).iterdir():
                if path.stem not in kept:
                    path.unlink()
            return finished

    def groups(self) -> list[UploadGroup]:
        """All of them, the newest first."""
        with self._lock:
            return sorted(self._groups.values(), key=lambda group: group.created, reverse=True)

    def get(self, group_id: str) -> UploadGroup:
        """Raises NotFound."""
        with self._lock:
            group = self._groups.get(group_id)
        if group is None:
            raise NotFound("there is no such upload in this hospital")
        return group

    def set_state(self, group_id: str, state: str) -> UploadGroup:
        with self._lock:
            changed = replace(self.get(group_id), state=state)
            self._put(changed)
            return changed

    def end(self, group_id: str, state: str, results: Sequence[UploadResult]) -> UploadGroup:
        """Keep what became of the group, and nothing of what was sent."""
        with self._lock:
            changed = replace(self.get(group_id), state=state, results=tuple(results))
            self._put(changed)
            for path in (self._folder / group_id).iterdir():
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
            return changed

    def path_of(self, group: UploadGroup, file: UploadFile) -> Path:
        """Where the bytes of a file lie."""
        return self._part(group, file)

    def workspace(self, group: UploadGroup) -> Path:
        """A fresh empty folder on the same disk as the files; it goes when the group ends."""
        work = self._folder / group.id / "work"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        return work

    @contextmanager
    def own_workspace(self) -> Iterator[Path]:
        """A fresh empty folder that belongs to no group."""
        self._folder.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="work-", dir=self._folder) as work:
            yield Path(work)

    def expected_bytes(self) -> int:
        """What is still to come of files that were announced."""
        with self._lock:
            open_groups = [group for group in self._groups.values() if group.state == UPLOADING]
        return sum(file.size_bytes - self.received(group, file) for group in open_groups for file in group.files)

    def bytes_used(self) -> int:
        """Of what has arrived and is not stored yet."""
        with self._lock:
            groups = [group for group in self._groups.values() if group.state not in ENDED]
        return sum(self.received(group, file) for group in groups for file in group.files)

    def remove(self, group_id: str) -> None:
        with self._lock:
            group = self._groups.pop(group_id, None)
            for file in group.files if group else ():
                self._group_of.pop(file.id, None)
                self._writers.pop(file.id, None)
            folder = self._folder / group_id
            (folder / STATE).unlink(missing_ok=True)  # from here on it is nothing
            shutil.rmtree(folder, ignore_errors=True)

    def sweep(self, older_than_seconds: float, now: Callable[[], float] = time.time) -> list[UploadGroup]:
        """Remove groups of which nothing has changed for so long; those that are being checked stay."""
        with self._lock:
            old = [
                group
                for group in self._groups.values()
                if group.state not in (WAITING, CHECKING) and now() - self._changed(group) > older_than_seconds
            ]
            for group in old:
                logger.info("an upload of %s was removed: %s, and nothing has changed for long", group.by, group.state)
                self.remove(group.id)
        return old

    # --- inside ----------------------------------------------------------------------------------------

    def _open_group(self, key: str, by: str) -> UploadGroup:
        known = next((group for group in self._groups.values() if group.key == key), None)
        if known is not None:
            if known.state != UPLOADING:
                raise Conflict("everything of this upload has arrived; begin another one")
            return known
        group = UploadGroup(uuid4().hex, key, by, utc_now())
        (self._folder / group.id / FILES).mkdir(parents=True)
        self._put(group)
        sync_folder(self._folder)
        return group

    def _put(self, group: UploadGroup) -> None:
        write_group(self._folder / group.id, group)
        self._groups[group.id] = group

    def _part(self, group: UploadGroup, file: UploadFile) -> Path:
        return self._folder / group.id / FILES / f"{file.id}{PART}"

    def _changed(self, group: UploadGroup) -> float:
        folder = self._folder / group.id
        paths = [folder / STATE, *(folder / FILES).glob(f"*{PART}")]
        return max((path.stat().st_mtime for path in paths if path.exists()), default=0.0)
