"""Files that are whole or absent, and lines that are there or not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fedlung.stores.atomic_files import append_line, cut_torn_line, read_lines, to_line, write_atomically


def test_write_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    write_atomically(path, b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["model.pth"]


def test_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.pth"
    write_atomically(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["model.pth"]


def test_lines_come_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    records = [{"n": 1, "text": "联邦 ä\u2028"}, {"n": 2, "text": "two\nlines"}]
    for record in records:
        append_line(path, record)
    assert read_lines(path) == (records, path.stat().st_size)


def test_a_number_that_json_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        append_line(tmp_path / "events.jsonl", {"loss": float("nan")})
    assert not (tmp_path / "events.jsonl").read_bytes()


def test_missing_file_has_no_lines(tmp_path: Path) -> None:
    assert read_lines(tmp_path / "none.jsonl") == ([], 0)
    cut_torn_line(tmp_path / "none.jsonl")
    assert not (tmp_path / "none.jsonl").exists()


@pytest.mark.parametrize("rest", [b"", b"\x00" * 40, b"\x00" * 40 + b"\n", b"[1]\n", b"3\n"])
def test_every_torn_end_is_dropped_and_cut(tmp_path: Path, rest: bytes) -> None:
    """The third line cut at every byte (as by a kill), or replaced by what a power cut leaves."""
    path = tmp_path / "rounds.jsonl"
    whole, last = to_line({"round": 1}) + to_line({"round": 2}), to_line({"round": 3, "note": "é"})
    ends = [rest] if rest else [last[:size] for size in range(len(last))]
    for end in ends:
        path.write_bytes(whole + end)
        assert read_lines(path) == ([{"round": 1}, {"round": 2}], len(whole))
        cut_torn_line(path)
        assert path.read_bytes() == whole
        append_line(path, {"round": 3})
        assert [record["round"] for record in read_lines(path)[0]] == [1, 2, 3]


def test_damage_in_the_middle_is_not_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "rounds.jsonl"
    path.write_bytes(to_line({"round": 1}) + b'{"round": \n' + to_line({"round": 3}))
    with pytest.raises(ValueError, match="line 2 is damaged"):
        read_lines(path)
