"""Tables that people open in a spreadsheet: what was written is read back, and no cell is a formula."""

from __future__ import annotations

import csv
import io
import json

import pytest

from fedlung.events import Notice, RoundStarted
from fedlung.web.training.exports import events_csv, events_jsonl, rounds_csv, to_csv
from fedlung.web.training.run_json import validation_mean
from tests.web.fake_launcher import SCANS, a_round

RUN = "run-1"


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_text_like_a_formula_gets_an_apostrophe(text: str) -> None:
    assert read(to_csv(["name"], [{"name": text}])) == [{"name": f"'{text}"}]


@pytest.mark.parametrize("number", [-1, -0.5, 1e-30, 0])
def test_numbers_stay_numbers(number: float) -> None:
    (row,) = read(to_csv(["number"], [{"number": number}]))
    assert float(row["number"]) == number


@pytest.mark.parametrize("text", ['say "yes", or no', "two\nlines", "医院 甲", "a,b", ""])
def test_other_text_is_read_back_as_it_was(text: str) -> None:
    assert read(to_csv(["name", "x"], [{"name": text}])) == [{"name": text, "x": ""}]


def test_events_as_a_table_and_as_lines() -> None:
    events = [
        {"seq": 1, "time": "t", **RoundStarted(RUN, 1, 3, ("a", "b"), 0.01).to_json()},
        {"seq": 2, "time": "t", **Notice(RUN, "=cmd()", "a").to_json()},
    ]
    rows = read(events_csv(events))
    assert [(row["seq"], row["event"], row["message"]) for row in rows] == [
        ("1", "round_started", ""),
        ("2", "notice", "'=cmd()"),
    ]
    assert json.loads(rows[0]["details"]) == {"rounds": 3, "hospitals": ["a", "b"], "learning_rate": 0.01}
    assert rows[1]["details"] == ""
    assert [json.loads(line) for line in events_jsonl(events).splitlines()] == json.loads(json.dumps(events))


def test_rounds_are_one_row_per_hospital_and_one_for_all() -> None:
    record = a_round(RUN, 2, 3, ["hospital_a"], {"hospital_b": "-inf in its update"}).to_json()
    rows = read(rounds_csv([{**record, "validation_mean": validation_mean(record)}]))
    assert [(row["hospital"], row["outcome"]) for row in rows] == [
        ("(all)", "aggregated"),
        ("hospital_a", "accepted"),
        ("hospital_b", "left out"),
    ]
    everybody, accepted, left_out = rows
    assert float(everybody["training_loss"]) == 1 / 2
    assert float(everybody["validation_cpm"]) == float(accepted["validation_cpm"]) == 1 / SCANS["hospital_a"]
    assert int(accepted["num_examples"]) == SCANS["hospital_a"]
    assert (left_out["reason"], left_out["training_loss"]) == ("'-inf in its update", "")


def test_no_rounds_no_rows() -> None:
    assert read(rounds_csv([])) == []
    assert read(events_csv([])) == []
