"""Runs as their folders tell them, whoever drives them and whatever became of the files."""

from __future__ import annotations

import os
import shutil
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

from fedlung.errors import BadRunFolder, NotFound
from fedlung.events import HospitalStatus, RoundFinished, TrainingStatus
from fedlung.stores.run_listing import INTERRUPTED, RunListing
from fedlung.stores.runs import RunFolder, is_driven

ARGUMENTS = {"rounds": 3, "strategy": "fedavg"}


def make(root: Path, run_id: str, *, created: str = "2026-01-01T00:00:00+00:00", **more: Any) -> RunFolder:
    return RunFolder.create(root, run_id, {"created": created, "arguments": ARGUMENTS, **more})


def add_round(run: RunFolder, number: int) -> None:
    run.append_round(RoundFinished(run.run_id, number, 3, 10, 2.5, 0.1, {"loss": 1 / number}, ()).to_json())


def tell(run: RunFolder, state: str, round_: int, reason: str = "") -> None:
    run.append_event(TrainingStatus(run.run_id, state, round_, 3, reason))


def test_no_folder_no_runs(tmp_path: Path) -> None:
    assert RunListing(tmp_path / "runs").all() == []


def test_a_finished_run(tmp_path: Path) -> None:
    with make(tmp_path, "run-1", started_by="admin", scans={"hospital_a": 4}) as run:
        run.append_round({"round": 0, "rounds": 3})
        tell(run, "running", 0)
        for number in (1, 2, 3):
            add_round(run, number)
        tell(run, "finished", 3)
    record = RunListing(tmp_path).get("run-1")
    assert (record.state, record.reason, record.round, record.rounds) == ("finished", "", 3, 3)
    assert (record.started_by, record.scans, record.arguments) == ("admin", {"hospital_a": 4}, ARGUMENTS)
    assert [item["round"] for item in record.records] == [1, 2, 3]
    assert record.ended > record.created
    assert not record.can_resume


def test_newest_first(tmp_path: Path) -> None:
    for run_id, created in (("b", "2026-01-02"), ("a", "2026-01-03"), ("c", "2026-01-01")):
        make(tmp_path, run_id, created=created).close()
    assert [record.run_id for record in RunListing(tmp_path).all()] == ["a", "b", "c"]


@pytest.mark.parametrize("state", ["running", "paused", None])
def test_a_run_whose_process_is_gone_is_stopped_and_can_go_on(tmp_path: Path, state: str | None) -> None:
    listing = RunListing(tmp_path)
    with make(tmp_path, "run-1") as run:
        add_round(run, 1)
        if state is not None:
            tell(run, state, 0)
        record = listing.get("run-1")
        assert (record.state, record.is_driven, record.can_resume) == (state or "queued", True, False)
    record = listing.get("run-1")
    assert (record.state, record.reason, record.round) == ("stopped", INTERRUPTED, 1)
    assert (record.is_driven, record.can_resume, record.ended) == (False, True, "")


@pytest.mark.parametrize(("state", "round_", "can_resume"), [("failed", 1, True), ("stopped", 1, True)])
def test_ended_early_can_go_on(tmp_path: Path, state: str, round_: int, can_resume: bool) -> None:
    with make(tmp_path, "run-1") as run:
        add_round(run, 1)
        tell(run, state, round_, "for a reason")
    record = RunListing(tmp_path).get("run-1")
    assert (record.state, record.reason, record.can_resume) == (state, "for a reason", can_resume)


def test_what_is_left_after_going_back_to_an_earlier_checkpoint(tmp_path: Path) -> None:
    """Rounds 1 and 2 are on disk, the checkpoint of 2 was damaged, and the resumed run stopped before repeating it."""
    with make(tmp_path, "run-1") as run:
        add_round(run, 1)
        add_round(run, 2)
        tell(run, "running", 1)
        tell(run, "stopped", 1)
    assert RunListing(tmp_path).get("run-1").round == 1


def test_a_change_on_disk_is_seen(tmp_path: Path) -> None:
    listing = RunListing(tmp_path)
    with make(tmp_path, "run-1") as run:
        tell(run, "running", 0)
        for number in (1, 2, 3):
            add_round(run, number)
            assert listing.get("run-1").round == number


def test_the_newest_is_the_first_of_all_whatever_happens(tmp_path: Path) -> None:
    listing = RunListing(tmp_path)

    def newest() -> str | None:
        every = listing.all()
        found = listing.newest()
        assert found == (every[0] if every else None)
        return None if found is None else f"{found.run_id} {found.state} {found.round}"

    assert newest() is None
    for run_id, created in (("a", "2026-01-02"), ("b", "2026-01-03"), ("c", "2026-01-01")):
        make(tmp_path, run_id, created=created).close()
    assert newest() == "b stopped 0"
    with RunFolder.open(tmp_path / "b") as run:
        add_round(run, 1)
        tell(run, "running", 1)
        assert newest() == "b running 1"
    with RunFolder.open(tmp_path / "c") as older:
        tell(older, "finished", 0)
        older.add_to_config({"created": "2026-01-04"})
    assert newest() == "c finished 0"
    (tmp_path / "c" / "rounds.jsonl").write_text('{"loss": 1}\n')
    assert newest() == "c failed 0"  # damaged, and as old as before
    shutil.rmtree(tmp_path / "c")
    assert newest() == "b stopped 1"


def test_a_run_that_does_not_say_when_it_was_made_is_as_old_as_its_config(tmp_path: Path) -> None:
    for run_id, seconds in (("old", 1_000), ("new", 2_000)):
        (tmp_path / run_id).mkdir()
        (tmp_path / run_id / "config.json").write_text("{}")
        os.utime(tmp_path / run_id / "config.json", (seconds, seconds))
    listing = RunListing(tmp_path)
    listing.set_note("old", "a second look", "admin")
    assert [record.run_id for record in listing.all()] == ["new", "old"]


def test_what_is_known_of_a_run_goes_with_its_folder(tmp_path: Path) -> None:
    listing = RunListing(tmp_path)
    with make(tmp_path, "run-1") as run:
        tell(run, "finished", 0)
    known = weakref.ref(listing.get("run-1"))
    assert known() is listing.newest()
    shutil.rmtree(tmp_path / "run-1")
    assert listing.newest() is None
    assert known() is None


def test_many_look_while_runs_come_and_grow(tmp_path: Path) -> None:
    listing = RunListing(tmp_path)
    over = threading.Event()
    rounds_seen: list[list[int]] = [[], []]

    def look(seen: list[int]) -> None:
        while not over.is_set():
            listing.all()
            newest = listing.newest()
            seen.append(newest.round if newest is not None else 0)

    watchers = [threading.Thread(target=look, args=(seen,)) for seen in rounds_seen]
    for watcher in watchers:
        watcher.start()
    try:
        with make(tmp_path, "run-1") as run:
            for number in range(1, 21):
                make(tmp_path, f"older-{number}", created="2025-01-01").close()
                add_round(run, number)
    finally:
        over.set()
        for watcher in watchers:
            watcher.join()
    assert all(seen == sorted(seen) for seen in rounds_seen)
    assert (listing.get("run-1").round, len(listing.all())) == (20, 21)


def test_hospitals_that_were_left_out_and_came_back(tmp_path: Path) -> None:
    with make(tmp_path, "run-1") as run:
        for name, state, reason in (("a", "left_out", "no scan"), ("b", "left_out", "no table"), ("b", "ready", "")):
            run.append_event(HospitalStatus("run-1", name, state, 0, reason))
    assert RunListing(tmp_path).get("run-1").left_out == {"a": "no scan"}


DAMAGE = {
    "config is no JSON": ("config.json", b"{"),
    "config is a list": ("config.json", b"[]"),
    "an event is damaged": ("events.jsonl", b'{"seq": 1\n{"seq": 2}\n'),
    "a round has no number": ("rounds.jsonl", b'{"loss": 1}\n'),
    "arguments are a list": ("config.json", b'{"arguments": [1]}'),
    "rounds are a word": ("config.json", b'{"arguments": {"rounds": "many"}}'),
}


@pytest.mark.parametrize(("name", "content"), DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_folder_is_a_failed_run_that_says_why(tmp_path: Path, name: str, content: bytes) -> None:
    make(tmp_path, "good").close()
    make(tmp_path, "bad").close()
    (tmp_path / "bad" / name).write_bytes(content)
    records = {record.run_id: record for record in RunListing(tmp_path).all()}
    assert records.keys() == {"good", "bad"}
    assert records["bad"].state == "failed"
    assert records["bad"].reason
    assert not records["bad"].can_resume


TRAVERSALS = ["../run-1", "run-1/", "./run-1", "/etc", "..", ".", "", "run-1\0", "run-1/../run-1", "RUN-1", "%2e%2e"]


@pytest.mark.parametrize("run_id", TRAVERSALS)
def test_an_id_is_never_a_path(tmp_path: Path, run_id: str) -> None:
    make(tmp_path / "runs", "run-1").close()
    make(tmp_path, "outside").close()
    with pytest.raises(NotFound):
        RunListing(tmp_path / "runs").get(run_id)


def test_half_made_folders_and_files_are_no_runs(tmp_path: Path) -> None:
    (tmp_path / ".run-1.ab.partial").mkdir()
    (tmp_path / ".run-1.ab.partial" / "config.json").write_text("{}")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    assert RunListing(tmp_path).all() == []


def test_the_last_note_stays(tmp_path: Path) -> None:
    make(tmp_path, "run-1").close()
    listing = RunListing(tmp_path)
    assert listing.get("run-1").note.text == ""
    listing.set_note("run-1", "first", "admin")
    listing.set_note("run-1", "学习率太高 =1+1", "奥黛丽")
    note = RunListing(tmp_path).get("run-1").note
    assert (note.text, note.author) == ("学习率太高 =1+1", "奥黛丽")
    (tmp_path / "run-1" / "notes.json").write_text("[")
    assert listing.get("run-1").note.text == ""
    with pytest.raises(NotFound):
        listing.set_note("../run-1", "x", "admin")


def test_looking_does_not_disturb_who_takes_a_run_over(tmp_path: Path) -> None:
    make(tmp_path, "run-1").close()
    looking = threading.Event()

    def look() -> None:
        while not looking.is_set():
            is_driven(tmp_path / "run-1")

    watchers = [threading.Thread(target=look) for _ in range(2)]
    for watcher in watchers:
        watcher.start()
    try:
        for _ in range(30):
            RunFolder.open(tmp_path / "run-1").close()
    finally:
        looking.set()
        for watcher in watchers:
            watcher.join()


def test_driven_by_somebody_else(tmp_path: Path) -> None:
    assert not is_driven(tmp_path / "nowhere")
    with make(tmp_path, "run-1"):
        assert is_driven(tmp_path / "run-1")
        with pytest.raises(BadRunFolder, match="is being driven by process"):
            RunFolder.open(tmp_path / "run-1")
    assert not is_driven(tmp_path / "run-1")
