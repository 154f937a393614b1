"""Settings: where a value comes from, what is refused and how, and that every variable is explained."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path

import pytest

from fedlung.errors import BadSettings
from fedlung.settings import THREADS_FOR_PAGES, Settings


def test_defaults_are_for_one_machine_that_nobody_else_reaches() -> None:
    settings = Settings.from_env([], {})
    assert (settings.host, settings.is_local_only, settings.mode) == ("127.0.0.1", True, "standalone")
    assert (settings.debug, settings.demo, settings.async_mode) == (False, False, "threading")
    assert settings.training_threads == max(1, (os.cpu_count() or 1) - 1)


@pytest.mark.parametrize(("host", "address"), [("127.0.0.1", "127.0.0.1:80"), ("::1", "[::1]:80"), ("a.b", "a.b:80")])
def test_the_address_is_as_in_a_url(host: str, address: str) -> None:
    assert Settings.from_env(["--host", host, "--port", "80"], {}).address == address


def test_an_option_wins_over_its_variable_and_the_variable_over_the_default() -> None:
    variables = {"FEDLUNG_PORT": "8000", "FEDLUNG_DEMO": "no"}
    assert Settings.from_env([], variables).port == 8000
    assert Settings.from_env(["--port", "9000", "--demo"], variables).port == 9000
    assert Settings.from_env(["--demo"], variables).demo


@pytest.mark.parametrize(
    ("data", "users_file", "models"),
    [
        ("data", "users.json", "models"),
        ("./data", "users.json", "models"),
        ("/srv/fedlung", "/srv/fedlung/users.json", "/srv/fedlung/models"),
    ],
)
def test_accounts_and_models_lie_beside_the_default_data_folder_and_inside_another(
    data: str, users_file: str, models: str
) -> None:
    settings = Settings.from_env(["--data", data], {})
    assert (settings.users_file, settings.models) == (Path(users_file), Path(models))
    assert settings.secret_key_file == Path(data) / "instance" / "secret_key"


def test_a_variable_moves_the_accounts_wherever_the_data_is() -> None:
    variables = {"FEDLUNG_USERS_FILE": "/etc/fedlung/users.json", "FEDLUNG_MODELS": "/srv/models"}
    settings = Settings.from_env(["--data", "/srv/fedlung"], variables)
    assert (settings.users_file, settings.models) == (Path("/etc/fedlung/users.json"), Path("/srv/models"))


REFUSED = {
    "FEDLUNG_PORT": ["0", "65536", "http", "", "-1", "5000.0", "5 000"],
    "FEDLUNG_DEMO": ["maybe", ""],
    "FEDLUNG_HOST": ["", "  "],
    "FEDLUNG_MODE": ["hospital", "coordinator", "site"],
    "FEDLUNG_ALLOWED_ORIGINS": ["", "*", "https://a.example,", "a.example", "https://a.example/page", "null"],
    "FEDLUNG_TRUSTED_HOSTS": ["", "*", "a.example:5000", "*.example", "a.example,,b.example"],
    "FEDLUNG_TRUSTED_PROXIES": ["-1", "all"],
    "SOCKETIO_ASYNC_MODE": ["gevent", "", "asyncio"],
    "FEDLUNG_SESSION_CAP": ["0", str(200 - THREADS_FOR_PAGES + 1)],
    "FEDLUNG_SESSION_IDLE_SECONDS": ["59", str(24 * 3600 + 1)],
    "FEDLUNG_LOG_LEVEL": ["verbose"],
    "FEDLUNG_DEMO_PASSWORD": [""],
}


@pytest.mark.parametrize(("variable", "value"), [(name, value) for name, values in REFUSED.items() for value in values])
def test_nonsense_is_refused_by_name(variable: str, value: str) -> None:
    with pytest.raises(BadSettings, match=f"^{variable}|^--mode"):
        Settings.from_env([], {variable: value})


def test_the_cap_may_be_all_threads_but_those_for_pages() -> None:
    cap = 40 - THREADS_FOR_PAGES
    settings = Settings.from_env([], {"FEDLUNG_THREADS": "40", "FEDLUNG_SESSION_CAP": str(cap)})
    assert settings.session_cap == cap


def test_lists_are_read_without_the_space_around_their_parts() -> None:
    variables = {
        "FEDLUNG_ALLOWED_ORIGINS": "https://a.example/ , http://b.example:8080",
        "FEDLUNG_TRUSTED_HOSTS": "A.example, [fd00::1] ,10.0.0.5",
    }
    settings = Settings.from_env([], variables)
    assert settings.allowed_origins == ("https://a.example", "http://b.example:8080")
    assert settings.trusted_hosts == ("a.example", "fd00::1", "10.0.0.5")


def test_a_password_is_never_shown() -> None:
    settings = Settings.from_env([], {"FEDLUNG_DEMO_PASSWORD": "canary"})
    assert settings.demo_password == "canary"
    assert "canary" not in repr(settings)


def test_help_explains_every_variable(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        Settings.from_env(["--help"], {})
    shown = capsys.readouterr().out
    assert ended.value.code == 0
    for setting in fields(Settings):
        assert setting.metadata["variable"] in shown
        assert setting.metadata["help"] in shown
        assert setting.metadata["option"] in shown


def test_an_unknown_option_ends_with_the_code_of_wrong_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        Settings.from_env(["--prot", "1"], {})
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("app.py: ")
