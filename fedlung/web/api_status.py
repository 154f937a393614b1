"""``GET /api/status``: what a page loads first, after a gap, and again and again where the live socket is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, current_app, jsonify, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from fedlung import __version__
from fedlung.errors import InvalidInput
from fedlung.stores.users import ADMIN, User
from fedlung.web.i18n import locale
from fedlung.web.live.sockets import live_sockets
from fedlung.web.live.streams import stream_of
from fedlung.web.page_context import banners
from fedlung.web.services import services
from fedlung.web.sessions import SIGNED_IN, access, signed_in_user

blueprint = Blueprint("status", __name__)


@blueprint.get("/api/status")
@access(SIGNED_IN)
def status() -> ResponseReturnValue:
    viewer = signed_in_user()
    stream = stream_of(viewer.role, viewer.hospital_id)
    # The number first, the rest after it: an event in between is then applied twice, never lost.
    answer: dict[str, Any] = {"seq": services().hub.seq(stream), "stream": str(stream)}
    since = _since_or_none()
    if since is not None:
        answer["events"] = services().hub.since(stream, since)
    return jsonify(answer | _snapshot(viewer))


@blueprint.get("/api/system")
@access(ADMIN)
def system() -> ResponseReturnValue:
    return jsonify(services().system.latest())


def _snapshot(viewer: User) -> dict[str, Any]:
    is_admin = viewer.role == ADMIN
    snapshot: dict[str, Any] = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "run": services().runs.current(viewer),
        "hospitals": services().hospitals.cards(None if is_admin else [viewer.hospital_id or ""], locale()),
        "banners": banners(viewer.role),
        "version": __version__,
    }
    if is_admin:
        snapshot["online"] = live_sockets(current_app).presence.online()
    return snapshot


def _since_or_none() -> int | None:
    text = request.args.get("since")
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 16):
        raise InvalidInput("", {"since": gettext("This must be the number of an event.")})
    return int(text)
