"""The audit as a page: newest first, filtered, in words, for administrators."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from fedlung.stores.audit import Action
from fedlung.web.pages_audit import LABELS, PER_PAGE
from fedlung.web.services import Services
from tests.rendered_pages import Pages, noted_pages
from tests.web.conftest import SignedIn


@pytest.fixture
def pages(app: Flask) -> Iterator[Pages]:
    with noted_pages(app) as noted:
        yield noted


def test_every_action_has_words() -> None:
    assert set(LABELS) == set(Action)


def test_newest_deeds_come_first_and_older_ones_on_the_next_page(
    signed_in: SignedIn, services: Services, pages: Pages
) -> None:
    browser = signed_in("admin")
    for number in range(2 * PER_PAGE):
        services.audit.append("admin", Action.RUN_NOTED, f"run {number}")
    seen: list[str] = []
    path: str | None = "/audit?action=run_noted&actor=+Admin+"  # as a name may be typed or pasted
    while path:
        assert browser.get(path).status_code == 200
        context = pages.last("audit.html")
        assert len(context["entries"]) == PER_PAGE
        seen += [entry["target"] for entry in context["entries"]]
        before = context["next_before"]
        path = f"/audit?action=run_noted&actor=admin&before={before}" if before else None
    assert seen == [f"run {number}" for number in reversed(range(2 * PER_PAGE))]


def test_filters_come_back_with_their_choices(signed_in: SignedIn, pages: Pages) -> None:
    signed_in("admin").get("/audit?action=sign_in&actor=admin")
    context = pages.last("audit.html")
    assert [(entry["action"], str(entry["label"])) for entry in context["entries"]] == [("sign_in", "signed in")]
    assert (context["filters"]["action"], context["filters"]["actor"]) == ("sign_in", "admin")
    assert [choice["id"] for choice in context["filters"]["actions"]] == [str(action) for action in LABELS]


def test_odd_questions_are_answered(signed_in: SignedIn, subtests: pytest.Subtests) -> None:
    browser = signed_in("admin")
    for query in ("before=x", "before=-1", "before=" + "9" * 40, "action=nothing", "actor=<b>nobody"):
        with subtests.test(query=query):
            answer = browser.get(f"/audit?{query}")
            assert answer.status_code == 200
            assert "<b>nobody" not in answer.text


def test_what_people_typed_is_shown_as_text(signed_in: SignedIn, services: Services) -> None:
    services.audit.append("admin", Action.RUN_NOTED, "<img src=x>", {"text": "<script>alert(1)</script>"})
    page = signed_in("admin").get("/audit").text
    assert "<img src=x>" not in page
    assert "<script>alert" not in page
