"""The key that signs sessions: made once, readable for its owner only."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from fedlung.errors import BadSettings
from fedlung.stores.atomic_files import write_atomically

OWNER_ONLY = 0o600
BYTES = 32


def secret_key(path: Path) -> bytes:
    """The key in ``path``; a new random one is written where there is no file.

    Raises:
        BadSettings: others may read the file, or it is too short for a key.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        write_atomically(path, secrets.token_hex(BYTES).encode(), OWNER_ONLY)
    if stat.S_IMODE(os.stat(path).st_mode) & ~OWNER_ONLY:
        raise BadSettings(f"{path} holds the key of all sessions and may be read by others; run: chmod 600 {path}")
    key = path.read_bytes().strip()
    if len(key) < BYTES:
        raise BadSettings(f"{path} must hold at least {BYTES} characters; remove it, and a new key is made")
    return key
