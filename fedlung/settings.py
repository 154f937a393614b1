"""Settings of the web application: each field says its variable, its option and what it is for.

An option of the command line wins over the environment, the environment over the default. A value that makes no sense
is refused at start, with the name of the variable; nothing is guessed.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from fedlung.command_line import Arguments
from fedlung.errors import BadSettings
from fedlung.setting_values import hosts, one_of, origins, project_address, some, whole, yes_or_no

THREADS_FOR_PAGES = 16  # server threads that sockets may never take
LOOPBACK = ("localhost", "127.0.0.1", "::1")
MODES, ASYNC_MODES = ("standalone", "coordinator", "site"), ("threading", "eventlet")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def _about(variable: str, parse: Callable[[str], Any], default: Any, help: str, option: str = "") -> dict[str, Any]:
    """What a field carries; ``default`` may be a function of the values of the fields above it."""
    return {"variable": variable, "parse": parse, "default": default, "help": help, "option": option}


def _beside_data(name: str) -> Callable[[Mapping[str, Any]], Path]:
    """In the working folder for the default data folder, inside any other one."""
    return lambda known: Path(name) if known["data"].resolve() == Path("data").resolve() else known["data"] / name


@dataclass(frozen=True)
class Settings:
    """Everything that can be set from outside; paths are as they were given."""

    host: str = field(metadata=_about("FEDLUNG_HOST", some, "127.0.0.1", "address to listen on", "--host"))
    port: int = field(metadata=_about("FEDLUNG_PORT", whole(1, 65535), 5000, "port to listen on", "--port"))
    data: Path = field(
        metadata=_about(
            "FEDLUNG_DATA", lambda text: Path(some(text)), Path("data"), "folder of hospitals and runs", "--data"
        )
    )
    demo: bool = field(
        metadata=_about(
            "FEDLUNG_DEMO", yes_or_no, False, "make three phantom hospitals and an account for every role", "--demo"
        )
    )
    mode: str = field(
        metadata=_about(
            "FEDLUNG_MODE", one_of(*MODES), "standalone", "standalone: the whole federation on this machine", "--mode"
        )
    )
    debug: bool = field(
        metadata=_about(
            "FEDLUNG_DEBUG", yes_or_no, False, "Werkzeug's development server; never in production", "--debug"
        )
    )
    users_file: Path = field(
        metadata=_about(
            "FEDLUNG_USERS_FILE", lambda text: Path(some(text)), _beside_data("users.json"), "local accounts"
        )
    )
    models: Path = field(
        metadata=_about(
            "FEDLUNG_MODELS", lambda text: Path(some(text)), _beside_data("models"), "folder of the model registry"
        )
    )
    secret_key_file: Path = field(
        metadata=_about(
            "FEDLUNG_SECRET_KEY_FILE",
            lambda text: Path(some(text)),
            lambda known: known["data"] / "instance" / "secret_key",
            "key that signs sessions; made at the first start",
        )
    )
    demo_password: str | None = field(
        metadata=_about(
            "FEDLUNG_DEMO_PASSWORD", some, None, "password of the accounts of --demo, instead of random ones"
        ),
        repr=False,
    )
    supabase_url: str | None = field(
        metadata=_about(
            "SUPABASE_URL",
            project_address,
            None,
            "Supabase project that is the home of accounts and records (default: none)",
        )
    )
    supabase_secret_key: str | None = field(
        metadata=_about("SUPABASE_SECRET_KEY", some, None, "its secret key, sb_secret_... or service_role"), repr=False
    )
    supabase_copy_max_age_hours: int = field(
        metadata=_about(
            "FEDLUNG_SUPABASE_COPY_MAX_AGE_HOURS",
            whole(1, 8760),
            24,
            "Supabase away for longer: only one administrator may come in",
        )
    )
    break_glass: str | None = field(
        metadata=_about(
            "FEDLUNG_BREAK_GLASS", some, None, "user name of that one (default: the oldest active administrator)"
        )
    )
    cookie_secure: bool = field(
        metadata=_about("FEDLUNG_COOKIE_SECURE", yes_or_no, False, "cookies over HTTPS only: set it behind a TLS proxy")
    )
    trusted_hosts: tuple[str, ...] | None = field(
        metadata=_about(
            "FEDLUNG_TRUSTED_HOSTS",
            hosts,
            None,
            "names under which browsers reach the server (default: this machine's name, and numeric addresses)",
        )
    )
    trusted_proxies: int = field(
        metadata=_about("FEDLUNG_TRUSTED_PROXIES", whole(0, 9), 0, "number of proxies in front that set X-Forwarded-*")
    )
    allowed_origins: tuple[str, ...] | None = field(
        metadata=_about("FEDLUNG_ALLOWED_ORIGINS", origins, None, "further origins that may open the live socket")
    )
    async_mode: str = field(
        metadata=_about(
            "SOCKETIO_ASYNC_MODE",
            one_of(*ASYNC_MODES),
            "threading",
            "how sockets are served; eventlet is the second way",
        )
    )
    threads: int = field(
        metadata=_about(
            "FEDLUNG_THREADS",
            whole(2 * THREADS_FOR_PAGES, 2000),
            200,
            "server threads; every open browser tab takes one",
        )
    )
    session_cap: int = field(
        metadata=_about(
            "FEDLUNG_SESSION_CAP",
            whole(1, 2000),
            150,
            "live sockets at the same time; further tabs ask every few seconds",
        )
    )
    session_idle_seconds: int = field(
        metadata=_about(
            "FEDLUNG_SESSION_IDLE_SECONDS", whole(60, 604800), 8 * 3600, "a session without requests ends after this"
        )
    )
    session_absolute_seconds: int = field(
        metadata=_about(
            "FEDLUNG_SESSION_ABSOLUTE_SECONDS", whole(60, 2592000), 24 * 3600, "every session ends after this"
        )
    )
    training_threads: int = field(
        metadata=_about(
            "FEDLUNG_TRAINING_THREADS",
            whole(1, 512),
            lambda known: max(1, (os.cpu_count() or 1) - 1),
            "processor threads of a training; the default leaves one for the pages",
        )
    )
    hospital_quota_gb: int = field(
        metadata=_about(
            "FEDLUNG_HOSPITAL_QUOTA_GB", whole(0, 1_000_000), 0, "disk share of one hospital; 0: no limit of its own"
        )
    )
    free_space_reserve_gb: int = field(
        metadata=_about(
            "FEDLUNG_FREE_SPACE_RESERVE_GB", whole(0, 1_000_000), 2, "uploads never take the last of the disk"
        )
    )
    upload_ttl_hours: int = field(
        metadata=_about(
            "FEDLUNG_UPLOAD_TTL_HOURS", whole(1, 9999), 72, "an upload that does not go on is removed after this"
        )
    )
    log_level: str = field(
        metadata=_about("FEDLUNG_LOG_LEVEL", one_of(*LOG_LEVELS), "INFO", "least level of the log on stderr")
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
        if (self.supabase_url is None) != (self.supabase_secret_key is None):
            raise BadSettings("SUPABASE_URL and SUPABASE_SECRET_KEY: set both, or none for accounts on this machine")
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
            shown = f"; got {text!r}" if setting.repr else ""  # what is not shown is secret
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
    return f"  {about['variable']:<36}  {about['help']}{default}"


def _shown(value: Any) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
