"""Versions of marks: whose they are, who was quicker, and that none is lost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fedlung.errors import Conflict, UnreadableStore
from fedlung.stores.prediction_marks import (
    ACCEPTED,
    MODEL,
    READER,
    REJECTED,
    FirstRead,
    Mark,
    MarkStore,
    MarkVersion,
    _read,
)
from tests.at_once import run_together

CANDIDATES = [{"id": f"m{n}", "center_xyz_mm": [n, 0.0, 0.0], "diameter_mm": 5.0} for n in (1, 2)]
OWN = Mark("r1", READER, (0.0, 1.0, 2.0), 6.0, ACCEPTED)


class Desk:
    """A store, a folder, and somebody who saves."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, MarkStore()

    def newest(self) -> MarkVersion:
        return self.store.newest(self.folder, CANDIDATES)

    def kept(self) -> list[MarkVersion]:
        """Every version as it is in its file."""
        return [_read(path) for path in sorted((self.folder / "marks").iterdir())]

    def save(self, items: Sequence[Mark], read: int | None = None, **more: Any) -> MarkVersion:
        asked = {"first_read_declared": False, "author": "li", **more}
        return self.store.save(self.folder, CANDIDATES, self.newest().version if read is None else read, items, **asked)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_version_0_is_the_models(desk: Desk) -> None:
    first = desk.newest()
    assert (first.version, first.author, first.first_reads) == (0, "", ())
    assert [(mark.id, mark.source, mark.status, mark.author) for mark in first.items] == [
        ("m1", MODEL, "open", ""),
        ("m2", MODEL, "open", ""),
    ]
    assert not (desk.folder / "marks").exists()


def test_only_what_changed_is_signed(desk: Desk) -> None:
    one, two = desk.newest().items
    desk.save([replace(one, status=ACCEPTED), two, OWN])
    saved = desk.save([replace(m, status=REJECTED) if m.id == "m2" else m for m in desk.newest().items], author="wang")
    assert {mark.id: mark.author for mark in saved.items} == {"m1": "li", "m2": "wang", "r1": "li"}
    assert saved == desk.newest()
    assert saved.counts() == {"open": 0, "accepted": 2, "rejected": 1, "added": 1}


def test_a_browser_cannot_sign_for_others(desk: Desk) -> None:
    one, two = desk.newest().items
    saved = desk.save([replace(one, status=ACCEPTED, author="boss", time="2001"), replace(two, author="boss")])
    assert [mark.author for mark in saved.items] == ["li", ""]


def test_marks_of_the_model_that_are_not_sent_stay(desk: Desk) -> None:
    one, _ = desk.newest().items
    desk.save([replace(one, status=REJECTED), OWN])
    saved = desk.save([])
    assert {mark.id: mark.status for mark in saved.items} == {"m1": REJECTED, "m2": "open"}  # an own mark can go


def test_of_two_who_read_the_same_version_one_wins(desk: Desk) -> None:
    outcomes: list[str] = []

    def save(number: int) -> None:
        try:
            desk.save([replace(OWN, comment=str(number))], read=0)
            outcomes.append("saved")
        except Conflict:
            outcomes.append("conflict")

    run_together(save, 8)
    assert sorted(outcomes) == ["conflict"] * 7 + ["saved"]
    assert desk.newest().version == 1


def test_everybody_declares_the_first_read_once_and_for_ever(desk: Desk) -> None:
    first = desk.save([], first_read_declared=True)
    (lis,) = first.first_reads
    assert (lis.author, lis.time) == ("li", first.time)
    assert desk.save([], author="wang").first_reads == (lis,), "wang only saved"
    both = desk.save([], author="wang", first_read_declared=True)
    assert both.first_reads == (lis, FirstRead("wang", both.time))
    assert desk.save([], first_read_declared=True).first_reads == both.first_reads, "with the time of the first time"
    assert desk.save([]).first_reads == desk.newest().first_reads == both.first_reads
    assert [both.has_declared(name) for name in ("li", "wang", "zhao")] == [True, True, False]
    assert [version.first_reads for version in desk.kept()] == [(lis,), (lis,), *[both.first_reads] * 3]


def write_old(desk: Desk, version: int, author: str, is_declared: bool) -> None:
    """As versions were written when one declaration counted for the whole reading."""
    (desk.folder / "marks").mkdir(exist_ok=True)
    head = {"version": version, "author": author, "time": f"2026-01-0{version}", "first_read_declared": is_declared}
    (desk.folder / "marks" / f"{version:06d}.json").write_text(json.dumps({**head, "items": []}))


def test_the_flag_of_an_old_file_is_of_whoever_set_it(desk: Desk) -> None:
    write_old(desk, 1, "zhao", False)
    assert desk.newest().first_reads == ()
    write_old(desk, 2, "li", True)
    assert desk.newest().first_reads == (FirstRead("li", "2026-01-02"),)
    write_old(desk, 3, "wang", True)  # a later version had the flag of the one before
    assert desk.newest().first_reads == (FirstRead("li", "2026-01-02"),)
    saved = desk.save([], author="wang", first_read_declared=True)
    assert [declared.author for declared in saved.first_reads] == ["li", "wang"]
    assert desk.newest() == saved
    assert [entry["author"] for entry in desk.store.history(desk.folder)] == ["zhao", "li", "wang", "wang"]
    (desk.folder / "marks" / "000001.json").write_bytes(b"[")
    assert desk.newest() == saved
    (desk.folder / "marks" / "000004.json").unlink()
    with pytest.raises(UnreadableStore):
        desk.newest()  # whose it is cannot be told


@pytest.mark.parametrize("content", [b"", b"[]", b"7", b"null", b'{"first_read_declared": true}', b"\xff"])
def test_what_is_no_version_is_said(desk: Desk, content: bytes) -> None:
    desk.save([OWN])
    (desk.folder / "marks" / "000001.json").write_bytes(content)
    with pytest.raises(UnreadableStore):
        desk.newest()


def test_every_version_is_kept(desk: Desk) -> None:
    desk.save([OWN])
    desk.save([replace(OWN, comment="second thought")], author="wang")
    found = desk.store.history(desk.folder)
    assert [(entry["version"], entry["author"], entry["added"]) for entry in found] == [(1, "li", 1), (2, "wang", 1)]


def test_a_damaged_version_is_said_and_the_older_one_is_not_shown_instead(desk: Desk) -> None:
    desk.save([OWN])
    desk.save([])
    (desk.folder / "marks" / "000002.json").write_bytes(b"")
    with pytest.raises(UnreadableStore):
        desk.newest()
    with pytest.raises(UnreadableStore):
        desk.save([], read=1)


@pytest.mark.parametrize("change", [{"source": "nobody"}, {"status": "perhaps"}])
def test_marks_make_sense(change: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="must be one of"):
        replace(OWN, **change)
