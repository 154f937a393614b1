"""Whether there is room for what is about to come: asked before anything is written."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fedlung.errors import NoSpace, OverQuota
from fedlung.stores.scans import FileScanStore
from fedlung.stores.uploads import UploadStore

GB = 1_000_000_000
COUNTED_FOR_SECONDS = 5.0  # a folder of a thousand files is announced in a few seconds


@dataclass(frozen=True)
class Limits:
    """``quota_bytes`` 0: a hospital may use the whole disk but the reserve."""

    quota_bytes: int = 0
    reserve_bytes: int = 0


class Room:
    """The share of one hospital on the disk of ``folder``."""

    def __init__(
        self,
        folder: Path,
        scans: FileScanStore,
        uploads: UploadStore,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._scans = scans
        self._uploads = uploads
        self.limits = limits
        self._clock = clock
        self._lock = threading.Lock()
        self._counted: tuple[float, int] | None = None

    def used_bytes(self) -> int:
        """Of stored scans, as counted a few seconds ago, and of what is arriving."""
        with self._lock:
            now = self._clock()
            if self._counted is None or now - self._counted[0] > COUNTED_FOR_SECONDS:
                self._counted = now, self._scans.bytes_used()
            return self._counted[1] + self._uploads.bytes_used()

    def require(self, num_bytes: int) -> None:
        """Let so many bytes more come.

        Raises:
            OverQuota: the hospital's share would be used up.
            NoSpace: the disk would be fuller than the reserve allows.
        """
        expected = self._uploads.expected_bytes() + num_bytes
        quota = self.limits.quota_bytes
        if quota and self.used_bytes() + expected > quota:
            raise OverQuota(
                f"the hospital may use {quota / GB:.1f} GB of the disk, and would use"
                f" {(self.used_bytes() + expected) / GB:.1f} GB"
            )
        self.require_free(expected)

    def free_bytes(self) -> int:
        """Of the disk, less the reserve; may be below zero."""
        return shutil.disk_usage(self._folder).free - self.limits.reserve_bytes

    def require_free(self, num_bytes: int) -> None:
        """Raises NoSpace where so many bytes more would take of the reserve."""
        free = self.free_bytes()
        if num_bytes > free:
            raise NoSpace(f"{num_bytes / GB:.1f} GB are needed, and {max(0, free) / GB:.1f} GB of the disk are free")
