"""Words for every code that a prediction can hold, and what a card says about thresholds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_babel import Babel

from fedlung.detection.categories import RULES
from fedlung.stores.model_registry import ModelEntry
from fedlung.web.predictions.model_facts import model_facts, operating_points
from fedlung.web.predictions.reading import STAGES as READING_STAGES
from fedlung.web.predictions.words import (
    CATEGORY_RULES,
    STAGES,
    category_words,
    error_words,
    position_words,
    warning_words,
)

POINT = {"threshold": 0.5, "fp_per_scan": 1.0, "sensitivity": 0.75, "num_scans": 3.0}


@pytest.fixture(autouse=True)
def request_context() -> Iterator[None]:
    app = Flask("test")
    Babel(app)
    with app.test_request_context():
        yield


def test_rules_are_those_of_the_table() -> None:
    assert {occasion: str(text) for occasion, text in CATEGORY_RULES.items()} == RULES
    assert category_words({"occasion": "new", "value": "3"}) == {
        "occasion": "new",
        "value": "3",
        "rule": RULES["new"],
    }


def test_every_stage_has_words() -> None:
    assert set(READING_STAGES) < set(STAGES)


@pytest.mark.parametrize(
    ("codes", "words"),
    [
        (("left", "upper", "pleura"), "left lung, upper third, near the pleura"),
        (("right", "middle", "inside"), "right lung, middle third"),
        (("middle", "lower", "unknown"), "between the lungs, lower third"),
        (("unknown", "unknown", "unknown"), ""),
    ],
)
def test_positions(codes: tuple[str, str, str], words: str) -> None:
    assert position_words(dict(zip(("side", "height", "near"), codes, strict=True))) == words


def test_warnings_hold_their_numbers() -> None:
    values = {"thickness_mm": 5.0, "limit_mm": 3.0}
    assert warning_words({"code": "thick_slices", "values": values}).startswith(
        "Thick slices: 5.0 mm, more than 3.0 mm"
    )


def test_an_error_is_its_own_sentence() -> None:
    error = {"stage": "read", "code": "bad_scan", "message": "ElementSpacing is missing"}
    assert error_words(error) == "ElementSpacing is missing"


def card(**validation: Any) -> dict[str, Any]:
    return {"metrics": {"validation": validation}}


CARDS: dict[str, tuple[dict[str, Any], list[dict[str, float]]]] = {
    "no card": ({}, []),
    "of a run": (card(hospital_a={"cpm": 0.5}), []),
    "display threshold": (
        card(
            display_threshold=0.5,
            false_marks_per_scan_at_threshold=1.0,
            sensitivity_at_fp_per_scan={"1": [0.75, 0.5, 0.9], "4": [0.9, 0.8, 1.0]},
            num_scans=3,
        ),
        [POINT],
    ),
    "a rate that was not measured": (
        card(display_threshold=0.5, false_marks_per_scan_at_threshold=0.3, sensitivity_at_fp_per_scan={}),
        [],
    ),
    "listed": (card(operating_points=[{**POINT, "threshold": 0.9}, POINT]), [POINT, {**POINT, "threshold": 0.9}]),
}


@pytest.mark.parametrize("name", CARDS)
def test_operating_points(name: str) -> None:
    given, points = CARDS[name]
    assert operating_points(given) == points


def test_of_a_built_in_model_the_whole_validation_is_shown_of_ours_the_mean() -> None:
    metrics = {"validation": {"hospital_b": {"cpm": 0.25}}, "validation_mean": {"cpm": 0.5}}
    about = {"metrics": metrics, "sha256": "a", "num_hospitals": 2}
    assert model_facts(ModelEntry("m", Path("m"), about, is_built_in=True))["validation"] == metrics["validation"]
    ours = model_facts(ModelEntry("m", Path("m"), about))
    assert (ours["validation"], ours["hospitals"], ours["name"]) == ({"cpm": 0.5}, 2, "m")
