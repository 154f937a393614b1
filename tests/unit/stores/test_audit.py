"""The audit: every deed once, in order, readable from the newest back, and not forged by what people type."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from fedlung.stores import atomic_files, audit
from fedlung.stores.atomic_files import read_lines
from fedlung.stores.audit import Action, AuditLog


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def seqs(log: AuditLog, **wanted: Any) -> list[int]:
    return [entry["seq"] for entry in log.page(**wanted)]


def test_deed_is_recorded_with_every_field(path: Path) -> None:
    AuditLog(path).append("admin", Action.USER_CREATED, "staff_a", {"role": "staff", "count": 3}, "hospital_a")
    (entry,) = AuditLog(path).page()
    time = entry.pop("time")
    assert time.endswith("+00:00")
    assert entry == {
        "seq": 1,
        "actor": "admin",
        "action": "user_created",
        "target": "staff_a",
        "details": {"role": "staff", "count": 3},
        "hospital_id": "hospital_a",
    }
    assert path.stat().st_mode & 0o777 == 0o600


def test_pages_go_back_from_the_newest(path: Path) -> None:
    log = AuditLog(path)
    for _ in range(7):
        log.append("admin", Action.SIGN_IN)
    assert seqs(log, count=3) == [7, 6, 5]
    assert seqs(log, before=5, count=3) == [4, 3, 2]
    assert seqs(log, before=2, count=3) == [1]
    assert seqs(log, before=1) == []


def test_page_holds_only_what_was_asked_for(path: Path) -> None:
    log = AuditLog(path)
    for actor in ("admin", "staff_a") * 3:
        log.append(actor, Action.SIGN_IN)
        log.append(actor, Action.SIGN_OUT)
    assert seqs(log, action="sign_out", actor="staff_a") == [12, 8, 4]
    assert seqs(log, action="sign_out", actor="staff_a", before=12, count=1) == [8]


@pytest.mark.parametrize("block_bytes", [1, 7, 64, 1 << 16])
def test_lines_that_cross_blocks_are_whole(path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int) -> None:
    monkeypatch.setattr(audit, "BLOCK_BYTES", block_bytes)
    log = AuditLog(path)
    for number in range(5):
        log.append("医生", Action.RUN_NOTED, details={"text": "é" * number})
    assert [entry["details"]["text"] for entry in log.page()] == ["é" * number for number in (4, 3, 2, 1, 0)]


def test_numbers_go_on_after_a_restart(path: Path) -> None:
    AuditLog(path).append("admin", Action.SIGN_IN)
    AuditLog(path).append("admin", Action.SIGN_OUT)
    assert seqs(AuditLog(path)) == [2, 1]


@pytest.mark.parametrize("torn", [b'{"seq": 2, "ti', b"\x00" * 300, b"{", b"x" * 100_000])
def test_torn_end_is_cut_and_not_continued(path: Path, torn: bytes) -> None:
    AuditLog(path).append("admin", Action.SIGN_IN)
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    log = AuditLog(path)
    assert path.read_bytes() == whole
    log.append("admin", Action.SIGN_OUT)
    assert [record["seq"] for record in read_lines(path)[0]] == [1, 2]


def test_damaged_line_hides_no_other(path: Path) -> None:
    log = AuditLog(path)
    for _ in range(3):
        log.append("admin", Action.SIGN_IN)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"\xff damaged\n" + b'{"seq": "9"}\n[1]\n' + lines[2])
    assert seqs(AuditLog(path)) == [3, 1]


def test_what_people_type_cannot_forge_a_line_or_fill_the_disk(path: Path) -> None:
    log = AuditLog(path)
    log.append(
        'x"}\n{"seq": 99', Action.SIGN_IN, "\x1b[2J\r\n\u2028" + "x" * 10**6, {"note": "\ud800", "nan": float("nan")}
    )
    assert path.read_bytes().count(b"\n") == 1
    (entry,) = log.page()
    assert entry["actor"] == 'x"}\n{"seq": 99'
    assert len(entry["target"]) == audit.LONGEST_TEXT
    assert entry["details"] == {"note": "?", "nan": "nan"}


def test_lists_are_told_as_text(path: Path) -> None:
    log = AuditLog(path)
    log.append("admin", Action.RUN_STARTED, details={"hospitals": ["hospital_a", "hospital_b"]})
    assert log.page()[0]["details"] == {"hospitals": "hospital_a, hospital_b"}


def test_many_threads_leave_one_line_each_without_gaps(path: Path) -> None:
    log = AuditLog(path)
    threads = [threading.Thread(target=log.append, args=(f"user{n}", Action.SIGN_IN)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seqs(log) == list(range(20, 0, -1))
    assert {entry["actor"] for entry in log.page()} == {f"user{n}" for n in range(20)}


def test_full_disk_is_told_in_the_log_and_leaves_no_half_line(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = AuditLog(path)
    log.append("admin", Action.SIGN_IN)
    whole = path.read_bytes()

    def half(descriptor: int, content: bytes) -> int:
        real_write(descriptor, content[:10])
        raise OSError(28, "No space left on device")

    real_write = os.write
    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(atomic_files.os, "write", half)
        log.append("admin", Action.USER_CHANGED, "staff_a")
    assert path.read_bytes() == whole
    assert "No space left" in caplog.text
    assert "staff_a" in caplog.text
    log.append("admin", Action.SIGN_OUT)
    assert seqs(log) == [2, 1]
