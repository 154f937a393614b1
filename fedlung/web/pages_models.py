"""The page of the model registry."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from fedlung.accounts.permissions import SEE_RESULTS
from fedlung.web.sessions import access

blueprint = Blueprint("models", __name__)


@blueprint.get("/models")
@access(SEE_RESULTS)
def models() -> ResponseReturnValue:
    return render_template("models.html")
