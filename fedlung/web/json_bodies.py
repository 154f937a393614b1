"""Bodies of requests in JSON."""

from __future__ import annotations

from typing import Any

from flask import request
from werkzeug.exceptions import BadRequest


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
