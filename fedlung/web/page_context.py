"""What every template can use: the navigation of this person, texts for scripts, banners, version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from flask import Flask, request, url_for
from flask_babel import lazy_gettext
from flask_login import current_user

from fedlung import __version__
from fedlung.stores.users import ADMIN, CLINICIAN, STAFF
from fedlung.web.i18n import locale
from fedlung.web.mirror_banner import mirror_banners
from fedlung.web.services import services, settings
from fedlung.web.store_banners import store_banners

EVERYBODY = (ADMIN, STAFF, CLINICIAN)


@dataclass(frozen=True)
class Place:
    """One entry of the navigation; ``icon`` is a name of the icon font."""

    endpoint: str
    label: Any
    icon: str
    roles: tuple[str, ...] = EVERYBODY


NAVIGATION = (
    Place("runs.server", lazy_gettext("Training"), "server", (ADMIN,)),
    Place("hospital.client", lazy_gettext("My hospital"), "hospital", (STAFF,)),
    Place("hospital.inference", lazy_gettext("Detection"), "lungs", (STAFF, CLINICIAN)),
    Place("runs.history", lazy_gettext("History"), "clock-rotate-left"),
    Place("models.models", lazy_gettext("Models"), "cubes"),
    Place("users.index", lazy_gettext("Users"), "users", (ADMIN,)),
    Place("audit.index", lazy_gettext("Audit"), "clipboard-list", (ADMIN,)),
)


def install(app: Flask, js_texts: Mapping[str, Any]) -> None:
    @cache
    def js_texts_in(_language: str) -> dict[str, str]:
        """Hundreds of texts, on every page the same."""
        return {key: str(text) for key, text in js_texts.items()}

    @app.context_processor
    def context() -> dict[str, Any]:
        return {
            "locale": locale(),
            "nav": _navigation(app),
            "js_texts": js_texts_in(locale()),
            "version": __version__,
            "banners": banners(getattr(current_user, "role", "")),
        }


def banners(role: str) -> list[dict[str, str]]:
    """What people of this role should know about the server before anything else."""
    found = []
    if role == ADMIN and not settings().is_local_only and not settings().cookie_secure:
        text = lazy_gettext(
            "Other machines can reach this server, and connections are not encrypted. Put a TLS proxy in front"
            " and set FEDLUNG_COOKIE_SECURE."
        )
        found.append({"level": "warning", "text": str(text)})
    return [*store_banners(services().users, role), *mirror_banners(services().mirror, role), *found]


def _navigation(app: Flask) -> list[dict[str, Any]]:
    role = getattr(current_user, "role", "")
    return [
        {
            "endpoint": place.endpoint,
            "href": (href := url_for(place.endpoint)),
            "label": str(place.label),
            "icon": place.icon,
            "active": request.path == href or request.path.startswith(f"{href}/"),
        }
        for place in NAVIGATION
        if role in place.roles and place.endpoint in app.view_functions
    ]
