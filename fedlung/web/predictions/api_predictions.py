"""Predictions of the own hospital: ask for one, follow it, say what the marks are worth, offer them as annotations.

Another hospital's prediction does not exist, whoever asks: the id is looked up in the asking person's hospital only.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from flask import Blueprint, Response, jsonify, make_response, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from fedlung.accounts.permissions import DETECT_NODULES
from fedlung.errors import Conflict, InvalidInput, NotFound
from fedlung.events import FINISHED
from fedlung.imaging.geometry import Geometry
from fedlung.stores.audit import Action
from fedlung.stores.clock import utc_now
from fedlung.stores.prediction_marks import ACCEPTED, Mark
from fedlung.stores.predictions import PredictionRecord
from fedlung.web.json_bodies import json_object
from fedlung.web.predictions.marks_request import parse_marks
from fedlung.web.predictions.prediction_json import full_json, listed_json, marks_json, summary_json
from fedlung.web.predictions.service import PredictionService
from fedlung.web.services import services
from fedlung.web.sessions import access, signed_in_user

LONGEST_ID = 200

blueprint = Blueprint("api_predictions", __name__)


@blueprint.get("/inference/<prediction_id>")
@access(DETECT_NODULES)
def page(prediction_id: str) -> ResponseReturnValue:
    record = own_prediction(prediction_id)
    return render_template("prediction.html", prediction_id=record.id, scan_id=record.scan_id)


@blueprint.post("/api/predictions")
@access(DETECT_NODULES)
def ask() -> ResponseReturnValue:
    wanted = json_object()
    scan_id, model_id = wanted.get("scan_id"), wanted.get("model_id")
    if not isinstance(scan_id, str) or not scan_id:
        raise InvalidInput(fields={"scan_id": gettext("A text is needed.")})
    if model_id is not None and not isinstance(model_id, str):
        raise InvalidInput(fields={"model_id": gettext("A text is needed.")})
    user = signed_in_user()
    record = _service().request(_hospital(), scan_id, model_id or None, user.username)
    _note_deed(Action.PREDICTION_ASKED, record, state=record.state)
    return jsonify(summary_json(record, _service().progress(record))), 202


@blueprint.get("/api/predictions")
@access(DETECT_NODULES)
def list_all() -> ResponseReturnValue:
    """Of one scan or of all of the hospital, the newest first."""
    scan_id = request.args.get("scan_id")
    records = _service().store.all(_hospital(), scan_id)
    return jsonify([listed_json(_service(), record) for record in records])


@blueprint.get("/api/predictions/<prediction_id>")
@access(DETECT_NODULES)
def one(prediction_id: str) -> ResponseReturnValue:
    return jsonify(full_json(_service(), own_prediction(prediction_id), signed_in_user().username))


@blueprint.delete("/api/predictions/<prediction_id>")
@access(DETECT_NODULES)
def cancel(prediction_id: str) -> ResponseReturnValue:
    """Of a reading that is queued or running; one that has ended is kept."""
    record = _service().cancel(_hospital(), prediction_id, signed_in_user().username)
    _note_deed(Action.PREDICTION_CANCELLED, record)
    return jsonify(summary_json(record))


@blueprint.put("/api/predictions/<prediction_id>/marks")
@access(DETECT_NODULES)
def save_marks(prediction_id: str) -> ResponseReturnValue:
    record = finished_prediction(prediction_id)
    content, folder = _service().store.content(record), _service().store.folder(record)
    candidates = content["candidates"]
    asked, marks = parse_marks(json_object(), candidates, Geometry.from_json(content["viewed"]))
    author = signed_in_user().username
    try:
        saved = _service().marks.save(
            folder, candidates, asked.version, marks, first_read_declared=asked.first_read_declared, author=author
        )
    except Conflict:
        newest = _service().marks.newest(folder, candidates)
        message = gettext("%(name)s has changed the marks meanwhile.", name=newest.author)
        error = {"code": Conflict.code, "message": message}
        return jsonify(error=error, marks=marks_json(newest, author)), 409
    _note_deed(Action.MARKS_SAVED, record, version=saved.version, **saved.counts())
    return jsonify(marks_json(saved, author))


@blueprint.post("/api/predictions/<prediction_id>/offer")
@access(DETECT_NODULES)
def offer(prediction_id: str) -> ResponseReturnValue:
    """The accepted marks as annotations for the hospital's staff, who decide whether they become a version."""
    record = finished_prediction(prediction_id)
    content = _service().store.content(record)
    marks = _service().marks.newest(_service().store.folder(record), content["candidates"])
    accepted = [mark for mark in marks.items if mark.status == ACCEPTED]
    if not accepted:
        raise Conflict(gettext("No mark is accepted and saved yet."))
    findings = [_finding(mark) for mark in accepted]
    offered = {"time": utc_now(), "by": signed_in_user().username, "marks_version": marks.version}
    _service().store.offer(record, {**offered, "nodules": len(findings), "findings": findings})
    _note_deed(Action.MARKS_OFFERED, record, nodules=len(findings))
    return jsonify(scan_id=record.scan_id, origin="prediction", **offered, findings=findings), 201


@blueprint.get("/api/predictions/<prediction_id>/offer")
@access(DETECT_NODULES)
def newest_offer(prediction_id: str) -> ResponseReturnValue:
    record = own_prediction(prediction_id)
    offers = _service().store.offers(record)
    if not offers:
        raise NotFound(gettext("Nothing has been offered yet."))
    return jsonify(scan_id=record.scan_id, origin="prediction", **offers[-1])


@blueprint.get("/api/predictions/<prediction_id>/mask")
@access(DETECT_NODULES)
def mask(prediction_id: str) -> ResponseReturnValue:
    """uint8 in C order zyx, label i = candidate i, on the grid of the prepared scan, which the headers give."""
    record = finished_prediction(prediction_id)
    answer = make_response(_service().store.mask_gzip(record))
    answer.headers["Content-Type"] = "application/octet-stream"
    answer.headers["Content-Encoding"] = "gzip"
    answer.headers["Cache-Control"] = "private, max-age=31536000, immutable"
    for name, value in _service().store.content(record)["prepared"].items():
        answer.headers[f"X-{name.replace('_', '-').title()}"] = " ".join(f"{number:.10g}" for number in value)
    return answer


def own_prediction(prediction_id: str) -> PredictionRecord:
    """Raises NotFound, also for another hospital's."""
    return _service().store.get(_hospital(), prediction_id)


def finished_prediction(prediction_id: str) -> PredictionRecord:
    """Raises NotFound, or Conflict while there is nothing to look at."""
    record = own_prediction(prediction_id)
    if record.state != FINISHED:
        raise Conflict(gettext("This prediction has not finished: there are no marks to work with."))
    return record


def attachment(content: bytes, media_type: str, name: str) -> Response:
    answer = make_response(content)
    answer.headers["Content-Type"] = media_type
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _finding(mark: Mark) -> dict[str, Any]:
    return {
        "id": uuid4().hex,
        "kind": "nodule",
        "center_xyz_mm": list(mark.center_xyz_mm),
        "diameter_mm": mark.diameter_mm,
        "origin": "prediction",
        "author": mark.author,
        "time": mark.time,
        "comment": mark.comment,
    }


def _service() -> PredictionService:
    return services().predictions


def _hospital() -> str:
    hospital_id = signed_in_user().hospital_id
    if hospital_id is None:  # the permission is of staff and clinicians, who have one
        raise NotFound(gettext("There is no such thing here."))
    return hospital_id


def _note_deed(deed: Action, record: PredictionRecord, **details: Any) -> None:
    services().audit.append(signed_in_user().username, deed, record.id, details, record.hospital_id)
