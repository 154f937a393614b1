"""The page on which administrators keep accounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from fedlung.accounts import texts
from fedlung.accounts.permissions import MANAGE_USERS
from fedlung.errors import Conflict, InvalidInput
from fedlung.stores.users import ADMIN, ROLES, User
from fedlung.web.i18n import locale
from fedlung.web.pages_accounts import not_kept, translated
from fedlung.web.services import services
from fedlung.web.sessions import access, signed_in_user
from fedlung.web.shown_once import ShownOnce

blueprint = Blueprint("users", __name__)

passwords_to_show = ShownOnce()


@blueprint.get("/admin/users")
@access(MANAGE_USERS)
def index() -> ResponseReturnValue:
    created = passwords_to_show.take(signed_in_user().id, request.args.get("created", ""))
    return _page(200, created=created)


@blueprint.post("/admin/users")
@access(MANAGE_USERS)
def create() -> ResponseReturnValue:
    form = request.form
    try:
        role, hospital_id = _place(form, None)
        user, password = services().accounts.create_user(
            signed_in_user().username, form.get("username", ""), form.get("display_name", ""), role, hospital_id
        )
    except InvalidInput as error:
        return _page(422, errors=translated(error))
    return _shown_once(user, password)


@blueprint.post("/admin/users/<user_id>")
@access(MANAGE_USERS)
def update(user_id: str) -> ResponseReturnValue:
    form = request.form
    accounts = services().accounts
    try:
        role, hospital_id = _place(form, accounts.find(user_id))
        accounts.update_user(
            signed_in_user().username,
            user_id,
            _version(form),
            display_name=form.get("display_name", ""),
            role=role,
            hospital_id=hospital_id,
            is_active=form.get("is_active", "") not in ("", "0", "false"),
        )
    except InvalidInput as error:
        return _page(422, user_id, translated(error))
    except Conflict:
        return _page(409, user_id, {"version": _changed_meanwhile()})
    return redirect(url_for(".index"), 303)


@blueprint.post("/admin/users/<user_id>/reset-password")
@access(MANAGE_USERS)
def reset_password(user_id: str) -> ResponseReturnValue:
    try:
        by = signed_in_user().username
        user, password = services().accounts.reset_password(by, user_id, _version(request.form))
    except InvalidInput as error:
        return _page(422, user_id, translated(error))
    except Conflict:
        return _page(409, user_id, {"version": _changed_meanwhile()})
    return _shown_once(user, password)


def _page(
    status: int,
    user_id: str = "",
    errors: Mapping[str, str] | None = None,
    created: tuple[str, str] | None = None,
) -> Response:
    """``errors`` and ``form`` belong to the row of ``user_id``; to the form for a new account when that is empty."""
    hospitals = services().hospitals
    page = render_template(
        "admin_users.html",
        users=services().users.all(),
        hospitals=[{"id": each, "name": hospitals.name(each, locale())} for each in hospitals.ids()],
        roles=ROLES,
        errors=errors or {},
        created={"username": created[0], "password": created[1]} if created else None,
        form={**request.form.to_dict(), "user_id": user_id},
    )
    return not_kept(page, status)


def _shown_once(user: User, password: str) -> ResponseReturnValue:
    ticket = passwords_to_show.keep(signed_in_user().id, (user.username, password))
    return redirect(url_for(".index", created=ticket), 303)


def _place(form: Mapping[str, Any], user: User | None) -> tuple[str, str | None]:
    """Role and hospital as the form says. A hospital that is not there (any more) may be kept, not chosen.

    Raises:
        InvalidInput: there is no such hospital.
    """
    role, hospital_id = form.get("role", ""), form.get("hospital_id") or None
    kept = user.hospital_id if user else None
    if role != ADMIN and hospital_id not in (None, kept, *services().hospitals.ids()):
        raise InvalidInput("there is no such hospital", {"hospital_id": texts.HOSPITAL_NEEDED})
    return role, hospital_id


def _version(form: Mapping[str, Any]) -> int:
    """The version that the form showed; 0, which no account has, when it does not say."""
    text = form.get("version", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _changed_meanwhile() -> str:
    sentence: str = gettext(
        "This account was changed meanwhile (signing out counts, too). Look again, then save again."
    )
    return sentence
