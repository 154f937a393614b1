"""Sessions, and who may reach which view: nobody, unless the view says so.

The signed cookie holds the account's id and session epoch, when the session began and when it was last used. Each
request compares the epoch with the stored one, so that a session which ended cannot be replayed, and takes role and
hospital from the store, never from the cookie.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from flask import Flask, current_app, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_login import LoginManager, current_user, login_user, logout_user

from fedlung.accounts.permissions import PERMISSIONS, home_of
from fedlung.errors import FedLungError, NotAllowed, NotFound, NotSignedIn
from fedlung.stores.users import ROLES, User
from fedlung.web.error_answers import wants_json
from fedlung.web.services import services, settings

logger = logging.getLogger(__name__)

PUBLIC, SIGNED_IN = "public", "signed_in"
CLOCK = "fedlung_clock"  # key of app.extensions
USER_ID, EPOCH, ISSUED, SEEN = "_user_id", "epoch", "issued", "seen"  # keys of the cookie; the first is Flask-Login's
SEEN_EVERY_SECONDS = 60.0
CLOCK_SET_BACK_SECONDS = 60.0  # by which a server's clock may be corrected between two starts

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True)
class Access:
    """Who may call a view. ``roles`` is empty for a public one."""

    roles: frozenset[str]
    with_temporary_password: bool


class SignedIn:
    """The person as Flask-Login and templates see them; never with the password's hash."""

    is_authenticated = True
    is_anonymous = False

    def __init__(self, user: User) -> None:
        self.user = user
        self.id = user.id
        self.username = user.username
        self.display_name = user.display_name
        self.role = user.role
        self.hospital_id = user.hospital_id
        self.language = user.language
        self.is_active = user.is_active
        self.must_change_password = user.must_change_password

    def get_id(self) -> str:
        return self.id


def install(app: Flask) -> None:
    """Load people from sessions, and let nobody into a view that does not say who may."""
    manager = LoginManager(app)
    manager.session_protection = None  # an address that changes (a phone) is no other person
    manager.user_loader(_load)
    app.extensions[CLOCK] = steady_clock()
    app.before_request(guard)


def steady_clock() -> Callable[[], float]:
    """Seconds since 1970 which never go back when somebody sets the clock, and go on while the machine sleeps."""
    started = time.time() - time.monotonic()
    return lambda: max(started + time.monotonic(), time.time())


def access(*who: str, with_temporary_password: bool = False) -> Callable[[View], View]:
    """Declare who may call a view: `PUBLIC`, `SIGNED_IN`, roles, or permissions of `fedlung.accounts.permissions`.

    Who has a temporary password gets only where ``with_temporary_password`` is set, until it is changed.
    """
    meant = {PUBLIC: frozenset[str](), SIGNED_IN: frozenset(ROLES), **{role: frozenset({role}) for role in ROLES}}
    declared = Access(frozenset().union(*({**PERMISSIONS, **meant}[word] for word in who)), with_temporary_password)

    def mark(view: View) -> View:
        view.fedlung_access = declared  # type: ignore[attr-defined]  # functions take attributes, and wraps copies them
        return view

    return mark


def access_of(app: Flask, endpoint: str) -> Access | None:
    """What the view of ``endpoint`` declared; None when nothing."""
    if endpoint == "static":
        return Access(frozenset(), False)
    return getattr(app.view_functions[endpoint], "fedlung_access", None)


def guard() -> ResponseReturnValue | None:
    """Before every request: let pass, send to the sign-in, or refuse.

    Raises:
        NotSignedIn, NotAllowed: for programs; people are sent to the page that helps.
        NotFound: a view without declaration.
        FedLungError: the accounts cannot be read.
    """
    if request.endpoint is None:  # no such address or method: the router answers
        return None
    declared = access_of(current_app, request.endpoint)
    if declared is None:
        logger.error("%s does not declare who may call it", request.endpoint)
        if current_app.testing:
            raise RuntimeError(f"{request.endpoint} does not declare who may call it")
        raise NotFound(gettext("There is no such thing here."))
    if not declared.roles:
        return None
    if not current_user.is_authenticated:
        return _to_sign_in()
    user = signed_in_user()
    _touch()
    if user.must_change_password and not declared.with_temporary_password:
        if wants_json():
            raise NotAllowed(gettext("Change your temporary password first."))
        return redirect(url_for("accounts.account"), 303)
    if user.role not in declared.roles:
        logger.warning("%s (%s) was refused %s %s", user.username, user.role, request.method, request.path)
        raise NotAllowed(gettext("Your account may not do this."))
    return None


def load_user(session: Mapping[str, Any]) -> User | None:
    """The person whose session this is, or None when it has ended; needs an application context.

    For sockets, too: the same session asked again later says whether it still holds.

    Raises:
        FedLungError: the accounts cannot be read.
    """
    try:
        issued, seen, epoch = float(session[ISSUED]), float(session[SEEN]), int(session[EPOCH])
        user_id = str(session[USER_ID])
    except (KeyError, TypeError, ValueError):
        return None
    age, idle = _now() - issued, _now() - seen
    # Noted in the future: the clock was set back, and how long ago it was cannot be known.
    in_use = -CLOCK_SET_BACK_SECONDS <= idle < settings().session_idle_seconds
    if not (in_use and age < settings().session_absolute_seconds):
        return None
    user = services().users.by_id(user_id)
    if user is None or not user.is_active or user.session_epoch != epoch:
        return None
    return None if services().users.refusal(user, signing_in=False) else user


def signed_in_user() -> User:
    """Who makes this request.

    Raises:
        NotSignedIn: nobody.
    """
    if not current_user.is_authenticated:
        raise NotSignedIn(gettext("Please sign in."))
    return cast(User, current_user.user)


def begin_session(user: User) -> None:
    """A new session; nothing of the one before stays, the CSRF token included."""
    session.clear()
    login_user(SignedIn(user))
    session[EPOCH] = user.session_epoch
    session[ISSUED] = session[SEEN] = _now()


def end_session() -> None:
    """Forget this browser's session. Only `Accounts.sign_out` makes a copy of its cookie worthless."""
    logout_user()
    session.clear()


def home_or(path: str | None) -> str:
    """Where to go after the sign-in: ``path`` if it is one of ours, else the person's own first page."""
    return path if path is not None and is_own_path(path) else home_of(signed_in_user().role)


def is_own_path(path: str) -> bool:
    """Whether a browser that is sent to ``path`` stays here: ``//evil``, ``/\\evil`` and hidden tabs lead elsewhere."""
    if not path.startswith("/") or path.startswith("//") or "\\" in path or not path.isprintable():
        return False
    parts = urlsplit(path)
    return not parts.scheme and not parts.netloc


def _load(user_id: str) -> SignedIn | None:
    """For Flask-Login, which asks in the middle of anything, error pages included: so it never raises."""
    try:
        user = load_user(session)
    except (FedLungError, OSError) as error:
        g.accounts_error = error
        return None
    return SignedIn(user) if user is not None and user.id == user_id else None


def _to_sign_in() -> ResponseReturnValue:
    if "accounts_error" in g:
        raise g.accounts_error
    ended = "1" if USER_ID in session else None
    session.clear()
    if wants_json():
        raise NotSignedIn(gettext("Please sign in."))
    comes_back = request.full_path.rstrip("?") if request.method == "GET" and request.path != "/" else None
    return redirect(url_for("accounts.login", next=comes_back, ended=ended), 303)


def _touch() -> None:
    """Note that the session is in use, not more often than needed: every change is a cookie to send."""
    now = _now()
    if now - session[SEEN] >= min(SEEN_EVERY_SECONDS, settings().session_idle_seconds / 4):
        session[SEEN] = now


def _now() -> float:
    clock: Callable[[], float] = current_app.extensions[CLOCK]
    return clock()
