"""The hospitals in numbers: all of them for administrators, one's own for everybody else."""

from __future__ import annotations

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from fedlung.accounts.permissions import SEE_RESULTS
from fedlung.stores.users import ADMIN
from fedlung.web.i18n import locale
from fedlung.web.services import services
from fedlung.web.sessions import access, signed_in_user

blueprint = Blueprint("api_hospitals", __name__, url_prefix="/api")


@blueprint.get("/hospitals")
@access(SEE_RESULTS)
def hospitals() -> ResponseReturnValue:
    user = signed_in_user()
    wanted = None if user.role == ADMIN else [user.hospital_id or ""]
    return jsonify(services().hospitals.cards(wanted, locale()))
