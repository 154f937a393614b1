"""The server's dashboard, the history of runs, and one run. The pages fetch what they show."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from fedlung.accounts.permissions import RUN_TRAINING, SEE_RESULTS
from fedlung.web.services import services
from fedlung.web.sessions import access

blueprint = Blueprint("runs", __name__)


@blueprint.get("/server")
@access(RUN_TRAINING)
def server() -> ResponseReturnValue:
    return render_template("server.html")


@blueprint.get("/history")
@access(SEE_RESULTS)
def history() -> ResponseReturnValue:
    return render_template("history.html")


@blueprint.get("/history/<run_id>")
@access(SEE_RESULTS)
def run(run_id: str) -> ResponseReturnValue:
    services().runs.folder(run_id)
    return render_template("run.html", run_id=run_id)
