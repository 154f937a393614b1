"""Pages about oneself: signing in and out, profile, password, language."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext
from flask_login import current_user

from fedlung.accounts import texts
from fedlung.errors import FedLungError, InvalidInput, NotSignedIn, TooManyTries
from fedlung.stores.users import LANGUAGES
from fedlung.web.i18n import LANGUAGE_COOKIE, locale
from fedlung.web.known_browsers import device_for, remember
from fedlung.web.services import services, settings
from fedlung.web.sessions import (
    PUBLIC,
    SIGNED_IN,
    access,
    begin_session,
    end_session,
    home_or,
    is_own_path,
    signed_in_user,
)

logger = logging.getLogger(__name__)
blueprint = Blueprint("accounts", __name__)

YEAR_SECONDS = 365 * 24 * 3600


@blueprint.get("/login")
@access(PUBLIC)
def login() -> ResponseReturnValue:
    if current_user.is_authenticated:
        return redirect(home_or(request.args.get("next")), 303)
    return _login_page(200, None)


@blueprint.post("/login")
@access(PUBLIC)
def sign_in() -> ResponseReturnValue:
    form, address = request.form, request.remote_addr or ""
    username = form.get("username", "")
    device = device_for(username)
    try:
        user = services().accounts.authenticate(username, form.get("password", ""), address, device)
    except NotSignedIn:
        return _login_page(401, gettext("The user name or the password is wrong."))
    except InvalidInput as error:
        return _login_page(422, translated(error)["password"])
    except TooManyTries as error:
        return _wait_page(error)
    begin_session(user)
    there = url_for(".account") if user.must_change_password else home_or(form.get("next"))
    return remember(make_response(redirect(there, 303)), user, device)


@blueprint.post("/logout")
@access(SIGNED_IN, with_temporary_password=True)
def logout() -> ResponseReturnValue:
    try:
        services().accounts.sign_out(signed_in_user().id)
    except (FedLungError, OSError):  # at least this browser forgets the session
        logger.exception("the end of a session could not be stored")
    end_session()
    return redirect(url_for(".login"), 303)


@blueprint.get("/account")
@access(SIGNED_IN, with_temporary_password=True)
def account() -> ResponseReturnValue:
    saved = request.args.get("saved")
    return _account_page(200, {}, saved if saved in ("profile", "password") else None)


@blueprint.post("/account/profile")
@access(SIGNED_IN)
def change_profile() -> ResponseReturnValue:
    form = request.form
    try:
        services().accounts.change_profile(
            signed_in_user().id, form.get("display_name", ""), form.get("language", signed_in_user().language)
        )
    except InvalidInput as error:
        return _account_page(422, translated(error))
    return redirect(url_for(".account", saved="profile"), 303)


@blueprint.post("/account/password")
@access(SIGNED_IN, with_temporary_password=True)
def change_password() -> ResponseReturnValue:
    form = request.form
    new = form.get("new_password", "")
    if new != form.get("repeat_password", ""):
        return _account_page(422, {"repeat_password": gettext(texts.PASSWORDS_DIFFER)})
    try:
        user = services().accounts.change_password(signed_in_user().id, form.get("current_password", ""), new)
    except InvalidInput as error:
        return _account_page(422, translated(error))
    except TooManyTries as error:
        return _retry_later(_account_page(429, {"current_password": _wait_sentence(error)}), error)
    begin_session(user)
    return redirect(url_for(".account", saved="password"), 303)


@blueprint.post("/preferences")
@access(PUBLIC)
def preferences() -> ResponseReturnValue:
    """The language of this browser, and of the person who is signed in."""
    language, back = request.form.get("language", ""), request.form.get("next", "")
    answer = redirect(back if is_own_path(back) else "/", 303)
    if language in LANGUAGES:
        if current_user.is_authenticated and (person := signed_in_user()).language != language:
            services().accounts.change_profile(person.id, person.display_name, language)
        answer.set_cookie(
            LANGUAGE_COOKIE,
            language,
            max_age=YEAR_SECONDS,
            secure=settings().cookie_secure,
            httponly=True,
            samesite="Lax",
        )
    return answer


def translated(error: InvalidInput) -> dict[str, str]:
    """The sentences of `fedlung.accounts.texts` in the reader's language."""
    return {name: gettext(sentence) for name, sentence in error.fields.items()}


def not_kept(page: str, status: int) -> Response:
    """An answer that browsers do not keep: the next person at this computer may press *back*."""
    answer = make_response(page, status)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _login_page(status: int, error: str | None) -> Response:
    wanted = request.values.get("next", "")
    page = render_template(
        "login.html",
        form_username=request.form.get("username", "")[:200],
        error=error,
        next=wanted if is_own_path(wanted) else "",
    )
    return not_kept(page, status)


def _account_page(status: int, errors: Mapping[str, str], saved: str | None = None) -> Response:
    hospital_id = signed_in_user().hospital_id
    page = render_template(
        "account.html",
        errors=errors,
        saved=saved,
        password_rule=gettext(texts.PASSWORD_RULE),
        hospital_name=services().hospitals.name(hospital_id, locale()) if hospital_id else "",
        form=request.form if "display_name" in request.form else None,
    )
    return not_kept(page, status)


def _wait_page(error: TooManyTries) -> Response:
    return _retry_later(_login_page(429, _wait_sentence(error)), error)


def _wait_sentence(error: TooManyTries) -> str:
    seconds = math.ceil(error.retry_after_seconds)
    sentence: str = ngettext(
        "Too many failed tries. Try again in %(num)d second.",
        "Too many failed tries. Try again in %(num)d seconds.",
        seconds,
    )
    return sentence


def _retry_later(answer: Response, error: TooManyTries) -> Response:
    answer.headers["Retry-After"] = str(math.ceil(error.retry_after_seconds))
    return answer
