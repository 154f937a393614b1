"""Words for every code that a prediction can hold, and what a card says about thresholds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fedlung.detection.categories import RULES
from fedlung.detection.diameter_agreement import FEWEST_NODULES
from fedlung.stores.model_registry import ModelEntry
from fedlung.web.predictions.model_facts import model_facts, operating_points
from fedlung.web.predictions.reading import STAGES as READING_STAGES
from fedlung.web.predictions.words import (
    CATEGORY_RULES,
    STAGES,
    agreement_words,
    category_words,
    error_words,
    position_words,
    warning_words,
)

pytestmark = pytest.mark.usefixtures("request_context")

POINT = {"threshold": 0.5, "fp_per_scan": 1.0, "sensitivity": 0.75, "num_scans": 3.0}


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


LIMITS = {
    (-1.94, 1.06): "between 1.9 mm too small and 1.1 mm too large",
    (-0.05, 0.26): "between 0.1 mm too small and 0.3 mm too large",
    (-0.04, 2.0): "0.0 to 2.0 mm too large",
    (0.3, 2.0): "0.3 to 2.0 mm too large",
    (-2.0, 0.04): "2.0 to 0.0 mm too small",
    (-2.5, -0.44): "2.5 to 0.4 mm too small",
}
SIZES = {
    (0.0, 6.0): "below 6 mm",
    (6.0, 8.0): "of 6 to below 8 mm",
    (15.0, None): "of 15 mm or more",
}


def class_of(bounds: tuple[float, float | None], count: int, limits: tuple[float, float]) -> dict[str, Any]:
    return {"bounds_mm": list(bounds), "num_nodules": count, "limits_of_agreement_mm": list(limits)}


@pytest.mark.parametrize("limits", LIMITS)
def test_how_far_off_diameters_were_has_no_sign_but_words(limits: tuple[float, float]) -> None:
    assert agreement_words(class_of((8.0, 15.0), 34, limits)) == (
        f"In validation, measured diameters of 8 to below 15 mm were {LIMITS[limits]}"
        " (95% limits of agreement, 34 nodules)."
    )


@pytest.mark.parametrize("bounds", SIZES)
def test_every_size_class_has_words(bounds: tuple[float, float | None]) -> None:
    assert f"measured diameters {SIZES[bounds]} were" in agreement_words(class_of(bounds, 34, (-1.0, 1.0)))


def test_of_too_few_nodules_no_limits_are_told() -> None:
    enough = agreement_words(class_of((0.0, 6.0), FEWEST_NODULES, (-1.0, 1.0)))
    few = agreement_words(class_of((0.0, 6.0), FEWEST_NODULES - 1, (-1.0, 1.0)))
    assert "limits of agreement" in enough
    assert few.startswith("How far off diameters below 6 mm may be is not known")
    assert f"({FEWEST_NODULES - 1})" in few


def test_a_model_without_validated_diameters_is_said_to_be_unknown() -> None:
    assert agreement_words(None).startswith("How far off the diameter may be is not known")


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
    "of a run that counted": (
        {
            "metrics": {
                "validation": {"hospital_a": {"cpm": 0.5}},
                "validation_pooled": {"operating_points": [{**POINT, "interval": [0.5, 0.9], "num_nodules": 8}]},
            }
        },
        [{**POINT, "interval": [0.5, 0.9], "num_nodules": 8}],
    ),
    "of a run that counted too little": (
        {"metrics": {"validation_pooled": {"operating_points": [], "no_threshold": "too_few", "num_scans": 1}}},
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


def test_of_a_model_of_ours_the_page_knows_how_much_was_counted() -> None:
    pooled = {"num_scans": 2, "num_nodules": 3, "operating_points": [], "no_threshold": "too_few"}
    about = {"metrics": {"validation_mean": {"cpm": 0.5}, "validation_pooled": pooled}}
    facts = model_facts(ModelEntry("m", Path("m"), about))
    assert facts["validation"] == {"cpm": 0.5, "num_scans": 2, "num_nodules": 3, "no_threshold": "too_few"}
    assert facts["operating_points"] == []
