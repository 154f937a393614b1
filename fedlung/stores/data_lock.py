"""One process per data folder: two servers on the same runs and accounts would undo each other's work."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from fedlung.errors import DataInUse

PATIENCE_SECONDS = 3.0


class DataLock:
    """Held until `close`, or until the process and those it forked have ended: kill -9 frees it, too."""

    def __init__(self, data: Path) -> None:
        """Take the lock of the data folder, which is made when it does not exist.

        Raises:
            DataInUse: another process holds it; says which, since when, and where.
        """
        folder = data / "instance"
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / "lock").open("a+", encoding="utf-8")
        if not self._is_free_soon():
            self._file.seek(0)
            holder = _in_words(self._file.read())
            self._file.close()
            raise DataInUse(f"{data} is in use by {holder}; stop it, or choose another folder with --data")
        started = datetime.now(UTC).isoformat(timespec="seconds")
        self._file.truncate(0)
        self._file.write(f"{os.getpid()} {socket.gethostname()} {started}\n")
        self._file.flush()

    def _is_free_soon(self) -> bool:
        """Wait a little: the processes of a server that was killed a moment ago take a second to notice."""
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                if time.monotonic() >= until:
                    return False
                time.sleep(0.05)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> DataLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _in_words(line: str) -> str:
    words = line.split()
    if len(words) != 3:
        return "another process"
    process, host, started = words
    return f"process {process} on {host}, started {started}"
