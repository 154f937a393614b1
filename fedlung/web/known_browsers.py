"""Browsers in which somebody signed in before, known by a signed cookie that opens nothing.

Guesses of others, from behind the same proxy say, do not slow such a browser down (see `fedlung.accounts.throttle`).
Whoever copies the cookie gets a handful of tries of their own, as from a new address.
"""

from __future__ import annotations

import secrets

from flask import Response, current_app, request
from itsdangerous import BadData, URLSafeTimedSerializer

from fedlung.accounts.field_rules import normal_username_or_empty
from fedlung.stores.users import User
from fedlung.web.services import settings

COOKIE = "fedlung_known"
KEPT_SECONDS = 90 * 24 * 3600


def device_for(username: str) -> str:
    """Name of this browser if the person signed in here last; empty otherwise."""
    try:
        known = _serializer().loads(request.cookies.get(COOKIE, ""), max_age=KEPT_SECONDS)
    except BadData:
        return ""
    return str(known["device"]) if known["username"] == normal_username_or_empty(username) else ""


def remember(answer: Response, user: User, device: str) -> Response:
    """Make this browser known as the person's, under the name that it has already, if any."""
    known = {"username": user.username, "device": device or secrets.token_urlsafe(12)}
    answer.set_cookie(
        COOKIE,
        _serializer().dumps(known),
        max_age=KEPT_SECONDS,
        path="/login",
        secure=settings().cookie_secure,
        httponly=True,
        samesite="Lax",
    )
    return answer


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(str(current_app.secret_key), salt="fedlung known browser")
