"""The file of accounts: private, copied, and refused rather than repaired."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fedlung.errors import UnreadableStore
from fedlung.stores.json_users import JsonUserStore
from fedlung.stores.users import ADMIN, STAFF, new_user

SECRET = "sha256-bcrypt:$2b$04$canary"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with an administrator and one of the staff."""
    store = JsonUserStore(tmp_path / "users.json")
    store.add(new_user("admin", "Administrator", SECRET, ADMIN, None))
    store.add(new_user("staff_a", "Staff A", SECRET, STAFF, "hospital_a"))
    return store.path


def rewrite(path: Path, change: Callable[[Any], Any]) -> None:
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


def with_user(**changes: Any) -> Callable[[Any], Any]:
    """A change of the second account by hand."""
    return lambda content: {**content, "users": [content["users"][0], {**content["users"][1], **changes}]}


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_file_and_copy_are_for_the_owner_only(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        store = JsonUserStore(tmp_path / "users.json")
        store.add(new_user("admin", "Administrator", SECRET, ADMIN, None))
    finally:
        os.umask(before)
    assert [oct(file.stat().st_mode & 0o777) for file in (store.path, store.copy)] == ["0o600"] * 2
    assert sorted(os.listdir(tmp_path)) == ["users.json", "users.json.bak"]


def test_copy_holds_what_the_file_holds(path: Path) -> None:
    assert path.read_bytes() == path.with_name("users.json.bak").read_bytes()


def test_open_permissions_are_told_and_closed(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.chmod(0o644)
    with caplog.at_level(logging.WARNING):
        assert len(JsonUserStore(path).all()) == 2
    assert "has mode 644" in caplog.text
    assert path.stat().st_mode & 0o777 == 0o600


def test_change_by_another_hand_is_seen_at_once(path: Path) -> None:
    """An account that an administrator makes inactive in the file must not stay in memory."""
    store = JsonUserStore(path)
    user = store.by_username("staff_a")
    assert user is not None
    rewrite(path, with_user(is_active=False))
    assert store.by_username("staff_a") == replace(user, is_active=False)


def test_leftovers_of_a_crash_are_swept(path: Path) -> None:
    leftover = path.with_name(".users.json.0a1b2c3d.partial")
    leftover.write_text("{")
    JsonUserStore(path)
    assert not leftover.exists()


UNREADABLE: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut in the middle": lambda path: path.write_bytes(path.read_bytes()[:300]),
    "NUL bytes": lambda path: path.write_bytes(b"\x00" * 500),
    "not UTF-8": lambda path: path.write_bytes(path.read_bytes().replace(b"Staff", b"\xff\xfe")),
    "deeply nested": lambda path: path.write_bytes(b"[" * 100_000),
    "list": lambda path: path.write_text("[]"),
    "other format": lambda path: rewrite(path, lambda content: {**content, "format": 2}),
    "missing field": lambda path: rewrite(path, lambda content: {**content, "users": [{"id": "0" * 32}]}),
    "field of a later version": lambda path: rewrite(path, with_user(second_factor="x")),
    "unknown role": lambda path: rewrite(path, with_user(role="root")),
    "staff without hospital": lambda path: rewrite(path, with_user(hospital_id=None)),
    "path as hospital": lambda path: rewrite(path, with_user(hospital_id="../hospital_b")),
    "text as flag": lambda path: rewrite(path, with_user(is_active="false")),
    "text as number": lambda path: rewrite(path, with_user(version="1")),
    "name that is not normal": lambda path: rewrite(path, with_user(username="Admin")),
    "two of one name": lambda path: rewrite(path, with_user(username="admin")),
    "missing": lambda path: path.unlink(),
    "folder": lambda path: (path.unlink(), path.mkdir()),
    "link": lambda path: (path.rename(path.with_name("real.json")), path.symlink_to("real.json")),
    "dangling link": lambda path: (path.unlink(), path.symlink_to("nowhere")),
    "FIFO": lambda path: (path.unlink(), os.mkfifo(path)),
}


@pytest.mark.parametrize("kind", UNREADABLE)
@pytest.mark.parametrize("while_open", [False, True])
def test_unreadable_file_is_refused_and_kept(path: Path, kind: str, while_open: bool) -> None:
    store = JsonUserStore(path)
    assert store.by_username("admin") is not None
    UNREADABLE[kind](path)
    before = snapshot(path.parent)
    store = store if while_open else JsonUserStore(path)
    newcomer = new_user("new", "New", SECRET, STAFF, "hospital_a")
    actions: list[Callable[[], object]] = [
        store.all,
        lambda: store.by_username("admin"),
        lambda: store.add(newcomer),
        lambda: store.replace(newcomer),
    ]
    for action in actions:
        with pytest.raises(UnreadableStore, match=r"users\.json cannot be read .*users\.json\.bak") as error:
            action()
        assert "canary" not in str(error.value)
    assert snapshot(path.parent) == before


def test_copy_put_back_is_read(path: Path) -> None:
    store = JsonUserStore(path)
    users = store.all()
    path.write_bytes(b"")
    with pytest.raises(UnreadableStore):
        store.all()
    store.copy.rename(path)
    assert store.all() == users


def test_link_is_not_followed_for_the_first_account(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere.json"
    (tmp_path / "users.json").symlink_to(target)
    with pytest.raises(UnreadableStore, match="not a plain file"):
        JsonUserStore(tmp_path / "users.json").add(new_user("admin", "A", SECRET, ADMIN, None))
    assert not target.exists()


def test_copy_that_cannot_be_written_does_not_undo_the_change(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = JsonUserStore(path)
    store.copy.unlink()
    store.copy.mkdir()
    user = store.by_username("staff_a")
    assert user is not None
    with caplog.at_level(logging.WARNING):
        store.replace(replace(user, is_active=False))
    found = JsonUserStore(path).by_username("staff_a")
    assert found is not None
    assert not found.is_active
    assert "users.json.bak could not be written" in caplog.text


def snapshot(folder: Path) -> dict[str, object]:
    return {
        file.name: (file.lstat().st_mode, file.lstat().st_size, file.read_bytes() if is_plain(file) else None)
        for file in folder.iterdir()
    }


def is_plain(file: Path) -> bool:
    return file.is_file() and not file.is_symlink()
