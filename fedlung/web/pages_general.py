"""The way in, the sign of life, and the page that shows every component of the design."""

from __future__ import annotations

from flask import Blueprint, jsonify, redirect, render_template
from flask.typing import ResponseReturnValue

from fedlung import __version__
from fedlung.accounts.permissions import home_of
from fedlung.web.sessions import PUBLIC, SIGNED_IN, access, signed_in_user

blueprint = Blueprint("general", __name__)


@blueprint.get("/")
@access(SIGNED_IN)
def home() -> ResponseReturnValue:
    return redirect(home_of(signed_in_user().role))


@blueprint.get("/healthz")
@access(PUBLIC)
def healthz() -> ResponseReturnValue:
    return jsonify(status="ok", version=__version__)


@blueprint.get("/dev/patterns")
@access(SIGNED_IN)
def patterns() -> ResponseReturnValue:
    return render_template("patterns.html")
