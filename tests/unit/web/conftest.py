"""Just enough of the application to say a text in Chinese."""

from __future__ import annotations

import pytest
from flask import Flask
from flask_login import LoginManager

from fedlung.web import i18n


@pytest.fixture(scope="module")
def app() -> Flask:
    app = Flask("words")
    app.secret_key = "only here"
    LoginManager(app).request_loader(lambda request: None)
    i18n.install(app)
    return app
