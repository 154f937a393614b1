"""Bytes of one request onto the end of a partial file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from fedlung.errors import ChecksumMismatch, InvalidInput

SYNC_BYTES = 1 << 26  # dirty pages of one request, at most


@dataclass(frozen=True)
class Checksum:
    """What the sender says about the bytes of one request."""

    algorithm: str
    digest: bytes


def write_pieces(
    part: Path,
    offset: int,
    size_bytes: int,
    pieces: Iterable[bytes],
    checksum: Checksum | None,
    turn: Callable[[], AbstractContextManager[None]],
) -> int:
    """Write ``pieces`` behind the first ``offset`` bytes of a file that is to have ``size_bytes``.

    ``turn`` is entered around each piece, and raises when it is somebody else's. What arrived is kept when anything
    raises, unless it cannot be compared with its checksum.

    Returns:
        The new offset; everything before it is on disk.

    Raises:
        InvalidInput: more bytes than the file was announced with.
        ChecksumMismatch: other bytes than the sender says.
    """
    digest = hashlib.new(checksum.algorithm) if checksum else None
    with part.open("rb+") as file:
        descriptor = file.fileno()
        try:
            reached = synced = offset
            for piece in pieces:
                if reached + len(piece) > size_bytes:
                    raise InvalidInput(f"the file was announced with {size_bytes} bytes, and more came")
                with turn():
                    reached += _write_all(descriptor, piece, reached)
                if digest is not None:
                    digest.update(piece)
                if reached - synced >= SYNC_BYTES:
                    os.fsync(descriptor)
                    synced = reached
            if digest is not None and checksum is not None and digest.digest() != checksum.digest:
                raise ChecksumMismatch("the bytes of this request are not those of its checksum")
        except BaseException:
            if checksum is not None:
                _take_back(descriptor, offset, turn)
            raise
        finally:
            os.fsync(descriptor)
    return reached


def _write_all(descriptor: int, piece: bytes, offset: int) -> int:
    view = memoryview(piece)
    while view:
        written = os.pwrite(descriptor, view, offset)
        offset, view = offset + written, view[written:]
    return len(piece)


def _take_back(descriptor: int, offset: int, turn: Callable[[], AbstractContextManager[None]]) -> None:
    try:
        with turn():
            os.ftruncate(descriptor, offset)
    except Exception:  # a newer request writes now, and began behind what is there
        return
