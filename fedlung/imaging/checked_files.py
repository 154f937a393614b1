"""Whether the files of a stored scan are still those that were checked.

What the checks found is kept in ``scan_records/<uid>.json``, with what each file looked like before it was read. A scan
without such a note was not checked, or by a program that noted nothing: then nobody can tell.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from fedlung.errors import BadScan
from fedlung.imaging.metaimage_header import read_header

RECORDS = "scan_records"
FileLooks = tuple[str, int, int, int]
"""Name, bytes, time of the last writing and of the last change (ns): the latter cannot be set back. 0 where it is not
there. No inode and no mode: some network disks number files anew at every start."""


def looks_of_scan(header: Path) -> tuple[FileLooks, ...]:
    """How the header and its pixel file look now."""
    names = [header.name]
    with suppress(BadScan, OSError):
        pixels = read_header(header).pixel_file
        names += [] if pixels is None else [pixels]
    return tuple(_looks(header.parent / name) for name in names)


def looks_from_json(noted: Iterable[Iterable[Any]]) -> tuple[FileLooks, ...]:
    """What `looks_of_scan` gave, after a way through JSON. Raises ValueError or TypeError for anything else."""
    return tuple((str(name), int(size), int(written), int(changed)) for name, size, written, changed in noted)


def is_changed(header: Path, noted: tuple[FileLooks, ...]) -> bool:
    """Whether a file looks otherwise than when `looks_of_scan` was ``noted``; it is not opened."""
    return any(_looks(header.parent / looks[0]) != looks for looks in noted)


def is_other_than_checked(header: Path) -> bool:
    """The scan in a hospital's ``scans`` was checked, and has changed since."""
    try:
        record = json.loads((header.parent.parent / RECORDS / f"{header.stem}.json").read_bytes())
        return is_changed(header, looks_from_json(record["files"]))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def seconds_since_writing(header: Path) -> float:
    """Since the youngest of a scan's files was last written; what comes from the future counts as old."""
    youngest = max(written for _, _, written, _ in looks_of_scan(header)) / 1e9
    seconds = time.time() - youngest
    return seconds if seconds >= 0 else float("inf")


def _looks(path: Path) -> FileLooks:
    try:
        status = os.stat(path)
    except OSError:
        return path.name, 0, 0, 0
    return path.name, status.st_size, status.st_mtime_ns, status.st_ctime_ns
