"""Who changes too much in a minute has to wait; reading is not counted, and others do not wait with them."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from fedlung.web import limits

FEW = 3


@pytest.fixture(autouse=True)
def few_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CHANGES", f"{FEW} per minute")


def test_changes_are_counted_per_person(
    signed_in: Callable[[str], FlaskClient], token_of: Callable[[FlaskClient, str], str]
) -> None:
    staff, other = signed_in("staff_a"), signed_in("staff_b")

    def change(browser: FlaskClient) -> int:
        form = {"csrf_token": token_of(browser, "/account"), "display_name": "Somebody", "language": ""}
        return browser.post("/account/profile", data=form).status_code

    assert [change(staff) for _ in range(FEW + 1)] == [303] * FEW + [429]
    assert change(other) == 303
    assert [staff.get("/account").status_code for _ in range(2 * FEW)] == [200] * 2 * FEW


def test_the_answer_says_when_to_come_back(
    signed_in: Callable[[str], FlaskClient], token_of: Callable[[FlaskClient, str], str]
) -> None:
    staff = signed_in("staff_a")
    headers = {"X-CSRFToken": token_of(staff, "/account"), "Accept": "application/json"}
    answers = [staff.post("/account/profile", headers=headers) for _ in range(FEW + 1)]
    assert answers[-1].status_code == 429
    assert re.fullmatch(r"\d+", answers[-1].headers["Retry-After"])
    assert answers[-1].get_json()["error"]["code"] == "too_many_tries"
