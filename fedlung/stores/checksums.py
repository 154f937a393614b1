"""The SHA-256 beside a model file: ``<name>.sha256``, one line that ``sha256sum -c`` reads. No torch here."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fedlung.errors import BadCheckpoint


def checksum_path(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def file_sha256(path: Path) -> str:
    """Of what the file holds now.

    Raises:
        BadCheckpoint: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadCheckpoint(f"{path} cannot be read: {error.strerror}") from None


def stated_sha256(path: Path) -> str:
    """What the file beside ``path`` says.

    Raises:
        BadCheckpoint: there is none, or it is something else.
    """
    side = checksum_path(path)
    try:
        return side.read_text(encoding="ascii").split()[0].lower()
    except FileNotFoundError:
        raise BadCheckpoint(
            f"{path} has no {side.name} beside it; copy it too, or if you trust the file make one: "
            f"sha256sum {path.name} > {side.name}"
        ) from None
    except (OSError, ValueError, IndexError):
        raise BadCheckpoint(f"{side} is not a checksum file") from None


def check_sha256(path: Path, digest: str) -> None:
    """Raises BadCheckpoint where ``digest``, of the file's content, is not what stands beside it."""
    expected = stated_sha256(path)
    if expected != digest:
        raise BadCheckpoint(
            f"{path} is damaged or was changed: its SHA-256 is {digest}, {checksum_path(path).name} says {expected:.64}"
        )
