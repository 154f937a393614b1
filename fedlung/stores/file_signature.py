"""Whether a file is still the one that was read."""

from __future__ import annotations

import os
from pathlib import Path

FileSignature = tuple[int, ...]


def file_signature(path: Path | str) -> FileSignature:
    """Changes when the file is written to, replaced or removed: its change time cannot be set back.

    The file's mode comes first; where it cannot be looked at, 0 and the number of the error are all.
    """
    try:
        status = os.stat(path)
    except OSError as error:
        return 0, error.errno or 0
    return status.st_mode, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
