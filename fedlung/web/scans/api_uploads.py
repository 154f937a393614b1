"""Uploads over the tus protocol: one file is one upload; what belongs together is one group, and finished together."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from flask import Blueprint, current_app, jsonify, make_response, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge, UnsupportedMediaType

from fedlung.accounts.permissions import UPLOAD_SCANS
from fedlung.errors import InvalidInput, NoSpace
from fedlung.stores.hospital_store import HospitalStore
from fedlung.stores.upload_groups import CHECKING, UPLOADING, WAITING, UploadFile, UploadGroup
from fedlung.web.body_sizes import largest_body
from fedlung.web.json_bodies import json_object
from fedlung.web.live.sockets import live_sockets
from fedlung.web.scans import tus
from fedlung.web.scans.own_scans import own_store, sentence
from fedlung.web.services import services, settings
from fedlung.web.sessions import access, signed_in_user

PIECE_BYTES = 1 << 18  # a server that is killed loses at most so much of each line
NO_CONTENT = 204

blueprint = Blueprint("api_uploads", __name__, url_prefix="/api/uploads")
blueprint.after_request(tus.mark)


@blueprint.route("", methods=["OPTIONS"], provide_automatic_options=False)
@access(UPLOAD_SCANS)
def about() -> ResponseReturnValue:
    return "", NO_CONTENT, tus.about()


@blueprint.get("")
@access(UPLOAD_SCANS)
def groups() -> ResponseReturnValue:
    store = own_store()
    return jsonify([group_json(store, group) for group in store.uploads.groups() if group.files])


@blueprint.post("")
@access(UPLOAD_SCANS)
@largest_body(tus.LARGEST_FILE)
def create() -> ResponseReturnValue:
    tus.require_version()
    store, told = own_store(), tus.metadata()
    name, key, digest = tus.file_name(told), tus.group_key(told), tus.sha256(told.get("sha256", ""))
    size = tus.number("Upload-Length")
    if size > tus.LARGEST_FILE:
        raise RequestEntityTooLarge
    has_body = request.mimetype == tus.PIECES
    checksum = tus.checksum() if has_body else None
    store.room.require(size)
    file = store.uploads.create(key, name, size, signed_in_user().username, digest)
    headers = {"Location": url_for(".show", file_id=file.id), **_expires()}
    if has_body:
        headers["Upload-Offset"] = str(_receive(store, file, 0, checksum))
    return "", 201, headers


@blueprint.route("/<file_id>", methods=["HEAD"])
@access(UPLOAD_SCANS)
def show(file_id: str) -> ResponseReturnValue:
    tus.require_version()
    store = own_store()
    group, file = store.uploads.find(file_id)
    answer = make_response("")
    answer.headers["Upload-Offset"] = str(store.uploads.received(group, file))
    answer.headers["Upload-Length"] = str(file.size_bytes)
    answer.headers["Cache-Control"] = "no-store"
    answer.headers.extend(_expires())
    return answer


@blueprint.patch("/<file_id>")
@access(UPLOAD_SCANS)
@largest_body(tus.LARGEST_FILE)
def append(file_id: str) -> ResponseReturnValue:
    tus.require_version()
    if request.mimetype != tus.PIECES:
        raise UnsupportedMediaType
    store = own_store()
    _, file = store.uploads.find(file_id)
    reached = _receive(store, file, tus.number("Upload-Offset"), tus.checksum())
    return "", NO_CONTENT, {"Upload-Offset": str(reached), **_expires()}


@blueprint.delete("/<file_id>")
@access(UPLOAD_SCANS)
def cancel(file_id: str) -> ResponseReturnValue:
    own_store().uploads.cancel(file_id)  # of any version: our own pages ask without a tus client
    return "", NO_CONTENT


@blueprint.post("/<file_id>/finish")
@access(UPLOAD_SCANS)
def finish(file_id: str) -> ResponseReturnValue:
    store, payload = own_store(), json_object()
    file_ids, digests = payload.get("files", []), payload.get("sha256") or {}
    if not isinstance(file_ids, list) or not all(isinstance(each, str) for each in file_ids):
        raise InvalidInput(fields={"files": gettext("A list is needed.")})
    if not isinstance(digests, dict) or not all(isinstance(each, str) for each in digests.values()):
        raise InvalidInput(fields={"sha256": gettext("A table of names and numbers is needed.")})
    group = store.uploads.finish(file_id, file_ids, {key: tus.sha256(digest) for key, digest in digests.items()})
    services().scans.intake.wake()
    return jsonify(group_json(store, group)), 202


def group_json(store: HospitalStore, group: UploadGroup) -> dict[str, Any]:
    """A group as its own hospital's staff sees it."""
    received = {file.id: store.uploads.received(group, file) for file in group.files}
    total = sum(file.size_bytes for file in group.files)
    if group.state == UPLOADING:
        stage, share = "", sum(received.values()) / total if total else 0.0
    elif group.state in (WAITING, CHECKING):
        progress = services().scans.intake.progress_of(group)
        stage, share = progress.stage, progress.share
    else:
        stage, share = "", 1.0
    return {
        "group": group.key,
        "by": group.by,
        "created": group.created,
        "state": group.state,
        "stage": stage,
        "progress": share,
        "files": [
            {"id": file.id, "name": file.name, "size_bytes": file.size_bytes, "received_bytes": received[file.id]}
            for file in group.files
        ],
        "results": [
            {
                "scan_id": result.scan_id,
                "name": result.name,
                "outcome": result.outcome,
                "sentence": sentence(result.text, result.values),
            }
            for result in group.results
        ],
    }


def _receive(store: HospitalStore, file: UploadFile, offset: int, checksum: Any) -> int:
    """Body of this request onto the disk. Raises as `UploadStore.append`; NoSpace where the disk is full."""
    announced = request.content_length
    if announced is not None and announced > file.size_bytes - offset >= 0:
        raise RequestEntityTooLarge
    store.room.require_free(announced or 0)
    try:
        return store.uploads.append(file.id, offset, _pieces(), checksum)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise NoSpace("the disk of the server is full") from None
        raise


def _pieces() -> Iterator[bytes]:
    """What arrives, as it arrives; the line may break at any byte."""
    while True:
        try:
            piece = request.stream.read(PIECE_BYTES)
        except OSError:
            raise ClientDisconnected from None
        if not piece:
            return
        yield piece
        rest = services().scans.pace.rest(len(piece))
        if rest:
            live_sockets(current_app).socketio.sleep(rest)  # not time.sleep, which would stop eventlet's loop


def _expires() -> dict[str, str]:
    until = datetime.now(UTC) + timedelta(hours=settings().upload_ttl_hours)
    return {"Upload-Expires": format_datetime(until, usegmt=True)}
