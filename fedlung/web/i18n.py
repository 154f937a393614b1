"""Languages: English texts are the keys, ``translations/zh`` holds the Chinese ones (``make i18n``)."""

from __future__ import annotations

from pathlib import Path

from flask import Flask, request
from flask_babel import Babel, get_locale
from flask_login import current_user

LANGUAGES = ("en", "zh")
LANGUAGE_COOKIE = "fedlung_language"
TRANSLATIONS = Path(__file__).parent / "translations"


def install(app: Flask) -> None:
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(TRANSLATIONS)
    Babel(app, locale_selector=_wanted)


def locale() -> str:
    """Language of the answer to this request: en or zh; en outside a request."""
    found = get_locale()
    return found.language if found is not None and found.language in LANGUAGES else "en"


def _wanted() -> str:
    """The person's own choice, else that of this browser's cookie, else what the browser asks for."""
    for choice in (getattr(current_user, "language", ""), request.cookies.get(LANGUAGE_COOKIE)):
        if choice in LANGUAGES:
            return str(choice)
    return request.accept_languages.best_match(LANGUAGES) or "en"
