"""How often one person may change things. Signing in has its own, slower limits (`fedlung.accounts.throttle`)."""

from __future__ import annotations

from flask import Flask, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import current_user

CHANGES = "300 per minute"
UPLOADS = "6000 per minute"  # requests: each slice of a DICOM folder is one or two
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


def install(app: Flask) -> Limiter:
    """Count in memory: exact, since there is one process."""
    return Limiter(
        _who,
        app=app,
        default_limits=[_limit],
        default_limits_exempt_when=lambda: request.method in SAFE_METHODS,
        default_limits_per_method=False,
        application_limits=[],
        storage_uri="memory://",
    )


def _limit() -> str:
    return UPLOADS if request.blueprint == "api_uploads" else CHANGES


def _who() -> str:
    return f"user {current_user.id}" if current_user.is_authenticated else f"address {get_remote_address()}"
