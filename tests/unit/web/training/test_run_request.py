"""What may be asked of a run: defaults, limits and a sentence for every wrong field."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest

from fedlung.errors import InvalidInput, WrongArgument
from fedlung.federation.strategies import STRATEGIES, make_strategy
from fedlung.web.training.request import RunRequest, limits, parse_request
from fedlung.web.training.strategy_forms import LABELS, OPTIONS, strategy_forms, wrong_options

HOSPITALS = ["hospital_a", "hospital_b"]


def test_nothing_asked_is_the_default() -> None:
    request = parse_request({}, HOSPITALS)
    assert request == RunRequest()
    assert (request.rounds, request.local_epochs, request.strategy, request.hospitals) == (10, 1, "fedavg", None)
    assert (request.learning_rate, request.held_out_share, request.validate_every) == (2e-3, 0.2, 1)


def test_everything_can_be_asked() -> None:
    asked = {
        "rounds": 3,
        "local_epochs": 2,
        "strategy": "fedprox",
        "strategy_options": {"mu": 1},
        "seed": 7,
        "hospitals": ["hospital_b"],
        "learning_rate": 0.01,
        "schedule": "constant",
        "deadline_seconds": 60,
        "quorum": 1,
        "fraction": 0.5,
        "held_out_share": 0,
        "validate_every": 0,
    }
    assert parse_request(asked, HOSPITALS).model_dump() == asked
    assert asked.keys() == RunRequest.model_fields.keys()


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "no rounds": ({"rounds": 0}, "rounds", "Must be at least 1."),
    "too many rounds": ({"rounds": 501}, "rounds", "Must be at most 500."),
    "huge number": ({"rounds": 10**400}, "rounds", "Must be at most 500."),
    "a word": ({"rounds": "3"}, "rounds", "A whole number is needed."),
    "yes": ({"rounds": True}, "rounds", "A whole number is needed."),
    "half a round": ({"rounds": 1.5}, "rounds", "A whole number is needed."),
    "nothing": ({"rounds": None}, "rounds", "A whole number is needed."),
    "rate of nothing": ({"learning_rate": 0}, "learning_rate", "Must be more than 0"),
    "rate not a number": ({"learning_rate": float("nan")}, "learning_rate", "A number is needed."),
    "endless": ({"deadline_seconds": float("inf")}, "deadline_seconds", "A number is needed."),
    "negative seed": ({"seed": -1}, "seed", "Must be at least 0."),
    "large seed": ({"seed": 2**32}, "seed", f"Must be at most {2**32 - 1}."),
    "share": ({"held_out_share": 0.51}, "held_out_share", "Must be at most 0.5."),
    "schedule": ({"schedule": "linear"}, "schedule", "Must be one of 'cosine' or 'constant'."),
    "unknown field": ({"role": "admin"}, "role", "This field is not known."),
    "strategy": ({"strategy": "fedsgd"}, "strategy", "Must be one of fedavg, fedprox, fedavgm."),
    "strategy is a list": ({"strategy": ["fedavg"]}, "strategy", "A text is needed."),
    "no such option": ({"strategy_options": {"mu": 1}}, "strategy_options.mu", "This strategy has no such option."),
    "option out of range": (
        {"strategy": "fedavgm", "strategy_options": {"momentum": 1}},
        "strategy_options.momentum",
        "Must be less than 1.",
    ),
    "option at a border that is left out": (
        {"strategy_options": {"server_learning_rate": 0}},
        "strategy_options.server_learning_rate",
        "Must be more than 0.",
    ),
    "option is a word": (
        {"strategy": "fedprox", "strategy_options": {"mu": "1"}},
        "strategy_options.mu",
        "A number is needed.",
    ),
    "no hospital": ({"hospitals": []}, "hospitals", "Choose at least one."),
    "unknown hospital": ({"hospitals": ["../x"]}, "hospitals", "There is no hospital ../x."),
    "hospital twice": ({"hospitals": ["hospital_a"] * 2}, "hospitals", "Choose each hospital once."),
    "hospitals as text": ({"hospitals": "hospital_a"}, "hospitals", "A list is needed."),
    "hospital is a number": ({"hospitals": [1]}, "hospitals.0", "A text is needed."),
    "quorum": ({"quorum": 3}, "quorum", "Only 2 hospitals take part."),
    "quorum of the chosen": ({"quorum": 2, "hospitals": ["hospital_a"]}, "quorum", "Only 1 hospitals take part."),
}


@pytest.mark.parametrize(("asked", "field", "sentence"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_field_is_named_with_a_sentence(asked: dict[str, Any], field: str, sentence: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_request(asked, HOSPITALS)
    assert caught.value.fields.keys() == {field}
    assert caught.value.fields[field].startswith(sentence.rstrip("."))


def test_every_wrong_field_is_named() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_request({"rounds": 0, "seed": "x", "color": "red"}, HOSPITALS)
    assert caught.value.fields.keys() == {"rounds", "seed", "color"}


def test_without_hospitals_there_is_nothing_to_start() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_request({}, [])
    assert caught.value.fields == {"hospitals": "There is no hospital with scans yet."}


def test_limits_for_the_form() -> None:
    found = limits()
    assert found["rounds"] == {"min": 1, "max": 500}
    assert found["learning_rate"] == {"above": 0, "max": 1}
    assert found["quorum"] == {"min": 1, "max": 1000}
    assert "schedule" not in found


def test_forms_know_every_strategy_and_option() -> None:
    assert LABELS.keys() == STRATEGIES.keys()
    known = {field.name for factory in STRATEGIES.values() for field in fields(factory)}  # type: ignore[arg-type]
    assert OPTIONS.keys() == known
    forms = {form["name"]: form for form in json.loads(json.dumps(strategy_forms()))}
    assert [field["name"] for field in forms["fedprox"]["fields"]] == ["server_learning_rate", "mu"]
    assert forms["fedprox"]["fields"][1]["default"] == 0.01


@pytest.mark.parametrize("name", OPTIONS)
def test_ranges_are_those_of_the_strategies(name: str) -> None:
    """At and just beyond both borders, the form and the strategy say the same."""
    option = OPTIONS[name]
    strategy = next(key for key, factory in STRATEGIES.items() if name in {f.name for f in fields(factory)})  # type: ignore[arg-type]
    step = 1e-9 * (option.high - option.low)
    for value in (
        option.low - step,
        option.low,
        option.low + step,
        option.high - step,
        option.high,
        option.high + step,
    ):
        try:
            make_strategy(strategy, {name: value})
            holds = True
        except WrongArgument:
            holds = False
        assert (wrong_options(strategy, {name: value}) == {}) is holds, value


def test_all_hospitals_are_those_that_have_brought_something() -> None:
    known = ["a", "b", "new"]
    assert parse_request({}, known, empty=["new"]).hospitals == ["a", "b"]
    assert parse_request({}, known, not_ready=["a"], empty=["new"]).hospitals == ["b"]
    assert parse_request({}, known, empty=known).hospitals == known, "the run says what is missing"
    assert parse_request({"hospitals": ["new"]}, known, empty=["new"]).hospitals == ["new"]
