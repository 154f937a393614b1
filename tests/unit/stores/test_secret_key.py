"""The key of sessions: random, kept, and nobody else's to read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from fedlung.errors import BadSettings
from fedlung.stores.secret_key import secret_key


def test_it_is_made_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "instance" / "secret_key"
    key = secret_key(path)
    assert len(key) >= 32
    assert secret_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert secret_key(tmp_path / "other") != key


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_that_others_can_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "secret_key"
    secret_key(path)
    os.chmod(path, mode)
    with pytest.raises(BadSettings, match="chmod 600"):
        secret_key(path)


def test_a_short_key_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "secret_key"
    path.write_bytes(b"changeme")
    path.chmod(0o600)
    with pytest.raises(BadSettings, match="at least 32"):
        secret_key(path)
    assert path.read_bytes() == b"changeme"
