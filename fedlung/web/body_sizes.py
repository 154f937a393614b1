"""How large a request's body may be, view by view: a form is small, a scan is not.

Asked before anything reads the body, the search for a CSRF token included.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, current_app, request

View = TypeVar("View", bound=Callable[..., Any])


def largest_body(num_bytes: int) -> Callable[[View], View]:
    """Declare that a view takes more than ``MAX_CONTENT_LENGTH``; it has to read the body piece by piece."""

    def mark(view: View) -> View:
        view.fedlung_largest_body = num_bytes  # type: ignore[attr-defined]  # functions take attributes
        return view

    return mark


def install(app: Flask) -> None:
    """Has to come before CSRF protection."""
    app.before_request(_allow)


def _allow() -> None:
    view = current_app.view_functions.get(request.endpoint or "")
    largest = getattr(view, "fedlung_largest_body", None)
    if largest is not None:
        request.max_content_length = largest
