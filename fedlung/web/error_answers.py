"""From an error to an answer, in one table: code -> HTTP status and the sentence that people read.

API answers are ``{"error": {"code", "message", "fields"?}}``, pages get ``templates/error.html``. What went wrong
inside the server (5xx) stays in the log under the request's id; the answer shows the id only.
"""

from __future__ import annotations

import logging
import math
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, jsonify, make_response, render_template, request
from flask_babel import lazy_gettext
from flask_wtf.csrf import CSRFError
from jinja2 import TemplateError
from markupsafe import Markup
from werkzeug.exceptions import HTTPException

from fedlung.errors import FedLungError, InvalidInput, TooManyTries
from fedlung.web.i18n import locale
from fedlung.web.scans.refusal_words import in_words
from fedlung.web.security_headers import REQUEST_ID

logger = logging.getLogger(__name__)

# One entry for every class of fedlung.errors (a test compares), then what the web itself can refuse.
ANSWERS: dict[str, tuple[int, Any]] = {
    "failed": (500, lazy_gettext("Something went wrong on the server. The log has the details under the request id.")),
    "wrong_argument": (422, lazy_gettext("A value makes no sense here.")),
    "bad_scan": (422, lazy_gettext("The scan cannot be read.")),
    "bad_annotations": (422, lazy_gettext("The table of annotations cannot be read.")),
    "hospital_data": (422, lazy_gettext("Nothing can be trained from a hospital's data.")),
    "bad_checkpoint": (422, lazy_gettext("The model file is damaged or not one of ours.")),
    "architecture_mismatch": (422, lazy_gettext("The model file holds another network.")),
    "refused_update": (422, lazy_gettext("A hospital's update was refused.")),
    "quorum_not_reached": (409, lazy_gettext("Too few hospitals answered.")),
    "bad_run_folder": (409, lazy_gettext("The files of the run cannot be used.")),
    "stopped": (409, lazy_gettext("The work was stopped.")),
    "not_signed_in": (401, lazy_gettext("Please sign in.")),
    "not_allowed": (403, lazy_gettext("Your account may not do this.")),
    "not_found": (404, lazy_gettext("There is no such thing here.")),
    "conflict": (409, lazy_gettext("Somebody else was quicker. Load the page again and look.")),
    "invalid_input": (422, lazy_gettext("Some of the values are not right.")),
    "too_many_tries": (429, lazy_gettext("Too many attempts. Please wait a little.")),
    "over_quota": (413, lazy_gettext("The hospital's share of the disk is used up. Delete scans, or ask for more.")),
    "no_space": (507, lazy_gettext("There is no room left on the server's disk. Nothing was stored.")),
    "checksum_mismatch": (460, lazy_gettext("The data arrived damaged. Please send it again.")),
    "unreadable_store": (
        503,
        lazy_gettext("Stored records cannot be read. The administrator finds the reason in the log."),
    ),
    "store_away": (503, lazy_gettext("The database does not answer. Please try again in a minute.")),
    "misconfigured": (
        503,
        lazy_gettext("The database refuses this server. The administrator finds the reason above every page."),
    ),
    "data_in_use": (503, lazy_gettext("Another process works with the data folder.")),
    "bad_settings": (500, lazy_gettext("A setting of the server is wrong.")),
    "bad_request": (400, lazy_gettext("The request cannot be understood.")),
    "bad_csrf": (
        400,
        lazy_gettext("The page was open for too long, or you signed in again elsewhere. Please load it again."),
    ),
    "method_not_allowed": (405, lazy_gettext("This address does not do that.")),
    "too_large": (413, lazy_gettext("That is too much data for this address.")),
    "no_such_range": (416, lazy_gettext("There are not so many bytes.")),
    "wrong_media_type": (415, lazy_gettext("This address does not take this type of content.")),
}
HTTP_CODES = {
    401: "not_signed_in",
    403: "not_allowed",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "too_large",
    415: "wrong_media_type",
    416: "no_such_range",
    422: "invalid_input",
    429: "too_many_tries",
}
WAIT_SECONDS = 60  # after a rate limit; those of the sign-in say their own time


def install(app: Flask) -> None:
    app.register_error_handler(FedLungError, answer_error)
    app.register_error_handler(CSRFError, lambda error: _answer("bad_csrf", ""))
    app.register_error_handler(HTTPException, _answer_http)
    app.register_error_handler(Exception, _answer_bug)


def answer_error(error: FedLungError) -> Response:
    """The answer for one of our own errors."""
    status, _ = ANSWERS.get(error.code, ANSWERS["failed"])
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("request %s: %s", request_id(), error, exc_info=error)
    answer = _answer(error.code, str(error), error.fields if isinstance(error, InvalidInput) else None)
    if isinstance(error, TooManyTries):
        answer.headers["Retry-After"] = str(math.ceil(error.retry_after_seconds))
    return answer


def wants_json() -> bool:
    """Whether the answer is for a program: everything below /api/, and whoever prefers JSON."""
    accepted = request.accept_mimetypes
    return request.path.startswith("/api/") or (
        accepted.best_match(["text/html", "application/json"]) == "application/json"
    )


def request_id() -> str:
    return str(request.environ.get(REQUEST_ID, ""))


def _answer_http(error: HTTPException) -> Response:
    if error.response is not None:
        return make_response(error.response)
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    if status < HTTPStatus.BAD_REQUEST:  # a redirect of the router
        return make_response(error.get_response())
    code = HTTP_CODES.get(status, "bad_request" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "failed")
    answer = _answer(code, "")
    answer.headers.extend((name, value) for name, value in error.get_headers() if name in ("Allow", "Retry-After"))
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        answer.headers.setdefault("Retry-After", str(WAIT_SECONDS))
    return answer


def _answer_bug(error: Exception) -> Response:
    logger.error("request %s: %s %s failed", request_id(), request.method, request.path, exc_info=error)
    return _answer(FedLungError.code, "")


def _answer(code: str, sentence: str, fields: dict[str, str] | None = None) -> Response:
    status, text = ANSWERS.get(code, ANSWERS[FedLungError.code])
    message = str(text) if status >= HTTPStatus.INTERNAL_SERVER_ERROR else _in_words(str(text), sentence)
    if wants_json():
        error = {"code": code, "message": message, **({"fields": fields} if fields else {})}
        return make_response(jsonify(error={**error, "request_id": request_id()}), status)
    return make_response(_page(status, code, message), status)


def _in_words(text: str, sentence: str) -> str:
    """The error's own sentence, in the reader's language where it is known; else behind one in that language."""
    if not sentence:
        return text
    said = in_words(sentence)
    return f"{text} ({said})" if locale() != "en" and said.isascii() else said


def _page(status: int, code: str, message: str) -> str:
    try:
        return render_template("error.html", status=status, code=code, message=message, request_id=request_id())
    except (TemplateError, FedLungError, OSError) as error:
        # Whatever broke the request may break the frame of the page, too.
        logger.error("request %s: the error page could not be drawn", request_id(), exc_info=error)
        page = Markup("<!doctype html><meta charset=utf-8><title>FedLung</title><h1>{}</h1><p>{}</p><p>{}</p>")
        return page.format(status, message, request_id())
