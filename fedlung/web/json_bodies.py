"""Bodies of requests in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import request
from flask_babel import gettext
from werkzeug.exceptions import BadRequest

from fedlung.errors import InvalidInput


def json_object() -> dict[str, Any]:
    """The body; a request without any says nothing, which is an empty object.

    Raises BadRequest where it is no JSON object, UnsupportedMediaType where it is not called JSON.
    """
    if not request.content_length and not request.content_type:
        return {}
    payload = request.get_json()
    if not isinstance(payload, dict):
        raise BadRequest
    return payload


def only_fields(payload: Mapping[str, Any], *names: str) -> None:
    """Raises InvalidInput for a field that is not known."""
    unknown = sorted(set(payload) - set(names))
    if unknown:
        raise InvalidInput(fields={unknown[0][:80]: gettext("This field is not known.")})
