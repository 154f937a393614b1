"""The hospitals in numbers: all of them for administrators, who add new ones; one's own for everybody else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, jsonify, make_response
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from fedlung.accounts.permissions import ADD_HOSPITALS, SEE_RESULTS
from fedlung.errors import Conflict, InvalidInput
from fedlung.stores.audit import Action
from fedlung.stores.hospitals import LANGUAGES
from fedlung.stores.new_hospital import may_name_a_hospital
from fedlung.stores.users import ADMIN, LONGEST_DISPLAY_NAME, normal_display_name
from fedlung.web.deeds import note_deed
from fedlung.web.i18n import locale
from fedlung.web.json_bodies import json_object, only_fields
from fedlung.web.live.streams import Admins
from fedlung.web.services import services
from fedlung.web.sessions import access, signed_in_user

CREATED = 201
NAME_FIELDS = {f"name_{language}": language for language in LANGUAGES}

blueprint = Blueprint("api_hospitals", __name__, url_prefix="/api")


@blueprint.get("/hospitals")
@access(SEE_RESULTS)
def hospitals() -> ResponseReturnValue:
    user = signed_in_user()
    wanted = None if user.role == ADMIN else [user.hospital_id or ""]
    return jsonify(services().hospitals.cards(wanted, locale()))


@blueprint.post("/hospitals")
@access(ADD_HOSPITALS)
def add() -> ResponseReturnValue:
    """``{id, name_en?, name_zh?}``: an empty hospital, whose people can have accounts and bring scans at once."""
    payload = json_object()
    only_fields(payload, "id", *NAME_FIELDS)
    hospital_id, names = _parsed(payload)
    try:
        services().hospitals.add(hospital_id, names)
    except Conflict:
        text = gettext("This id is taken, by a hospital or another folder; upper and lower case are the same.")
        raise Conflict(text) from None
    note_deed(Action.HOSPITAL_ADDED, hospital_id, **{f"name_{language}": name for language, name in names.items()})
    services().hub.publish("hospital_status", {"hospital": hospital_id, "hospitals_changed": True}, Admins())
    return make_response(jsonify(services().hospitals.cards([hospital_id], locale())[0]), CREATED)


def _parsed(payload: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """The id, and language -> name without those that were left empty. Raises InvalidInput."""
    hospital_id, names, wrong = payload.get("id"), dict[str, str](), dict[str, str]()
    if not isinstance(hospital_id, str) or not may_name_a_hospital(hospital_id):
        hospital_id = ""
        wrong["id"] = gettext(
            "Use 1 to 64 letters from A to Z, digits, - and _, beginning with a letter or digit; "
            "names that the server or Windows keeps for itself are refused."
        )
    for field, language in NAME_FIELDS.items():
        asked = payload.get(field) or ""
        try:
            if asked:
                names[language] = normal_display_name(asked)
        except (TypeError, ValueError):
            wrong[field] = gettext("Use 1 to %(number)s visible characters.", number=LONGEST_DISPLAY_NAME)
            continue
        if asked and _is_known(names[language], language):
            wrong[field] = gettext("Another hospital is shown under this name.")
    if wrong:
        raise InvalidInput(fields=wrong)
    return hospital_id, names


def _is_known(name: str, language: str) -> bool:
    known = services().hospitals
    return name.casefold() in {known.name(each, language).casefold() for each in known.ids()}
