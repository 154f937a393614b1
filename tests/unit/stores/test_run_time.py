"""How long a run was under way, of run folders written by hand: stopped, killed, paused, resumed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fedlung.stores.run_listing import RunListing

START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE, HOUR, DAY = 1, 60, 24 * 60
Line = tuple[float, str, dict[str, Any]]  # minutes after START, name of the event, fields


def status(minute: float, state: str) -> Line:
    return minute, "training_status", {"state": state, "round": 0, "rounds": 9}


def ended(minute: float, state: str) -> list[Line]:
    return [status(minute, state), (minute, "run_finished", {"state": state})]


def opens(minute: float, hospital: str = "hospital_a") -> list[Line]:
    told = {"hospital": hospital, "scans": 4}
    return [(at, "hospital_status", {**told, "state": state}) for at, state in ((minute, "opening"), (minute, "ready"))]


def round_done(minute: float) -> Line:
    return minute, "round_finished", {"round": 1}


def notice(minute: float, hospital: str) -> Line:
    return minute, "notice", {"message": "...", "hospital": hospital}


BEGUN = [*opens(0), status(5, "running")]

STORIES: dict[str, tuple[list[Line], float]] = {  # lines, minutes of work
    "straight through": ([*BEGUN, round_done(60), *ended(130, "finished")], 130),
    "stopped, resumed three days later": (
        [
            *BEGUN,
            *ended(60, "stopped"),
            *opens(3 * DAY),
            status(3 * DAY + 5, "running"),
            *ended(3 * DAY + 70, "finished"),
        ],
        60 + 70,
    ),
    "failed, resumed by the command, which tells no opening": (
        [*BEGUN, *ended(60, "failed"), status(DAY, "running"), *ended(DAY + 30, "finished")],
        60 + 30,
    ),
    "killed in the middle of a round": (
        [*BEGUN, round_done(40), *opens(DAY), status(DAY + 5, "running"), *ended(DAY + 20, "finished")],
        40 + 20,
    ),
    "killed, resumed by the command": (
        [*BEGUN, round_done(40), status(DAY, "running"), *ended(DAY + 20, "finished")],
        40 + 20,
    ),
    "killed, resumed past a damaged checkpoint": (
        [*BEGUN, round_done(40), notice(DAY, ""), status(DAY + 1, "running"), *ended(DAY + 20, "finished")],
        40 + 20,
    ),
    "killed after a word about a late hospital": (
        [*BEGUN, notice(41, "hospital_b"), status(DAY, "running"), *ended(DAY + 20, "finished")],
        41 + 20,
    ),
    "killed while hospitals were opened": (
        [*opens(0), *opens(3, "hospital_b"), *opens(DAY), status(DAY + 5, "running"), *ended(DAY + 20, "finished")],
        3 + 20,
    ),
    "killed, and not resumed": ([*BEGUN, round_done(40)], 40),
    "killed twice": (
        [
            *BEGUN,
            round_done(40),
            status(DAY, "running"),
            round_done(DAY + 9),
            *opens(2 * DAY),
            *ended(2 * DAY + 1, "failed"),
        ],
        40 + 9 + 1,
    ),
    "paused over night": (
        [
            *BEGUN,
            status(30, "paused"),
            notice(31, "hospital_b"),
            status(10 * HOUR, "running"),
            *ended(10 * HOUR + 15, "finished"),
        ],
        30 + 15,
    ),
    "paused, and stopped in the pause": ([*BEGUN, status(30, "paused"), *ended(10 * HOUR, "stopped")], 30),
    "paused, killed in the pause, resumed": (
        [*BEGUN, status(30, "paused"), *opens(DAY), status(DAY + 5, "running"), *ended(DAY + 15, "finished")],
        30 + 15,
    ),
    "a late hospital after the end": (
        [*BEGUN, *ended(60, "stopped"), notice(61, "hospital_b"), status(DAY, "running"), *ended(DAY + 30, "finished")],
        60 + 30,
    ),
    "resumed past a damaged checkpoint": (
        [*BEGUN, *ended(60, "stopped"), notice(DAY, ""), status(DAY + 1, "running"), *ended(DAY + 30, "finished")],
        60 + 30,
    ),
    "the clock was set back": ([*BEGUN, round_done(40), round_done(20), *ended(50, "finished")], 40 + 30),
}


def write(root: Path, lines: list[Line], created: str = START.isoformat()) -> RunListing:
    folder = root / "run-1"
    folder.mkdir()
    config = {"created": created, "arguments": {"rounds": 9}}
    (folder / "config.json").write_text(json.dumps(config))
    events = [
        {"seq": seq, "time": (START + timedelta(minutes=minute)).isoformat(), "event": name, **fields}
        for seq, (minute, name, fields) in enumerate(lines, 1)
    ]
    (folder / "events.jsonl").write_text("".join(f"{json.dumps(event)}\n" for event in events))
    return RunListing(root)


@pytest.mark.parametrize(("lines", "minutes"), STORIES.values(), ids=STORIES.keys())
def test_what_a_run_took_is_the_time_it_was_under_way(tmp_path: Path, lines: list[Line], minutes: float) -> None:
    record = write(tmp_path, lines).get("run-1")
    assert record.worked_seconds == pytest.approx(minutes * 60)
    assert record.lasted_seconds == pytest.approx(lines[-1][0] * 60)


def test_no_events_no_time(tmp_path: Path) -> None:
    record = write(tmp_path, []).get("run-1")
    assert (record.worked_seconds, record.lasted_seconds) == (None, None)


def test_times_that_cannot_be_read_hide_no_run(tmp_path: Path) -> None:
    listing = write(tmp_path, [*BEGUN, *ended(30, "finished")], created="long ago")
    path = tmp_path / "run-1" / "events.jsonl"
    path.write_text('{"seq": 0, "event": "notice", "time": "?"}\n{"seq": 0, "event": "notice"}\n' + path.read_text())
    record = listing.get("run-1")
    assert (record.state, record.worked_seconds, record.lasted_seconds) == ("finished", 30 * 60, None)
