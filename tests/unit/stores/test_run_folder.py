"""A run's folder: made whole, driven by one process, readable by others at any time."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fedlung.errors import BadRunFolder, WrongArgument
from fedlung.events import Notice, RoundFinished
from fedlung.stores import runs
from fedlung.stores.atomic_files import append_line
from fedlung.stores.runs import RunFolder, find_run, new_run_id, read_config, read_events, read_rounds


def notice(text: str) -> Notice:
    return Notice("run-1", text)


def test_new_folder_has_its_config_and_no_rounds(tmp_path: Path) -> None:
    with RunFolder.create(tmp_path / "runs", "run-1", {"seed": 3}) as run:
        assert run.run_id == "run-1"
        assert run.config["seed"] == 3
        assert run.config["run_id"] == "run-1"
        created = datetime.fromisoformat(run.config["created"])
        assert abs((datetime.now(UTC) - created).total_seconds()) < 60
        assert run.last_complete_round() is None
        assert run.checkpoint_path(7).name == "round_0007.pth"
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["run-1"]


def test_a_run_is_never_made_twice(tmp_path: Path) -> None:
    RunFolder.create(tmp_path, "run-1", {"seed": 3}).close()
    with pytest.raises(BadRunFolder, match="run run-1 exists already"):
        RunFolder.create(tmp_path, "run-1", {"seed": 4})
    assert read_config(tmp_path / "run-1")["seed"] == 3
    assert [path.name for path in tmp_path.iterdir()] == ["run-1"]


def test_ids_sort_by_time() -> None:
    before, run_id, after = datetime.now(UTC), new_run_id(), datetime.now(UTC)
    assert f"{before:%Y%m%d-%H%M%S}" <= run_id.rpartition("-")[0] <= f"{after:%Y%m%d-%H%M%S}"


def test_a_new_run_gets_an_id_that_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More runs are made at once than there are tries without a clash."""
    ids = [f"run-{number:02}" for number in range(16)]
    monkeypatch.setattr(runs, "new_run_id", lambda: random.choice(ids))

    def make(_: int) -> str:
        with RunFolder.create_new(tmp_path, lambda run_id: {"out": run_id}) as run:
            assert run.config["out"] == run.config["run_id"] == run.run_id
            return run.run_id

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(make, ids)) == sorted(path.name for path in tmp_path.iterdir()) == ids


def test_events_are_numbered_on_after_reopening(tmp_path: Path) -> None:
    with RunFolder.create(tmp_path, "run-1", {}) as run:
        assert run.append_event(notice("one"))["seq"] == 1
        run.append_event(notice("two"))
    with RunFolder.open(tmp_path / "run-1") as run:
        record = run.append_event(notice("three"))
    assert (record["seq"], record["event"], record["message"]) == (3, "notice", "three")
    assert datetime.fromisoformat(record["time"]).tzinfo is not None
    assert [event["message"] for event in read_events(tmp_path / "run-1")] == ["one", "two", "three"]


def test_torn_lines_are_cut_when_the_run_is_opened(tmp_path: Path) -> None:
    with RunFolder.create(tmp_path, "run-1", {}) as run:
        run.append_event(notice("one"))
        run.append_round({"round": 0})
    for name in ("events.jsonl", "rounds.jsonl"):
        with (tmp_path / "run-1" / name).open("ab") as file:
            file.write(b'{"round": 1, "lo')
    (tmp_path / "run-1" / ".round_0001.pth.ab.partial").write_bytes(b"half")
    with RunFolder.open(tmp_path / "run-1") as run:
        assert run.last_complete_round() == run.rounds()[0]
        assert run.append_event(notice("two"))["seq"] == 2
        assert [record["round"] for record in run.rounds()] == [0]
    assert not list((tmp_path / "run-1").glob(".*.partial"))


def test_a_reader_sees_complete_lines_while_the_run_is_driven(tmp_path: Path) -> None:
    with RunFolder.create(tmp_path, "run-1", {}) as run:
        run.append_round({"round": 0})
        with (run.path / "rounds.jsonl").open("ab") as file:
            file.write(b'{"round": 1')
        assert [record["round"] for record in read_rounds(run.path)] == [0]


def test_a_round_done_again_replaces_itself_and_what_came_after(tmp_path: Path) -> None:
    with RunFolder.create(tmp_path, "run-1", {}) as run:
        for number, loss in [(0, 9), (1, 5), (2, 4), (3, 3), (2, 40)]:
            run.append_round({"round": number, "loss": loss})
        assert [(record["round"], record["loss"]) for record in run.rounds()] == [(0, 9), (1, 5), (2, 40)]


def test_lock_names_its_holder_and_ends_with_the_process(tmp_path: Path) -> None:
    RunFolder.create(tmp_path, "run-1", {}).close()
    code = (
        "import sys; from pathlib import Path; from fedlung.stores.runs import RunFolder\n"
        "run = RunFolder.open(Path(sys.argv[1])); print('open', flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "run-1")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"open\n"
        with pytest.raises(BadRunFolder, match=f"run run-1 is being driven by process {child.pid}$"):
            RunFolder.open(tmp_path / "run-1")
        child.kill()
    RunFolder.open(tmp_path / "run-1").close()


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"\xff"])
def test_folder_without_a_readable_config_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(BadRunFolder, match=r"config\.json"):
        RunFolder.open(tmp_path)


def test_damaged_history_is_refused_and_not_overwritten(tmp_path: Path) -> None:
    RunFolder.create(tmp_path, "run-1", {}).close()
    rounds = tmp_path / "run-1" / "rounds.jsonl"
    rounds.write_bytes(b'{"round": 0}\ndamaged\n{"round": 2}\n')
    with pytest.raises(BadRunFolder, match="line 2 is damaged"):
        RunFolder.open(tmp_path / "run-1")
    assert rounds.read_bytes() == b'{"round": 0}\ndamaged\n{"round": 2}\n'
    append_line(tmp_path / "other.jsonl", {})  # the refusal has let the lock go
    rounds.write_bytes(b'{"loss": 0}\n')
    with RunFolder.open(tmp_path / "run-1") as run, pytest.raises(BadRunFolder, match="no round number"):
        run.rounds()


def test_run_is_found_by_id_or_by_folder(tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "runs", "run-1", {}).close()
    assert find_run(tmp_path / "runs", "run-1") == tmp_path / "runs" / "run-1"
    assert find_run(tmp_path / "elsewhere", str(tmp_path / "runs" / "run-1")) == tmp_path / "runs" / "run-1"
    with pytest.raises(WrongArgument, match=r"there is no run 'run-2' in .*runs; there is run-1$"):
        find_run(tmp_path / "runs", "run-2")
    with pytest.raises(WrongArgument, match="none at all"):
        find_run(tmp_path / "elsewhere", "run-2")


def test_every_event_is_json_for_browsers() -> None:
    event = RoundFinished("run-1", 1, 3, 10, 2.5, 0.1, {"loss": 0.5}, (), {"a": "late"}, {"b": {"dice": 0.5}})
    plain = json.loads(json.dumps(event.to_json(), allow_nan=False))
    assert plain["event"] == "round_finished"
    assert plain["dropped"] == {"a": "late"}
    assert plain["validation"] == {"b": {"dice": 0.5}}
