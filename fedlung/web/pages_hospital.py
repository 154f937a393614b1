"""Where the people of a hospital begin: staff with their scans and rounds, clinicians with detection."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from fedlung.accounts.permissions import DETECT_NODULES, UPLOAD_SCANS
from fedlung.web.sessions import access

blueprint = Blueprint("hospital", __name__)


@blueprint.get("/client")
@access(UPLOAD_SCANS)
def client() -> ResponseReturnValue:
    return render_template("client.html")


@blueprint.get("/inference")
@access(DETECT_NODULES)
def inference() -> ResponseReturnValue:
    return render_template("inference.html")
