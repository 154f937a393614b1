"""Two people of one hospital at a reading: either may cancel it, and each declares the own first read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fedlung.settings import Settings
from fedlung.web.services import Services
from tests.fake_reader import LONG, FakeReader, write_scan
from tests.web.reading_people import Person

OWN_PEOPLE, STRANGERS = ("staff_a", "clinician_a"), ("staff_b", "clinician_b")


def test_everybody_declares_the_first_read_for_themselves(person: Callable[[str], Person], done: str) -> None:
    first, second = person("clinician_a"), person("staff_a")

    def save(somebody: Person, **more: bool) -> Any:
        body = {"version": somebody.read(done)["marks"]["version"], "items": [], **more}
        return somebody.send("PUT", f"/api/predictions/{done}/marks", body).get_json()

    def declared(somebody: Person) -> tuple[bool, bool]:
        exported = somebody.get(f"/api/predictions/{done}/export.json").get_json()
        return somebody.read(done)["marks"]["first_read_declared"], exported["first_read_declared"]

    assert save(first, first_read_declared=True)["first_read_declared"] is True
    assert (declared(first), declared(second)) == ((True, True), (False, False))
    assert save(second)["first_read_declared"] is False, "saving marks declares nothing"
    assert save(second, first_read_declared=True)["first_read_declared"] is True
    assert save(first, first_read_declared=False)["first_read_declared"] is True, "it cannot be taken back"
    assert (declared(first), declared(second)) == ((True, True), (True, True))
    marks = second.read(done)["marks"]
    assert [one["author"] for one in marks["first_reads"]] == ["clinician_a", "staff_a"]
    assert all(one["time"] for one in marks["first_reads"])
    assert second.get(f"/api/predictions/{done}/export.json").get_json()["first_reads"] == marks["first_reads"]


@pytest.mark.parametrize("username", OWN_PEOPLE)
def test_a_colleague_cancels_and_everybody_is_told_who(
    person: Callable[[str], Person], fake: FakeReader, services: Services, settings: Settings, username: str
) -> None:
    write_scan(settings.data / "hospital_a", "second", seed=5)
    fake.go_on.clear()
    asker, somebody = person("clinician_a"), person(username)
    running, queued = asker.ask(), asker.ask("second")
    assert fake.reached.wait(LONG)
    for asked, stage in ((queued, ""), (running, "network")):
        path = f"/api/predictions/{asked['id']}"
        for name in STRANGERS:
            assert person(name).send("DELETE", path).status_code == 404, name
        assert person("admin").send("DELETE", path).status_code == 403
        answer = somebody.send("DELETE", path)
        assert (answer.status_code, answer.get_json()["state"]) == (200, "failed")
        found = asker.read(asked["id"])
        assert (found["state"], found["candidates"], found["marks"], found["queue_position"]) == (
            "failed", None, None, None,
        )  # fmt: skip
        assert (found["error"]["stage"], found["error"]["code"]) == (stage, "cancelled")
        assert found["error"]["message"] == f"Cancelled by {username}."
        assert bool(found["error"]["stage_text"]) == bool(stage)
        again = somebody.send("DELETE", path)
        assert (again.status_code, again.get_json()["error"]["code"]) == (409, "conflict")
        assert "has ended" in again.get_json()["error"]["message"]
    deeds = services.audit.page(action="prediction_cancelled")
    assert {(deed["actor"], deed["target"], deed["hospital_id"]) for deed in deeds} == {
        (username, asked["id"], "hospital_a") for asked in (running, queued)
    }
    anew = asker.ask()
    assert anew["id"] != running["id"]
    fake.go_on.set()
    assert services.predictions.wait_until_idle(LONG)
    assert asker.read(anew["id"])["state"] == "finished"
    assert asker.read(running["id"])["state"] == "failed"


def test_a_finished_reading_is_not_deleted(person: Callable[[str], Person], done: str) -> None:
    answer = person("clinician_a").send("DELETE", f"/api/predictions/{done}")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (409, "conflict")
    assert "nothing to cancel" in answer.get_json()["error"]["message"]
    assert person("clinician_a").read(done)["state"] == "finished"
