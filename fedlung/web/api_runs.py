"""Training runs: start, pause, resume, stop; look at them; take them away as files."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, make_response, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from fedlung.accounts.permissions import RUN_TRAINING, SEE_RESULTS
from fedlung.errors import InvalidInput
from fedlung.stores.audit import Action
from fedlung.stores.runs import read_events
from fedlung.web.deeds import note_deed
from fedlung.web.json_bodies import json_object
from fedlung.web.live.streams import Everyone, stream_of, view_for
from fedlung.web.services import services
from fedlung.web.sessions import access, signed_in_user
from fedlung.web.training.exports import events_csv, events_jsonl, rounds_csv
from fedlung.web.training.request import RunRequest, limits, parse_request
from fedlung.web.training.strategy_forms import strategy_forms

LONGEST_NOTE = 4000
FORMATS = {"json": "application/json", "csv": "text/csv", "jsonl": "application/x-ndjson"}

blueprint = Blueprint("api_runs", __name__, url_prefix="/api")


@blueprint.get("/strategies")
@access(SEE_RESULTS)
def strategies() -> ResponseReturnValue:
    return jsonify(strategies=strategy_forms(), defaults=RunRequest().model_dump(), limits=limits())


@blueprint.get("/runs")
@access(SEE_RESULTS)
def all_runs() -> ResponseReturnValue:
    return jsonify(services().runs.all(signed_in_user()))


@blueprint.post("/runs")
@access(RUN_TRAINING)
def start() -> ResponseReturnValue:
    user = signed_in_user()
    hospitals = services().hospitals
    wanted = parse_request(json_object(), hospitals.ids(), hospitals.not_ready_ids(), hospitals.without_scans())
    run = services().runs.start(wanted, user)
    note_deed(Action.RUN_STARTED, run["id"], **wanted.model_dump())
    return jsonify(run), 201


@blueprint.get("/runs/<run_id>")
@access(SEE_RESULTS)
def one_run(run_id: str) -> ResponseReturnValue:
    return jsonify(services().runs.get(run_id, signed_in_user()))


@blueprint.post("/runs/<run_id>/pause")
@access(RUN_TRAINING)
def pause(run_id: str) -> ResponseReturnValue:
    services().runs.pause(run_id)
    return _done(Action.RUN_PAUSED, run_id)


@blueprint.post("/runs/<run_id>/resume")
@access(RUN_TRAINING)
def resume(run_id: str) -> ResponseReturnValue:
    services().runs.resume(run_id)
    return _done(Action.RUN_RESUMED, run_id)


@blueprint.post("/runs/<run_id>/stop")
@access(RUN_TRAINING)
def stop(run_id: str) -> ResponseReturnValue:
    services().runs.stop(run_id)
    return _done(Action.RUN_STOPPED, run_id)


@blueprint.put("/runs/<run_id>/note")
@access(RUN_TRAINING)
def note(run_id: str) -> ResponseReturnValue:
    text = json_object().get("text")
    if not isinstance(text, str):
        raise InvalidInput(fields={"text": gettext("A text is needed.")})
    if len(text) > LONGEST_NOTE:
        raise InvalidInput(fields={"text": gettext("At most %(number)s characters.", number=LONGEST_NOTE)})
    services().runs.set_note(run_id, text.strip(), signed_in_user())
    return _done(Action.RUN_NOTED, run_id)


@blueprint.get("/runs/<run_id>/events")
@access(SEE_RESULTS)
def events(run_id: str) -> ResponseReturnValue:
    wanted = request.args.get("format", "json")
    if wanted not in FORMATS:
        raise InvalidInput(fields={"format": gettext("Must be one of %(expected)s.", expected=", ".join(FORMATS))})
    found = _visible_events(run_id)
    if wanted == "json":
        return jsonify(found)
    text = events_csv(found) if wanted == "csv" else events_jsonl(found)
    return _download(run_id, text, FORMATS[wanted], f"{run_id}-events.{wanted}")


@blueprint.get("/runs/<run_id>/rounds.csv")
@access(SEE_RESULTS)
def rounds(run_id: str) -> ResponseReturnValue:
    run = services().runs.get(run_id, signed_in_user())
    return _download(run_id, rounds_csv(run["records"]), FORMATS["csv"], f"{run_id}-rounds.csv")


def _visible_events(run_id: str) -> list[dict[str, Any]]:
    """What this person would have been told live, with the numbers and times of the run's own file."""
    user = signed_in_user()
    stream = stream_of(user.role, user.hospital_id)
    found = []
    for event in read_events(services().runs.folder(run_id)):
        name = str(event.get("event", ""))
        seen = view_for(stream, name, event, Everyone())
        if seen is not None:
            found.append({**seen, "event": name, "seq": event.get("seq"), "time": event.get("time")})
    return found


def _download(run_id: str, text: str, media_type: str, name: str) -> Response:
    note_deed(Action.RUN_DOWNLOADED, run_id, file=name)
    # The mark at the beginning tells spreadsheets that a table is UTF-8; a program would stumble over it.
    answer = make_response(text.encode("utf-8-sig" if media_type == FORMATS["csv"] else "utf-8"))
    answer.headers["Content-Type"] = f"{media_type}; charset=utf-8"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _done(deed: Action, run_id: str) -> ResponseReturnValue:
    note_deed(deed, run_id)
    return jsonify(services().runs.get(run_id, signed_in_user()))
