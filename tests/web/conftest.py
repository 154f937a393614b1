"""An application in a folder of its own: real stores, real accounts, no torch, and a trainer that does nothing.

Accounts: admin, staff_a and clinician_a of hospital_a, staff_b and clinician_b of hospital_b.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import BytecodeCache, FileSystemBytecodeCache

import app as front
from fedlung.accounts.accounts import Accounts
from fedlung.accounts.first_start import demo_accounts
from fedlung.accounts.passwords import PasswordHasher
from fedlung.accounts.throttle import SignInThrottle
from fedlung.settings import Settings
from fedlung.stores.audit import AuditLog
from fedlung.stores.json_users import JsonUserStore
from fedlung.web.live.sockets import live_sockets
from fedlung.web.services import Services
from tests.web.fake_launcher import FakeLauncher

PASSWORD = "a quiet morning in the reading room"
HOSPITALS = ("hospital_a", "hospital_b")
CHEAP_COST = 4  # of bcrypt; the real one takes a quarter of a second
SignedIn = Callable[[str], FlaskClient]


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the file of accounts and its copy, made once."""
    folder = tmp_path_factory.mktemp("people")
    users, audit = JsonUserStore(folder / "users.json"), AuditLog(folder / "audit.jsonl")
    demo_accounts(users, Accounts(users, audit, PasswordHasher(CHEAP_COST), SignInThrottle()), HOSPITALS, PASSWORD)
    return folder


@pytest.fixture(scope="session")
def make_data(people: Path) -> Callable[[Path], Path]:
    """``make_data(folder)`` makes a data folder with two hospitals and the accounts of this module's first lines."""

    def make(folder: Path) -> Path:
        for hospital in HOSPITALS:
            (folder / hospital / "scans").mkdir(parents=True)
            (folder / hospital / "annotations.csv").write_text("seriesuid,coordX,coordY,coordZ,diameter_mm\n")
        for file in people.glob("users.json*"):
            shutil.copy(file, folder)
        return folder

    return make


@pytest.fixture
def settings(tmp_path: Path, make_data: Callable[[Path], Path]) -> Settings:
    return Settings.from_env(["--data", str(make_data(tmp_path / "data"))], {})


@pytest.fixture
def launcher(settings: Settings) -> FakeLauncher:
    """What stands in for the training."""
    return FakeLauncher(settings.data / "runs")


@pytest.fixture
def services(settings: Settings, launcher: FakeLauncher) -> Iterator[Services]:
    made = front.make_services(settings, launcher)
    # Its clock stands still: how many tries are let through does not depend on how busy the machine is.
    throttle = SignInThrottle(clock=lambda: 0.0)
    accounts = Accounts(made.users, made.audit, PasswordHasher(CHEAP_COST), throttle)
    yield replace(made, accounts=accounts)
    made.runs.shutdown()


@pytest.fixture(scope="session")
def compiled_templates(tmp_path_factory: pytest.TempPathFactory) -> BytecodeCache:
    """Templates are compiled once for all applications."""
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


@pytest.fixture
def app(settings: Settings, services: Services, compiled_templates: BytecodeCache) -> Iterator[Flask]:
    made = front.create_app(settings, services)
    made.jinja_env.bytecode_cache = compiled_templates
    made.testing = True
    yield made
    live_sockets(made).close()


@pytest.fixture
def stranger(app: Flask) -> FlaskClient:
    """A browser in which nobody is signed in."""
    return app.test_client()


@pytest.fixture
def signed_in(app: Flask) -> SignedIn:
    """``signed_in("staff_a")`` is a browser of its own, signed in through the real form."""

    def sign_in(username: str) -> FlaskClient:
        browser = app.test_client()
        form = {"username": username, "password": PASSWORD, "csrf_token": csrf_token(browser, "/login")}
        answer = browser.post("/login", data=form)
        assert answer.status_code == 303, answer.text
        return browser

    return sign_in


@pytest.fixture
def token_of() -> Callable[[FlaskClient, str], str]:
    """``token_of(browser, path)`` is the CSRF token of a page."""
    return csrf_token


def csrf_token(browser: FlaskClient, path: str = "/login") -> str:
    found = re.search(r'name="csrf-token" content="([^"]+)"', browser.get(path).text)
    assert found, f"no CSRF token in {path}"
    return found[1]
