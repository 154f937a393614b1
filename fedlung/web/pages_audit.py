"""Who did what: the audit as a page for administrators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext

from fedlung.accounts.field_rules import normal_username_or_empty
from fedlung.accounts.permissions import READ_AUDIT
from fedlung.stores.audit import Action
from fedlung.web.audit_words import actor_words, details_in_words, target_words
from fedlung.web.i18n import locale
from fedlung.web.pages_accounts import not_kept
from fedlung.web.services import services
from fedlung.web.sessions import access

blueprint = Blueprint("audit", __name__)

PER_PAGE = 50
LABELS: Mapping[str, Any] = {
    Action.SIGN_IN: lazy_gettext("signed in"),
    Action.SIGN_IN_REFUSED: lazy_gettext("sign-in refused"),
    Action.SIGN_OUT: lazy_gettext("signed out"),
    Action.PASSWORD_CHANGED: lazy_gettext("changed the own password"),
    Action.PASSWORD_RESET: lazy_gettext("reset a password"),
    Action.PROFILE_CHANGED: lazy_gettext("changed the own profile"),
    Action.USER_CREATED: lazy_gettext("made an account"),
    Action.USER_CHANGED: lazy_gettext("changed an account"),
    Action.ACCOUNT_MERGED: lazy_gettext("joined two changes of an account"),
    Action.HOSPITAL_ADDED: lazy_gettext("added a hospital"),
    Action.RUN_STARTED: lazy_gettext("started a training run"),
    Action.RUN_PAUSED: lazy_gettext("paused a training run"),
    Action.RUN_RESUMED: lazy_gettext("resumed a training run"),
    Action.RUN_STOPPED: lazy_gettext("stopped a training run"),
    Action.RUN_NOTED: lazy_gettext("wrote a note on a training run"),
    Action.RUN_DOWNLOADED: lazy_gettext("downloaded the record of a training run"),
    Action.MODEL_PROMOTED: lazy_gettext("promoted a model"),
    Action.MODEL_VERIFIED: lazy_gettext("checked a model file"),
    Action.MODEL_DOWNLOADED: lazy_gettext("downloaded a model"),
    Action.SCAN_STORED: lazy_gettext("brought in a scan"),
    Action.SCAN_CHANGED: lazy_gettext("changed a scan's name or readiness"),
    Action.SCAN_DELETED: lazy_gettext("deleted a scan"),
    Action.READINESS_CHANGED: lazy_gettext("changed the readiness or a setting of the hospital's data"),
    Action.ANNOTATIONS_CHANGED: lazy_gettext("changed the annotations of a scan"),
    Action.ANNOTATIONS_IMPORTED: lazy_gettext("imported annotations"),
    Action.ANNOTATIONS_DOWNLOADED: lazy_gettext("downloaded the annotations"),
    Action.PREDICTION_ASKED: lazy_gettext("had a scan read by a model"),
    Action.PREDICTION_CANCELLED: lazy_gettext("cancelled the reading of a scan"),
    Action.PREDICTION_EXPORTED: lazy_gettext("downloaded the report of a prediction"),
    Action.MARKS_SAVED: lazy_gettext("judged the marks of a prediction"),
    Action.MARKS_OFFERED: lazy_gettext("offered marks of a prediction as annotations"),
}


@blueprint.get("/audit")
@access(READ_AUDIT)
def index() -> ResponseReturnValue:
    action, typed = request.args.get("action") or None, request.args.get("actor", "").strip()
    actor = normal_username_or_empty(typed) or typed or None  # as for signing in: upper and lower case are the same
    before = request.args.get("before", type=int)
    found = services().audit.page(before, PER_PAGE + 1, action, actor)
    entries = [_shown(entry) for entry in found[:PER_PAGE]]
    actions = [{"id": str(each), "label": label} for each, label in LABELS.items()]
    page = render_template(
        "audit.html",
        entries=entries,
        next_before=entries[-1]["seq"] if len(found) > PER_PAGE else None,
        filters={"action": action or "", "actor": actor or "", "actions": actions},
    )
    return not_kept(page, 200)


def _shown(entry: Mapping[str, Any]) -> dict[str, Any]:
    def hospital_name(hospital_id: str) -> str:
        return services().hospitals.name(hospital_id, locale())

    return {
        **entry,
        "label": LABELS.get(entry["action"], entry["action"]),
        "who": actor_words(entry["actor"]),
        "concerning": target_words(entry, hospital_name),
        "told": details_in_words(entry["details"], hospital_name),
    }
