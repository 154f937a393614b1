"""Files that are either the old or the new one, never a part; lines that are either there or not.

A rename inside one folder is atomic, but only data that was fsynced before it and a folder that was fsynced after it
survive a power cut. See https://lwn.net/Articles/457667/ ("Ensuring data reaches disk").
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_atomically(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Make ``path`` hold ``content``; a reader, or a kill at any moment, sees the old file or the new one.

    ``mode`` (less the umask) holds from the first moment: 0o600 for what nobody else may read.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names that were created or renamed in ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def to_line(record: Mapping[str, Any]) -> bytes:
    """One line of a JSON-lines file; NaN is refused, because browsers cannot read it."""
    return json.dumps(record, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def to_indented(record: Mapping[str, Any]) -> bytes:
    """A whole JSON file that people can read; NaN is refused."""
    return json.dumps(record, ensure_ascii=False, allow_nan=False, indent=1).encode() + b"\n"


def append_line(path: Path, record: Mapping[str, Any]) -> None:
    """Append one record to a JSON-lines file, and return when it is on disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        line = to_line(record)
        # A full disk may take only the beginning of the line; the rest would raise, and the torn line is cut later.
        while line:
            line = line[os.write(descriptor, line) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_lines(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Records of a JSON-lines file and the number of bytes that they take.

    A process that was killed can leave a torn last line, a power cut one of NUL bytes: it is left out, and the
    number of bytes says where the sound part ends. A missing file has no records.

    Raises:
        ValueError: a line before the last one is damaged; says which.
    """
    content = path.read_bytes() if path.exists() else b""
    records: list[dict[str, Any]] = []
    size = 0
    lines = content.splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        record = _record_or_none(line)
        if record is None:
            if number < len(lines):
                raise ValueError(f"{path}: line {number} is damaged")
            break
        records.append(record)
        size += len(line)
    return records, size


def _record_or_none(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def cut_torn_line(path: Path) -> None:
    """Remove a torn last line, so that the next one does not continue it. Only for the one process that writes."""
    _, size = read_lines(path)
    if path.exists() and path.stat().st_size > size:
        with path.open("rb+") as file:
            file.truncate(size)
            file.flush()
            os.fsync(file.fileno())
