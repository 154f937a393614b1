"""Words are made in a request, in its language; one reading of a phantom with marks serves a whole file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask_babel import Babel

from tests.marked_chest import reading


@pytest.fixture
def request_context() -> Iterator[None]:
    app = Flask("test")
    Babel(app)
    with app.test_request_context():
        yield


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    return reading()[0]
