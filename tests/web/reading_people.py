"""Two hospitals with a scan each, a model in use, a worker that runs, and people who ask."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import app as front
from fedlung.accounts.accounts import Accounts
from fedlung.accounts.passwords import PasswordHasher
from fedlung.accounts.throttle import SignInThrottle
from fedlung.settings import Settings
from fedlung.web.services import Services
from tests.fake_reader import FakeReader, write_scan
from tests.web.conftest import CHEAP_COST, HOSPITALS, csrf_token
from tests.web.fake_launcher import FakeLauncher, write_model

CARD = {
    "created": "2026-01-01",
    "name": "one",
    "num_hospitals": 2,
    "hospitals": {"hospital_a": 8, "hospital_b": 4},
    "rounds": 3,
    "metrics": {"validation": {"hospital_b": {"cpm": 0.25}}, "validation_mean": {"cpm": 0.5}},
}


@contextmanager
def reading_services(settings: Settings, launcher: FakeLauncher, fake: FakeReader) -> Iterator[Services]:
    """Each hospital has a scan of its own, both are called ``scan``; the model ``one`` is promoted."""
    made = front.make_services(settings, launcher, reader=fake.reader())
    accounts = Accounts(made.users, made.audit, PasswordHasher(CHEAP_COST), SignInThrottle(clock=lambda: 0.0))
    for number, hospital in enumerate(HOSPITALS):
        write_scan(settings.data / hospital, seed=number)
    made.models.add("one", write_model(settings.data / "one.pth", b"sound one"), CARD)
    made.models.promote("one", "admin")
    made.predictions.start()
    yield replace(made, accounts=accounts)
    fake.go_on.set()
    made.predictions.close()
    made.runs.shutdown()


class Person:
    """A signed-in browser that sends JSON with its token."""

    def __init__(self, browser: FlaskClient) -> None:
        self.browser = browser
        self._headers = {"X-CSRFToken": csrf_token(browser, "/account")}

    def get(self, path: str) -> TestResponse:
        return self.browser.get(path)

    def send(self, method: str, path: str, json: Any = None) -> TestResponse:
        return self.browser.open(path, method=method, json=json, headers=self._headers)

    def ask(self, scan_id: str = "scan") -> dict[str, Any]:
        answer = self.send("POST", "/api/predictions", {"scan_id": scan_id})
        assert answer.status_code == 202, answer.text
        return dict(answer.get_json())

    def read(self, prediction_id: str) -> dict[str, Any]:
        answer = self.get(f"/api/predictions/{prediction_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.get_json())

    def judge(self, prediction_id: str, **status_of: str) -> None:
        """Save a status for marks of the model, by their ids."""
        marks = self.read(prediction_id)["marks"]
        items = [{**item, "status": status_of.get(item["id"], item["status"])} for item in marks["items"]]
        body = {"version": marks["version"], "items": items}
        assert self.send("PUT", f"/api/predictions/{prediction_id}/marks", body).status_code == 200
