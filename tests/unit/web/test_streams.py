"""Nothing of another hospital reaches a stream of staff or clinicians, whatever an event holds."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedlung.events import (
    FAILED,
    ClientProgress,
    Event,
    HospitalResult,
    Notice,
    RoundFinished,
    RoundStarted,
    RunFinished,
    TrainingStatus,
)
from fedlung.web.live.streams import ADMIN, Admins, Audience, Everyone, Hospital, InHouse, Stream, stream_of, view_for

STAFF_A, CLINICIAN_A = Stream("staff", "hospital_a"), Stream("clinician", "hospital_a")
FOREIGN = "hospital_b"
SECRET = 0.123456  # a number that only hospital_b has


def results() -> tuple[HospitalResult, ...]:
    return (
        HospitalResult("hospital_a", 8, 1.0, {"loss": 0.5}),
        HospitalResult("hospital_b", 9, 2.0, {"loss": SECRET}),
    )


ROUND = RoundFinished(
    "r1",
    1,
    2,
    17,
    3.0,
    0.002,
    {"loss": 0.6},
    results(),
    {"hospital_b": "NaN in weights", "hospital_a": "late"},
    {"hospital_a": {"dice": 0.5}, "hospital_b": {"dice": SECRET}},
)
EVENTS: list[Event] = [
    TrainingStatus("r1", FAILED, 1, 2, "hospital_b did not answer"),
    RoundStarted("r1", 1, 2, ("hospital_a", "hospital_b"), 0.002),
    ClientProgress("r1", 1, "hospital_b", "dropped", 0.0, "NaN"),
    ROUND,
    RunFinished("r1", FAILED, 1, 2, "quorum: hospital_b is missing"),
    Notice("r1", "hospital_b did not validate"),
    Notice("r1", "did not validate", "hospital_b"),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
@pytest.mark.parametrize("stream", [STAFF_A, CLINICIAN_A], ids=str)
def test_no_name_reason_or_number_of_another_hospital(stream: Stream, event: Event) -> None:
    seen = json.dumps(view_for(stream, event.name, asdict(event), Everyone()))
    assert FOREIGN not in seen
    assert str(SECRET) not in seen


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_administrators_see_all_of_it(event: Event) -> None:
    for audience in (Everyone(), Admins(), Hospital(FOREIGN)):
        assert view_for(ADMIN, event.name, asdict(event), audience) == asdict(event)


def test_staff_see_the_federation_and_themselves_in_a_round() -> None:
    seen = view_for(STAFF_A, ROUND.name, {**asdict(ROUND), "validation_mean": {"dice": 0.3}}, Everyone())
    assert seen is not None
    assert seen["metrics"] == {"loss": 0.6}
    assert seen["validation_mean"] == {"dice": 0.3}
    assert [result["hospital"] for result in seen["hospitals"]] == ["hospital_a"]
    assert seen["dropped"] == {"hospital_a": "late"}
    assert seen["validation"] == {"hospital_a": {"dice": 0.5}}
    assert seen["num_examples"] == 17


def test_own_progress_reaches_the_own_hospital_only() -> None:
    event = ClientProgress("r1", 1, "hospital_a", "training", 0.5)
    assert view_for(STAFF_A, event.name, asdict(event), Everyone()) == asdict(event)
    assert view_for(Stream("staff", "hospital_b"), event.name, asdict(event), Everyone()) is None


@pytest.mark.parametrize(
    ("stream", "audience", "gets"),
    [
        (STAFF_A, Hospital("hospital_a"), True),
        (STAFF_A, Hospital("hospital_b"), False),
        (STAFF_A, Admins(), False),
        (CLINICIAN_A, Hospital("hospital_a"), False),
        (CLINICIAN_A, Everyone(), True),
        (CLINICIAN_A, Admins(), False),
        (Stream("staff", ""), Everyone(), False),
    ],
)
def test_audiences(stream: Stream, audience: Audience, gets: bool) -> None:
    payload = {"hospital": "hospital_a", "state": "ready"}
    assert (view_for(stream, "hospital_status", payload, audience) is not None) is gets


@pytest.mark.parametrize("name", ["prediction_progress", "prediction_finished"])
def test_what_is_about_a_scan_stays_in_the_house(name: str) -> None:
    payload = {"prediction_id": "p", "scan_id": "s", "state": "finished"}
    people = InHouse("hospital_a", ("staff", "clinician"))
    for stream in (STAFF_A, CLINICIAN_A):
        assert view_for(stream, name, {**payload, "more": 1}, people) == payload
    for stream in (ADMIN, Stream("staff", FOREIGN), Stream("clinician", FOREIGN), Stream("staff")):
        assert view_for(stream, name, payload, people) is None
    assert view_for(CLINICIAN_A, name, payload, InHouse("hospital_a")) is None, "of the staff only"


@given(st.text(), st.dictionaries(st.text(), st.text()))
def test_an_event_that_nobody_decided_about_is_for_administrators(name: str, payload: dict[str, str]) -> None:
    known = {event.name for event in EVENTS} | {"hospital_status"}
    if name not in known:
        assert view_for(STAFF_A, name, payload, Everyone()) is None


def test_a_field_that_nobody_decided_about_is_for_administrators() -> None:
    payload = {**asdict(ROUND), "weights_of": FOREIGN}
    seen = view_for(STAFF_A, ROUND.name, payload, Everyone())
    assert seen is not None
    assert "weights_of" not in seen


def test_everybody_belongs_to_one_stream() -> None:
    assert stream_of("admin", None) == ADMIN
    assert stream_of("staff", "hospital_a") == STAFF_A
    assert str(stream_of("clinician", "hospital_a")) == "clinician:hospital_a"
