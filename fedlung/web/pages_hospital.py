"""Where the people of a hospital begin: staff with their scans and rounds, clinicians with detection."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from fedlung.accounts.permissions import DETECT_NODULES, UPLOAD_SCANS
from fedlung.web.scans.own_scans import own_store
from fedlung.web.sessions import access

blueprint = Blueprint("hospital", __name__)


@blueprint.get("/client")
@access(UPLOAD_SCANS)
def client() -> ResponseReturnValue:
    return render_template("client.html")


@blueprint.get("/client/scans/<scan_id>")
@access(UPLOAD_SCANS)
def annotate(scan_id: str) -> ResponseReturnValue:
    """The page on which staff mark nodules. Raises NotFound for a scan that the own hospital does not have."""
    own_store().scans.path(scan_id)
    return render_template("annotate.html", scan_id=scan_id)


@blueprint.get("/inference")
@access(DETECT_NODULES)
def inference() -> ResponseReturnValue:
    return render_template("inference.html")
