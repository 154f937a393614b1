"""Uploads on disk: what has arrived stays, what belongs together stays together, and what is old goes."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedlung.errors import ChecksumMismatch, Conflict, InvalidInput, NotFound
from fedlung.stores.upload_groups import CHECKING, DONE, UPLOADING, WAITING, UploadResult
from fedlung.stores.upload_pieces import Checksum
from fedlung.stores.uploads import UploadStore
from tests.at_once import run_together

LONG = 20.0


@pytest.fixture
def store(tmp_path: Path) -> UploadStore:
    return UploadStore(tmp_path)


def arrived(store: UploadStore, file_id: str) -> bytes:
    group, file = store.find(file_id)
    content = store.path_of(group, file).read_bytes()
    assert store.received(group, file) == len(content)
    return content


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_pieces_arrive_one_behind_the_other(store: UploadStore) -> None:
    file = store.create("g", "ct.mhd", 10, "staff_a")
    assert arrived(store, file.id) == b""
    assert store.append(file.id, 0, [b"0123", b"45"]) == 6
    assert store.append(file.id, 6, [b"6789"]) == 10
    assert arrived(store, file.id) == b"0123456789"


@pytest.mark.parametrize("offset", [0, 3, 5, 100])
def test_a_wrong_offset_is_refused(store: UploadStore, offset: int) -> None:
    file = store.create("g", "ct.mhd", 10, "staff_a")
    store.append(file.id, 0, [b"0123"])
    with pytest.raises(Conflict, match="4 bytes have arrived"):
        store.append(file.id, offset, [b"x"])
    assert arrived(store, file.id) == b"0123"


def test_more_than_was_announced_is_refused_and_the_rest_kept(store: UploadStore) -> None:
    file = store.create("g", "ct.mhd", 4, "staff_a")
    with pytest.raises(InvalidInput, match="4 bytes"):
        store.append(file.id, 0, [b"01", b"234"])
    assert arrived(store, file.id) == b"01"


def broken_line(*pieces: bytes) -> Iterator[bytes]:
    yield from pieces
    raise ConnectionResetError


def test_a_broken_line_keeps_what_has_arrived(store: UploadStore, tmp_path: Path) -> None:
    file = store.create("g", "ct.mhd", 10, "staff_a")
    with pytest.raises(ConnectionResetError):
        store.append(file.id, 0, broken_line(b"012", b"3"))
    again = UploadStore(tmp_path)  # and a restart, too
    assert arrived(again, file.id) == b"0123"
    assert again.append(file.id, 4, [b"456789"]) == 10


@pytest.mark.parametrize("algorithm", ["sha256", "sha1", "md5"])
def test_a_checksum_is_compared(store: UploadStore, algorithm: str) -> None:
    file = store.create("g", "ct.mhd", 10, "staff_a")
    right = Checksum(algorithm, hashlib.new(algorithm, b"0123").digest())
    assert store.append(file.id, 0, [b"01", b"23"], right) == 4
    with pytest.raises(ChecksumMismatch):
        store.append(file.id, 4, [b"45", b"66"], right)
    with pytest.raises(ConnectionResetError):
        store.append(file.id, 4, broken_line(b"4"), right)
    assert arrived(store, file.id) == b"0123", "what cannot be compared is not kept"


def test_the_newest_writer_takes_over(store: UploadStore) -> None:
    """Who sends again after a broken line does not wait for the server to notice."""
    file = store.create("g", "ct.mhd", 6, "staff_a")
    first_piece, go_on, outcome = threading.Event(), threading.Event(), []

    def dead_line() -> Iterator[bytes]:
        yield b"01"
        first_piece.set()
        assert go_on.wait(LONG)
        yield b"XX"

    def older() -> None:
        try:
            store.append(file.id, 0, dead_line())
        except Conflict as error:
            outcome.append(str(error))

    thread = threading.Thread(target=older)
    thread.start()
    assert first_piece.wait(LONG)
    assert store.append(file.id, 2, [b"23"]) == 4
    go_on.set()
    thread.join(LONG)
    assert outcome == ["the file is being sent by a newer request"]
    assert arrived(store, file.id) == b"0123"


def test_eight_who_send_the_same_piece_do_not_mix(store: UploadStore) -> None:
    file = store.create("g", "ct.mhd", 8 * 4096, "staff_a")
    reached = []

    def send(number: int) -> None:
        with contextlib.suppress(Conflict):
            reached.append(store.append(file.id, 0, [bytes([number]) * 512] * 8))

    run_together(send, 8)
    content = arrived(store, file.id)
    assert len(content) <= 8 * 512
    changes = sum(a != b for a, b in itertools.pairwise(content))
    assert changes <= 7, "a writer that was taken over never writes again"


def test_a_group_waits_when_all_of_it_has_arrived(store: UploadStore, tmp_path: Path) -> None:
    header, pixels, extra = (store.create("g", name, 2, "staff_a") for name in ("a.mhd", "a.raw", "notes.txt"))
    store.append(header.id, 0, [b"hh"])
    with pytest.raises(Conflict, match="1 of 2 files"):
        store.finish(header.id, [header.id, pixels.id], {})
    store.append(pixels.id, 0, [b"pp"])
    finished = store.finish(header.id, [header.id, pixels.id], {header.id: "ab"})
    assert (finished.state, [file.name for file in finished.files]) == (WAITING, ["a.mhd", "a.raw"])
    assert store.finish(pixels.id, [header.id, pixels.id], {}) == finished, "twice is as once"
    with pytest.raises(NotFound):
        store.find(extra.id)
    with pytest.raises(Conflict):
        store.append(header.id, 2, [b"x"])
    with pytest.raises(Conflict):
        store.create("g", "late.raw", 2, "staff_a")
    assert UploadStore(tmp_path).get(finished.id) == finished


def test_a_file_of_another_group_cannot_be_finished_with_it(store: UploadStore) -> None:
    one, other = store.create("g", "a", 0, "staff_a"), store.create("h", "b", 0, "staff_a")
    with pytest.raises(NotFound):
        store.finish(one.id, [one.id, other.id], {})


def test_what_was_sent_is_gone_when_a_group_has_ended(store: UploadStore, tmp_path: Path) -> None:
    file = store.create("g", "a.mhd", 2, "staff_a")
    store.append(file.id, 0, [b"hh"])
    group = store.finish(file.id, [file.id], {})
    (store.workspace(group) / "half a scan").touch()
    store.end(group.id, DONE, [UploadResult("1.2", "a.mhd", "stored", "%(a)s", {"a": 1})])
    assert [path.name for path in files(tmp_path)] == ["state.json"]
    again = UploadStore(tmp_path).get(group.id)
    assert (again.state, again.results) == (DONE, (UploadResult("1.2", "a.mhd", "stored", "%(a)s", {"a": 1}),))


def test_cancelling(store: UploadStore, tmp_path: Path) -> None:
    one, other = store.create("g", "a", 2, "staff_a"), store.create("g", "b", 2, "staff_a")
    store.cancel(one.id)
    assert [file.name for file in store.groups()[0].files] == ["b"]
    store.append(other.id, 0, [b"bb"])
    group = store.finish(other.id, [other.id], {})
    for state in (WAITING, CHECKING):
        store.set_state(group.id, state)
        with pytest.raises(Conflict):
            store.cancel(other.id)
    store.end(group.id, DONE, [])
    store.cancel(other.id)
    assert (store.groups(), files(tmp_path)) == ([], [])


def test_only_what_nobody_goes_on_with_is_swept(store: UploadStore) -> None:
    old, active, waiting = (store.create(key, "a", 2, "staff_a") for key in ("old", "active", "waiting"))
    store.append(waiting.id, 0, [b"aa"])
    store.finish(waiting.id, [waiting.id], {})
    hour = 3600.0
    for path in [path for path in store._folder.rglob("*") if path.is_file()]:
        os.utime(path, (0, time.time() - 2 * hour))
    store.append(active.id, 0, [b"a"])
    assert [group.key for group in store.sweep(hour)] == ["old"]
    assert {group.key for group in store.groups()} == {"active", "waiting"}
    with pytest.raises(NotFound):
        store.find(old.id)


def test_a_folder_that_is_no_group_is_removed_at_the_start(store: UploadStore, tmp_path: Path) -> None:
    kept = store.create("g", "a", 2, "staff_a")
    for name in ("half made", "work-abc"):
        (tmp_path / "uploads" / name / "files").mkdir(parents=True)
    again = UploadStore(tmp_path)
    assert len(list((tmp_path / "uploads").iterdir())) == 1
    assert again.find(kept.id)[0].state == UPLOADING


def test_how_much_is_still_to_come(store: UploadStore) -> None:
    one, other = store.create("g", "a", 10, "staff_a"), store.create("h", "b", 5, "staff_a")
    store.append(one.id, 0, [b"0123"])
    assert (store.expected_bytes(), store.bytes_used()) == (10 + 5 - 4, 4)
    store.append(other.id, 0, [b"01234"])
    store.finish(other.id, [other.id], {})
    assert (store.expected_bytes(), store.bytes_used()) == (10 - 4, 4 + 5)
