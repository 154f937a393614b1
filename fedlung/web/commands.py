"""``flask --app app supabase check`` and ``flask --app app users export|import|reset-password``: for whoever runs the
server.

They read the settings from the environment, as the server does, and start nothing: no thread, no model, no socket.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import wraps
from http import HTTPStatus
from pathlib import Path
from typing import ParamSpec

import click
from flask import Flask
from flask.cli import AppGroup

from fedlung.accounts.accounts import Accounts
from fedlung.accounts.passwords import PasswordHasher
from fedlung.accounts.throttle import SignInThrottle
from fedlung.command_line import FAILED, WRONG_ARGUMENTS
from fedlung.errors import BadSettings, FedLungError, WrongArgument
from fedlung.settings import Settings
from fedlung.stores.audit import AuditLog
from fedlung.stores.data_lock import DataLock
from fedlung.stores.fallback.opening import connection
from fedlung.stores.fallback.user_copy import adopt, check_is_home
from fedlung.stores.json_users import JsonUserStore
from fedlung.stores.moving_users import read_file, take_in, write_file
from fedlung.stores.supabase.users import SupabaseUserStore
from fedlung.stores.users import UserStore

MIGRATIONS = Path(__file__).resolve().parents[2] / "supabase" / "migrations"
Arguments = ParamSpec("Arguments")

supabase = AppGroup("supabase", short_help="The Supabase project that SUPABASE_URL names.")
users = AppGroup("users", short_help="Accounts into a file, and out of one; a new password.")


def commands_only() -> Flask:
    """What the ``flask`` command finds: it has the commands, and answers no request."""
    app = Flask("fedlung")
    app.cli.add_command(supabase)
    app.cli.add_command(users)

    @app.before_request
    def refuse() -> tuple[str, int]:
        return "FedLung is served by `python app.py` or gunicorn.\n", HTTPStatus.SERVICE_UNAVAILABLE

    return app


def _plainly(command: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """One line instead of a traceback, and the exit codes of every command of the project."""

    @wraps(command)
    def run(*arguments: Arguments.args, **options: Arguments.kwargs) -> None:
        try:
            command(*arguments, **options)
        except (FedLungError, OSError) as error:
            click.echo(" ".join(str(error).split()), err=True)
            raise click.exceptions.Exit(WRONG_ARGUMENTS if isinstance(error, WrongArgument) else FAILED) from None

    return run


@supabase.command("check")
@_plainly
def check() -> None:
    """Print the SQL that the project lacks, ready to paste into its SQL editor; nothing is changed.

    Exit code 0: everything is there. 1: something is missing, or the project cannot be asked.
    """
    # Here and not above: only this command needs it, and the official client takes half a second to import.
    from fedlung.stores.supabase.requirements_check import as_sql, shortcomings

    project = connection(Settings.from_env([]))
    if project is None:
        raise BadSettings("SUPABASE_URL and SUPABASE_SECRET_KEY are not set: there is nothing to check")
    try:
        found = shortcomings(project, MIGRATIONS)
    finally:
        project.close()
    if not found:
        click.echo(f"{project.url} has everything that FedLung needs.")
        return
    for lack in found:
        click.echo(lack.problem, err=True)
    click.echo(as_sql(found))
    raise click.exceptions.Exit(FAILED)


@users.command("export")
@click.argument("file", type=click.Path(path_type=Path))
@_plainly
def export(file: Path) -> None:
    """Write all accounts, with the hashes of their passwords, into the new FILE, which only you can read."""
    settings = Settings.from_env([])
    with _home(settings) as home:
        found = home.all()
    write_file(file, found)
    click.echo(f"{len(found)} accounts of {_place(settings)} are in {file}.")


@users.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Accounts that are there become as FILE says, instead of staying.")
@_plainly
def import_(file: Path, replace: bool) -> None:
    """Add the accounts of FILE (a users.json, or an export) to those of the server.

    When FILE is the server's own users.json and they go to Supabase, it is their local copy from then on.
    """
    settings = Settings.from_env([])
    is_own = os.path.realpath(file) == os.path.realpath(settings.users_file)
    if is_own and settings.supabase_url is None:
        raise WrongArgument(f"{file} is where this server's accounts are already")
    needs_lock = is_own or settings.supabase_url is None  # the file of accounts has one writer at a time
    with DataLock(settings.data) if needs_lock else nullcontext(), _home(settings) as home:
        given = read_file(file)
        moved = take_in(home, given, replaces=replace)
        if is_own:
            adopt(settings.users_file, settings.supabase_url or "")
    for word, names in vars(moved).items():
        if names:
            click.echo(f"{word}: {', '.join(names)}")
    if moved.kept:
        click.echo("kept: they are other ones there; --replace makes them as the file says", err=True)
    click.echo(f"{len(given)} accounts of {file} were looked at; they live in {_place(settings)}.")


@users.command("reset-password")
@click.argument("username")
@_plainly
def reset_password(username: str) -> None:
    """Give USERNAME a random password, shown once, that has to be changed: when no administrator can do it any more.

    The server has to be stopped for it. The account's role stays, and an inactive one stays inactive.
    """
    settings = Settings.from_env([])
    with DataLock(settings.data), _home(settings) as home:
        user = home.by_username(username)
        if user is None:
            raise WrongArgument(
                f"there is no account {username!r}; there is {', '.join(u.username for u in home.all())}"
            )
        accounts = Accounts(home, AuditLog(settings.data / "audit.jsonl"), PasswordHasher(), SignInThrottle())
        user, password = accounts.reset_password("command line", user.id, user.version, is_rescue=True)
    click.echo(f"{user.username} ({user.role}{'' if user.is_active else ', inactive'}) signs in with {password}")
    click.echo("It is shown only this once, and has to be changed.")


@contextmanager
def _home(settings: Settings) -> Iterator[UserStore]:
    """Where the accounts live: never the copy."""
    project = connection(settings)
    if project is None:
        check_is_home(settings.users_file)
        yield JsonUserStore(settings.users_file)
        return
    try:
        yield SupabaseUserStore(project)
    finally:
        project.close()


def _place(settings: Settings) -> str:
    return settings.supabase_url or str(settings.users_file)
