"""One table from codes to answers: complete, the same shape for programs, words for people, secrets for nobody."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import DictLoader

import fedlung.errors
from fedlung.errors import BadScan, Conflict, FedLungError, InvalidInput, NotAllowed, TooManyTries, UnreadableStore
from fedlung.web.error_answers import ANSWERS, HTTP_CODES
from fedlung.web.sessions import PUBLIC, access

OWN = {
    "bad_request",
    "bad_csrf",
    "method_not_allowed",
    "too_large",
    "wrong_media_type",
    "no_such_range",
}  # codes without a class


def classes() -> list[type[FedLungError]]:
    return [
        value for value in vars(fedlung.errors).values() if isinstance(value, type) and issubclass(value, FedLungError)
    ]


def test_the_table_is_complete_and_holds_nothing_else() -> None:
    assert ANSWERS.keys() == {error.code for error in classes()} | OWN
    assert all(400 <= status < 600 for status, _ in ANSWERS.values())


def test_the_router_and_the_table_agree_about_the_status() -> None:
    assert {status: ANSWERS[code][0] for status, code in HTTP_CODES.items()} == {
        status: status for status in HTTP_CODES
    }


@pytest.fixture
def plant(app: Flask) -> Callable[[Exception], None]:
    """Make /api/planted and /planted raise."""

    def planted(error: Exception) -> None:
        @access(PUBLIC)
        def view() -> str:
            raise error

        app._got_first_request = False
        app.add_url_rule("/api/planted", "api_planted", view)
        app.add_url_rule("/planted", "planted", view)

    return planted


def test_programs_get_code_message_and_fields(stranger: FlaskClient, plant: Callable[[Exception], None]) -> None:
    plant(InvalidInput("", {"rounds": "must be at least 1"}))
    answer = stranger.get("/api/planted")
    assert answer.status_code == 422
    error = answer.get_json()["error"]
    assert error["code"] == "invalid_input"
    assert error["fields"] == {"rounds": "must be at least 1"}
    assert error["message"] == str(ANSWERS["invalid_input"][1])
    assert error["request_id"] == answer.headers["X-Request-Id"]


def test_people_get_a_page_with_the_words_and_the_request_id(
    stranger: FlaskClient, plant: Callable[[Exception], None]
) -> None:
    plant(Conflict("Another run is active."))
    answer = stranger.get("/planted")
    assert (answer.status_code, answer.mimetype) == (409, "text/html")
    assert "Another run is active." in answer.text
    assert answer.headers["X-Request-Id"] in answer.text


def test_a_program_that_asks_for_a_page_address_gets_json(
    stranger: FlaskClient, plant: Callable[[Exception], None]
) -> None:
    plant(NotAllowed())
    answer = stranger.get("/planted", headers={"Accept": "application/json"})
    assert answer.get_json()["error"]["code"] == "not_allowed"


@pytest.mark.parametrize(
    "error", [RuntimeError("canary"), FedLungError("canary"), UnreadableStore("canary /etc/users")]
)
@pytest.mark.parametrize("path", ["/planted", "/api/planted"])
def test_what_broke_inside_is_in_the_log_only(
    stranger: FlaskClient,
    plant: Callable[[Exception], None],
    caplog: pytest.LogCaptureFixture,
    path: str,
    error: Exception,
) -> None:
    plant(error)
    with caplog.at_level(logging.ERROR):
        answer = stranger.get(path)
    assert answer.status_code in (500, 503)
    assert "canary" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["X-Request-Id"] in caplog.text
    assert "canary" in caplog.text


def test_who_tries_too_often_is_told_when_to_come_back(
    stranger: FlaskClient, plant: Callable[[Exception], None]
) -> None:
    plant(TooManyTries("", retry_after_seconds=12.3))
    answer = stranger.get("/api/planted")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "13")


def test_a_sentence_of_the_lower_layers_stands_behind_the_readers_language(
    stranger: FlaskClient, plant: Callable[[Exception], None]
) -> None:
    sentence = "scan.mhd: DimSize must be three whole numbers"
    plant(BadScan(sentence))
    assert stranger.get("/api/planted").get_json()["error"]["message"] == sentence
    stranger.set_cookie("fedlung_language", "zh")
    message = stranger.get("/api/planted").get_json()["error"]["message"]
    assert message.endswith(f"({sentence})")
    assert len(message) > len(sentence) + 2


def test_an_error_page_that_cannot_be_drawn_is_replaced_by_a_plain_one(
    app: Flask, stranger: FlaskClient, plant: Callable[[Exception], None]
) -> None:
    plant(Conflict("<b>busy</b>"))
    app.jinja_env.loader = DictLoader({})
    answer = stranger.get("/planted")
    assert answer.status_code == 409
    assert "&lt;b&gt;busy" in answer.text


METHODS: list[tuple[str, str, int, str]] = [
    ("POST", "/healthz", 405, "method_not_allowed"),
    ("GET", "/api/nothing", 404, "not_found"),
]


@pytest.mark.parametrize(("method", "path", "status", "code"), METHODS)
def test_the_routers_own_refusals(stranger: FlaskClient, method: str, path: str, status: int, code: str) -> None:
    answer: Any = stranger.open(path, method=method, headers={"Accept": "application/json"})
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (status, code)


def test_a_body_over_the_limit_is_refused(app: Flask, stranger: FlaskClient) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 1000
    answer = stranger.post("/login", data={"username": "x" * 2000}, headers={"Accept": "application/json"})
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (413, "too_large")
