"""The registry of models: look, check, download, and decide which one reads scans."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify, send_file
from flask.typing import ResponseReturnValue

from fedlung.accounts.permissions import DOWNLOAD_MODELS, PROMOTE_MODELS, SEE_RESULTS
from fedlung.stores.audit import Action
from fedlung.stores.model_registry import ModelEntry, Promotion
from fedlung.stores.users import ADMIN
from fedlung.web.deeds import note_deed
from fedlung.web.services import services
from fedlung.web.sessions import access, signed_in_user
from fedlung.web.training.model_cards import card_for, model_json

blueprint = Blueprint("api_models", __name__, url_prefix="/api/models")


@blueprint.get("")
@access(SEE_RESULTS)
def all_models() -> ResponseReturnValue:
    in_use = _in_use()
    return jsonify([_seen(entry, in_use) for entry in services().models.all()])


@blueprint.post("/<model_id>/promote")
@access(PROMOTE_MODELS)
def promote(model_id: str) -> ResponseReturnValue:
    """Also the way back: promote an earlier one."""
    before = _in_use()
    promotion = services().models.promote(model_id, signed_in_user().username)
    if promotion != before:
        note_deed(Action.MODEL_PROMOTED, model_id, before=before.model_id if before else "")
    return jsonify(_seen(services().models.get(model_id), promotion))


@blueprint.post("/<model_id>/verify")
@access(PROMOTE_MODELS)
def verify(model_id: str) -> ResponseReturnValue:
    entry = services().models.get(model_id)
    intact = services().models.is_intact(entry, again=True)
    note_deed(Action.MODEL_VERIFIED, model_id, intact=intact)
    return jsonify(_seen(entry, _in_use()))


@blueprint.get("/<model_id>/download")
@access(DOWNLOAD_MODELS)
def download(model_id: str) -> ResponseReturnValue:
    entry, file = services().models.open(model_id)
    note_deed(Action.MODEL_DOWNLOADED, model_id, sha256=entry.sha256)
    # Never from a cache: whether the file is intact is asked every time.
    answer = send_file(
        file, "application/octet-stream", as_attachment=True, download_name=f"{entry.model_id}.pth", max_age=0
    )
    answer.content_length = entry.size_bytes
    answer.headers["X-Checksum-Sha256"] = entry.sha256
    return answer


@blueprint.get("/<model_id>/card")
@access(SEE_RESULTS)
def card(model_id: str) -> ResponseReturnValue:
    return jsonify(card_for(services().models.get(model_id), _own()))


def _in_use() -> Promotion | None:
    models = services().models
    promoted = models.promoted_id()
    return models.promotions()[-1] if promoted is not None else None


def _seen(entry: ModelEntry, in_use: Promotion | None) -> dict[str, Any]:
    promotion = in_use if in_use is not None and in_use.model_id == entry.model_id else None
    return model_json(entry, intact=services().models.is_intact(entry), promotion=promotion, own=_own())


def _own() -> str | None:
    """None for who sees everything."""
    user = signed_in_user()
    return None if user.role == ADMIN else user.hospital_id or ""
