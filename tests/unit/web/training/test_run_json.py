"""A run as JSON: what is in it, and that nothing of another hospital is in what a hospital's people get."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fedlung.events import RoundStarted
from fedlung.stores.model_registry import ModelEntry, Promotion
from fedlung.stores.run_listing import INTERRUPTED, Note, RunRecord
from fedlung.web.training.live_run import LiveRun
from fedlung.web.training.model_cards import card_for, card_of, model_id_of, model_json
from fedlung.web.training.request import RunRequest
from fedlung.web.training.run_json import ASKED, config_json, full_run_json, run_for_hospital, run_json, validation_mean
from tests.web.fake_launcher import SCANS, a_round

RUN = "run-1"
SECRET = "hospital_b"


def a_record(**more: Any) -> RunRecord:
    records = [a_round(RUN, 1, 3, ["hospital_a", "hospital_b"]), a_round(RUN, 2, 3, ["hospital_a"], {SECRET: "NaN"})]
    arguments = {name: getattr(RunRequest(), field) for field, name in ASKED.items()}
    values = {
        "state": "stopped",
        "reason": f"stopped; {SECRET} was late",
        "round": 2,
        "rounds": 3,
        "created": "2026-01-01T00:00:00+00:00",
        "started_by": "admin",
        "arguments": {**arguments, "hospitals": ["hospital_a", SECRET], "strategy_option": [["mu", 0.5]]},
        "scans": {name: SCANS[name] for name in ("hospital_a", SECRET)},
        "left_out": {"hospital_c": "no scan", SECRET: "no table"},
        "records": tuple(json.loads(json.dumps(record.to_json())) for record in records),
        "note": Note(f"{SECRET} has new scanners", "admin", "2026-01-02"),
    }
    return RunRecord(RUN, **{**values, **more})


def a_live_run() -> LiveRun:
    live = LiveRun(RUN, 2, 3, lambda: 0.0)
    live.apply(RoundStarted(RUN, 3, 3, ("hospital_a", SECRET), 0.01))
    live.left_out["hospital_c"] = "no scan"
    return live


def test_a_run_of_the_past() -> None:
    run = full_run_json(a_record(), None, "m")
    assert (run["id"], run["state"], run["round"], run["rounds"], run["can_resume"]) == (RUN, "stopped", 2, 3, True)
    assert (run["current"], run["eta_seconds"], run["pending"], run["model_id"]) == (None, None, None, "m")
    assert run["config"].keys() == RunRequest.model_fields.keys()
    assert run["config"]["strategy_options"] == {"mu": 0.5}
    assert run["metrics"]["training"] == {"loss": 1 / 2, "dice": 0.5}
    assert [record["round"] for record in run["records"]] == [1, 2]
    json.dumps(run, allow_nan=False)


def test_reasons_name_files_below_the_hospitals_folder() -> None:
    place = "/srv/lung data/hospital_c/scans/one.mhd: the voxel file is missing"
    record = a_record(reason=f"too few: {place}", left_out={"hospital_c": place})
    record.arguments["data"] = "/srv/lung data"  # type: ignore[index]
    run = full_run_json(record, None, None)
    assert run["reason"] == "too few: scans/one.mhd: the voxel file is missing"
    assert run["left_out"] == {"hospital_c": "scans/one.mhd: the voxel file is missing"}


def test_what_it_took_is_told_when_it_is_over() -> None:
    record = a_record(worked_seconds=60.0, lasted_seconds=3600.0)
    over, live = run_json(record, None, None), run_json(record, a_live_run(), None)
    assert [(run["worked_seconds"], run["lasted_seconds"]) for run in (over, live)] == [(60.0, 3600.0), (None, None)]
    assert run_for_hospital(over, "hospital_a")["worked_seconds"] == 60.0


def test_the_run_under_way_is_told_by_its_events() -> None:
    run = full_run_json(a_record(), a_live_run(), None)
    assert (run["state"], run["reason"], run["can_resume"], run["ended"]) == ("queued", "", False, None)
    assert run["current"]["round"] == 3
    assert run["left_out"] == {"hospital_c": "no scan"}


def test_a_list_has_no_rounds() -> None:
    assert full_run_json(a_record(), None, None).keys() - run_json(a_record(), None, None).keys() == {
        "records",
        "current",
    }


def test_a_folder_that_cannot_be_read_has_no_config() -> None:
    assert config_json({}) == {}
    run = full_run_json(RunRecord(RUN, "failed", "damaged", 0, 0, "2026"), None, None)
    assert (run["config"], run["records"], run["can_resume"]) == ({}, [], False)
    assert run_for_hospital(run, "hospital_a")["config"] == {}


def test_mean_of_the_validations() -> None:
    record = {
        "validation": {
            "a": {"cpm": 0.5, "dice": 0.2, "num_scans": 1.0, "num_nodules": 3.0},
            "b": {"cpm": 1.0, "dice": 0.8, "num_scans": 3.0, "num_nodules": 1.0},
            "c": {"cpm": 0.0, "num_scans": 1.0, "num_nodules": 0.0},
        }
    }
    assert validation_mean(record) == {
        "cpm": pytest.approx((0.5 * 3 + 1.0) / 4),  # by nodules
        "dice": pytest.approx((0.2 + 0.8 * 3) / 4),  # by scans
    }
    assert validation_mean({}) == validation_mean({"validation": {}}) == {}
    assert validation_mean({"validation": {"a": {"loss": 2.0}}}) == {"loss": 2.0}


@pytest.mark.parametrize("live", [None, a_live_run()])
def test_nothing_of_another_hospital_reaches_a_hospital(live: LiveRun | None) -> None:
    seen = run_for_hospital(full_run_json(a_record(), live, "m"), "hospital_a")
    text = json.dumps(seen)
    for secret in (SECRET, "hospital_c", "NaN", "late", "scanners"):
        assert secret not in text
    assert [record["hospitals"][0]["hospital"] for record in seen["records"]] == ["hospital_a", "hospital_a"]
    assert seen["records"][0]["validation"].keys() == {"hospital_a"}
    assert seen["records"][0]["validation_mean"]["cpm"] > 0
    assert seen["scans"] == {"hospital_a": SCANS["hospital_a"]}
    assert seen.keys() == full_run_json(a_record(), live, "m").keys()
    assert (seen["metrics"], seen["can_resume"]) == (full_run_json(a_record(), live, "m")["metrics"], False)
    if live is not None:
        assert seen["current"]["hospitals"].keys() == {"hospital_a"}


def test_own_reason_is_told_and_a_hospital_elsewhere_sees_the_federation_only() -> None:
    full = full_run_json(a_record(), None, None)
    assert run_for_hospital(full, SECRET)["records"][1]["dropped"] == {SECRET: "NaN"}
    elsewhere = run_for_hospital(full, "hospital_x")
    assert (elsewhere["scans"], elsewhere["records"][0]["hospitals"]) == ({}, [])
    assert elsewhere["records"][0]["metrics"] == full["records"][0]["metrics"]


def test_interrupted_is_told_to_everybody() -> None:
    run = full_run_json(a_record(reason=INTERRUPTED), None, None)
    assert run_for_hospital(run, "hospital_a")["reason"] == INTERRUPTED


def test_card_of_a_model() -> None:
    card = card_of(a_record())
    assert (card["run_id"], card["round"], card["num_hospitals"]) == (RUN, 2, 2)
    assert card["num_scans"] == SCANS["hospital_a"] + SCANS[SECRET]
    assert card["metrics"]["validation"].keys() == {"hospital_a"}
    assert "not for diagnosis" in card["intended_use"]
    assert model_id_of(RUN, 2) == "run-1-r0002"


def test_what_all_hospitals_counted_is_on_the_card_for_everybody() -> None:
    pooled = {"num_hospitals": 2, "num_scans": 2, "num_nodules": 3, "operating_points": [], "no_threshold": "too_few"}
    rounds = [{**record, "validation_pooled": pooled} for record in a_record().records]
    card = card_of(a_record(records=tuple(rounds)))
    seen = card_for(ModelEntry("m", Path("m.pth"), card), "hospital_a")
    assert card["metrics"]["validation_pooled"] == seen["metrics"]["validation_pooled"] == pooled
    run = full_run_json(a_record(records=tuple(rounds)), None, "m")
    assert all("validation_pooled" not in record for record in run_for_hospital(run, "hospital_a")["records"])


def entry(**more: Any) -> ModelEntry:
    card = {**card_of(a_record()), "id": "m", "sha256": "ab", "size_bytes": 3, "remark": SECRET}
    return ModelEntry("m", Path("m.pth"), card, **more)


def test_card_for_a_hospital_names_no_other() -> None:
    text = json.dumps(card_for(entry(), "hospital_a"))
    assert SECRET not in text
    assert card_for(entry(), "hospital_a")["hospitals"] == {"hospital_a": SCANS["hospital_a"]}
    assert card_for(entry(), "hospital_a")["num_hospitals"] == 2
    assert card_for(entry(), None)["hospitals"].keys() == {"hospital_a", SECRET}
    promotion = Promotion("m", "ab", "boss", "2026")
    seen = model_json(entry(), intact=True, promotion=promotion, own="hospital_a")
    assert SECRET not in json.dumps(seen)
    assert (seen["promoted"], seen["promoted_by"]) == (True, None)
    assert model_json(entry(), intact=True, promotion=promotion, own=None)["promoted_by"] == "boss"


def test_shipped_models_hide_nothing() -> None:
    assert card_for(entry(is_built_in=True), "hospital_a")["remark"] == SECRET


def test_a_model_without_card_can_be_shown() -> None:
    seen = model_json(ModelEntry("m", Path("m.pth")), intact=False, promotion=None, own="hospital_a")
    assert (seen["name"], seen["intact"], seen["promoted"], seen["hospitals"]) == ("m", False, False, {})
