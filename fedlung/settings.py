"""Settings of the web application: each field says its variable, its option and what it is for.

An option of the command line wins over the environment, the environment over the default. A value that makes no sense
is refused at start, with the name of the variable; nothing is guessed.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from fedlung.command_line import Arguments
from fedlung.errors import BadSettings

THREADS_FOR_PAGES = 16  # server threads that sockets may never take
LOOPBACK = ("localhost", "127.0.0.1", "::1")
MODES, ASYNC_MODES = ("standalone", "coordinator", "site"), ("threading", "eventlet")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch("[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    return parse


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return text

    return parse


def _yes_or_no(text: str) -> bool:
    words = {"1": True, "yes": True, "true": True, "0": False, "no": False, "false": False}
    if text.lower() not in words:
        raise ValueError("must be yes or no")
    return words[text.lower()]


def _some(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text.strip()


def _hosts(text: str) -> tuple[str, ...]:
    hosts = tuple(part.strip().lower().strip("[]") for part in text.split(","))
    wrong = [host for host in hosts if not re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:.]+", host)]
    if wrong:
        raise ValueError(f"must be host names separated by commas, without * and ports; {wrong[0]!r} is not one")
    return hosts


def _origins(text: str) -> tuple[str, ...]:
    # An empty list or * would switch the check of origins off: any page on the web could open our socket.
    origins = tuple(part.strip().rstrip("/") for part in text.split(","))
    wrong = [origin for origin in origins if not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]_-]+", origin)]
    if wrong:
        raise ValueError(f"must be origins such as https://fedlung.example, separated by commas; got {wrong[0]!r}")
    return origins


def _about(variable: str, parse: Callable[[str], Any], default: Any, help: str, option: str = "") -> dict[str, Any]:
    """What a field carries; ``default`` may be a function of the values of the fields above it."""
    return {"variable": variable, "parse": parse, "default": default, "help": help, "option": option}


def _beside_data(name: str) -> Callable[[Mapping[str, Any]], Path]:
    """In the working folder for the default data folder, inside any other one."""
    return lambda known: Path(name) if known["data"].resolve() == Path("data").resolve() else known["data"] / name


@dataclass(frozen=True)
class Settings:
    """Everything that can be set from outside; paths are as they were given."""

    host: str = field(metadata=_about("FEDLUNG_HOST", _some, "127.0.0.1", "address to listen on", "--host"))
    port: int = field(metadata=_about("FEDLUNG_PORT", _whole(1, 65535), 5000, "port to listen on", "--port"))
    data: Path = field(
        metadata=_about(
            "FEDLUNG_DATA", lambda text: Path(_some(text)), Path("data"), "folder of hospitals and runs", "--data"
        )
    )
    demo: bool = field(
        metadata=_about(
            "FEDLUNG_DEMO", _yes_or_no, False, "make three phantom hospitals and an account for every role", "--demo"
        )
    )
    mode: str = field(
        metadata=_about(
            "FEDLUNG_MODE", _one_of(*MODES), "standalone", "standalone: the whole federation on this machine", "--mode"
        )
    )
    debug: bool = field(
        metadata=_about(
            "FEDLUNG_DEBUG", _yes_or_no, False, "Werkzeug's development server; never in production", "--debug"
        )
    )
    users_file: Path = field(
        metadata=_about(
            "FEDLUNG_USERS_FILE", lambda text: Path(_some(text)), _beside_data("users.json"), "local accounts"
        )
    )
    models: Path = field(
        metadata=_about(
            "FEDLUNG_MODELS", lambda text: Path(_some(text)), _beside_data("models"), "folder of the model registry"
        )
    )
    secret_key_file: Path = field(
        metadata=_about(
            "FEDLUNG_SECRET_KEY_FILE",
            lambda text: Path(_some(text)),
            lambda known: known["data"] / "instance" / "secret_key",
            "key that signs sessions; made at the first start",
        )
    )
    demo_password: str | None = field(
        metadata=_about(
            "FEDLUNG_DEMO_PASSWORD", _some, None, "password of the accounts of --demo, instead of random ones"
        ),
        repr=False,
    )
    cookie_secure: bool = field(
        metadata=_about(
            "FEDLUNG_COOKIE_SECURE", _yes_or_no, False, "cookies over HTTPS only: set it behind a TLS proxy"
        )
    )
    trusted_hosts: tuple[str, ...] | None = field(
        metadata=_about(
            "FEDLUNG_TRUSTED_HOSTS",
            _hosts,
            None,
            "names under which browsers reach the server (default: this machine's name, and numeric addresses)",
        )
    )
    trusted_proxies: int = field(
        metadata=_about("FEDLUNG_TRUSTED_PROXIES", _whole(0, 9), 0, "number of proxies in front that set X-Forwarded-*")
    )
    allowed_origins: tuple[str, ...] | None = field(
        metadata=_about("FEDLUNG_ALLOWED_ORIGINS", _origins, None, "further origins that may open the live socket")
    )
    async_mode: str = field(
        metadata=_about(
            "SOCKETIO_ASYNC_MODE",
            _one_of(*ASYNC_MODES),
            "threading",
            "how sockets are served; eventlet is the second way",
        )
    )
    threads: int = field(
        metadata=_about(
            "FEDLUNG_THREADS",
            _whole(2 * THREADS_FOR_PAGES, 2000),
            200,
            "server threads; every open browser tab takes one",
        )
    )
    session_cap: int = field(
        metadata=_about(
            "FEDLUNG_SESSION_CAP",
            _whole(1, 2000),
            150,
            "live sockets at the same time; further tabs ask every few seconds",
        )
    )
    session_idle_seconds: int = field(
        metadata=_about(
            "FEDLUNG_SESSION_IDLE_SECONDS", _whole(60, 604800), 8 * 3600, "a session without requests ends after this"
        )
    )
    session_absolute_seconds: int = field(
        metadata=_about(
            "FEDLUNG_SESSION_ABSOLUTE_SECONDS", _whole(60, 2592000), 24 * 3600, "every session ends after this"
        )
    )
    training_threads: int = field(
        metadata=_about(
            "FEDLUNG_TRAINING_THREADS",
            _whole(1, 512),
            lambda known: max(1, (os.cpu_count() or 1) - 1),
            "processor threads of a training; the default leaves one for the pages",
        )
    )
    log_level: str = field(
        metadata=_about("FEDLUNG_LOG_LEVEL", _one_of(*LOG_LEVELS), "INFO", "least level of the log on stderr")
    )

    @classmethod
    def from_env(cls, arguments: Sequence[str] | None = None, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the command line (default: that of the process) and the environment.

        Raises:
            BadSettings: a value is refused; names its variable or option.
            SystemExit: ``--help`` or ``--version``, or an unknown option (exit code 2).
        """
        given = vars(_parser().parse_args(arguments))
        environ = os.environ if environment is None else environment
        known: dict[str, Any] = {}
        for setting in fields(cls):
            known[setting.name] = _value(setting, given.get(setting.name), environ, known)
        settings = cls(**known)
        settings._check_together()
        return settings

    @property
    def address(self) -> str:
        """Host and port as they stand in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_local_only(self) -> bool:
        return self.host in LOOPBACK

    def _check_together(self) -> None:
        if self.mode != "standalone":
            raise BadSettings(f"--mode {self.mode}: hospitals on several machines are not supported yet; leave it out")
        most = self.threads - THREADS_FOR_PAGES
        if self.session_cap > most:
            raise BadSettings(
                f"FEDLUNG_SESSION_CAP: must be at most FEDLUNG_THREADS - {THREADS_FOR_PAGES} = {most}, so that pages"
                f" always find a thread; got {self.session_cap}"
            )
        if self.session_idle_seconds > self.session_absolute_seconds:
            raise BadSettings("FEDLUNG_SESSION_IDLE_SECONDS: must not be more than FEDLUNG_SESSION_ABSOLUTE_SECONDS")


def _value(setting: Field[Any], option: Any, environ: Mapping[str, str], known: Mapping[str, Any]) -> Any:
    about = setting.metadata
    text, source = (
        (option, about["option"]) if option is not None else (environ.get(about["variable"]), about["variable"])
    )
    if text is not None:
        try:
            return about["parse"](text)
        except ValueError as error:
            shown = "" if setting.name == "demo_password" else f"; got {text!r}"
            raise BadSettings(f"{source}: {error}{shown}") from None
    return about["default"](known) if callable(about["default"]) else about["default"]


def _parser() -> argparse.ArgumentParser:
    parser = Arguments("app.py", "FedLung's web application: hospitals train one lung-nodule detector together.")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    for setting in (setting for setting in fields(Settings) if setting.metadata["option"]):
        about = setting.metadata
        if isinstance(about["default"], bool):
            # argparse answers an option's text, as the environment does: one parser for both.
            parser.add_argument(
                about["option"], dest=setting.name, action="store_const", const="yes", help=about["help"]
            )
        else:
            parser.add_argument(
                about["option"], dest=setting.name, metavar=about["option"].strip("-").upper(), help=about["help"]
            )
    parser.epilog = "\n".join(["environment (an option wins over its variable):", *map(_help_line, fields(Settings))])
    return parser


def _help_line(setting: Field[Any]) -> str:
    about = setting.metadata
    said = not callable(about["default"]) and about["default"] is not None
    default = f" (default: {_shown(about['default'])})" if said else ""
    return f"  {about['variable']:<34}{about['help']}{default}"


def _shown(value: Any) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
