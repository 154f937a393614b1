"""``flask --app app supabase check`` and ``users export|import``, with files and with a real Supabase project."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result

import app as front
from fedlung.accounts.passwords import PasswordHasher, Verdict
from fedlung.stores.data_lock import DataLock
from fedlung.stores.fallback.user_copy import marker_of
from fedlung.stores.json_users import JsonUserStore
from fedlung.stores.users import ADMIN, STAFF, User, new_user
from tests.supabase_stack import SupabaseStack

ROOT = Path(__file__).resolve().parents[2]
DONE, FAILED, WRONG_ARGUMENTS = 0, 1, 2
Run = Callable[..., Result]


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command as `flask` does, on a data folder of its own and without Supabase."""
    for name in ("SUPABASE_URL", "SUPABASE_SECRET_KEY", "FEDLUNG_USERS_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FEDLUNG_DATA", str(tmp_path))
    runner = front.create_app().test_cli_runner()
    return lambda *arguments: runner.invoke(args=list(map(str, arguments)))


@pytest.fixture
def remote(local: Run, supa: SupabaseStack, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The same with a Supabase project."""
    monkeypatch.setenv("SUPABASE_URL", supa.url)
    monkeypatch.setenv("SUPABASE_SECRET_KEY", supa.secret_key)
    return local


def some_people() -> list[User]:
    people = [new_user("admin", "Administrator", "hash of admin", ADMIN, None)]
    people += [new_user(f"staff_{n}", f"马丽 {n}", f"hash {n}", STAFF, "hospital_a") for n in range(3)]
    return [people[0], replace(people[1], is_active=False, version=7, session_epoch=3, language="zh"), *people[2:]]


def write_users(path: Path, people: list[User]) -> Path:
    store = JsonUserStore(path)
    for user in people:
        store.add(user)
    return path


def by_name(people: list[User]) -> list[User]:
    return sorted(people, key=lambda user: user.username)


def test_check_of_a_sound_project(remote: Run, supa: SupabaseStack) -> None:
    answer = remote("supabase", "check")
    assert (answer.exit_code, answer.output) == (DONE, f"{supa.url} has everything that FedLung needs.\n")


def test_what_check_prints_can_be_pasted(remote: Run, supa: SupabaseStack) -> None:
    supa.alter("revoke update on users from service_role; alter table audit disable row level security")
    answer = remote("supabase", "check")
    assert answer.exit_code == FAILED
    assert "the server may not update" in answer.stderr
    supa.alter(answer.stdout)
    assert remote("supabase", "check").exit_code == DONE


def test_check_without_settings_or_with_wrong_ones(
    remote: Run, supa: SupabaseStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPABASE_SECRET_KEY", "sb_secret_" + "of_another")
    answer = remote("supabase", "check")
    assert (answer.exit_code, answer.stdout) == (FAILED, "")
    assert "SUPABASE_SECRET_KEY" in answer.stderr
    assert "of_another" not in answer.output
    supa.close_gateway()
    assert "does not answer" in remote("supabase", "check").stderr
    for name in ("SUPABASE_URL", "SUPABASE_SECRET_KEY"):
        monkeypatch.delenv(name)
    answer = remote("supabase", "check")
    assert (answer.exit_code, len(answer.stderr.splitlines())) == (WRONG_ARGUMENTS, 1)


def test_accounts_move_to_supabase_and_back(
    remote: Run, supa: SupabaseStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = some_people()
    own = write_users(tmp_path / "users.json", people)
    answer = remote("users", "import", own)
    assert (answer.exit_code, answer.stderr) == (DONE, "")
    assert marker_of(own).is_file()
    assert supa.sql("select count(*) from users").strip() == str(len(people))

    back = tmp_path / "back.json"
    assert remote("users", "export", back).exit_code == DONE
    assert back.stat().st_mode & 0o777 == 0o600
    assert by_name(JsonUserStore(back).all()) == by_name(people)

    for name in ("SUPABASE_URL", "SUPABASE_SECRET_KEY"):
        monkeypatch.delenv(name)
    refused = remote("users", "export", tmp_path / "other.json")  # the copy is not the home
    assert (refused.exit_code, "is a copy" in refused.stderr) == (WRONG_ARGUMENTS, True)
    marker_of(own).unlink()
    back.replace(own)
    assert remote("users", "export", tmp_path / "other.json").exit_code == DONE
    assert by_name(JsonUserStore(tmp_path / "other.json").all()) == by_name(people)


def test_import_twice_changes_nothing_and_says_who_differs(remote: Run, supa: SupabaseStack, tmp_path: Path) -> None:
    file = write_users(tmp_path / "given.json", some_people())
    assert "added: admin, staff_0, staff_1, staff_2" in remote("users", "import", file).stdout
    assert "same: admin, staff_0, staff_1, staff_2" in remote("users", "import", file).stdout
    supa.sql("update users set is_active = false where username = 'staff_2'")
    answer = remote("users", "import", file)
    assert "kept: staff_2" in answer.stdout
    assert "--replace" in answer.stderr
    assert supa.sql("select is_active from users where username = 'staff_2'").strip() == "f"
    assert "replaced: staff_2" in remote("users", "import", file, "--replace").stdout
    assert supa.sql("select is_active, version from users where username = 'staff_2'").strip() == "t|3"


def test_import_of_a_name_that_is_somebody_else_writes_nothing(
    remote: Run, supa: SupabaseStack, tmp_path: Path
) -> None:
    people = some_people()
    remote("users", "import", write_users(tmp_path / "given.json", people[:1]))
    strangers = [new_user("newcomer", "x", "hash", ADMIN, None), new_user("admin", "x", "hash", ADMIN, None)]
    answer = remote("users", "import", write_users(tmp_path / "strangers.json", strangers))
    assert (answer.exit_code, "admin" in answer.stderr) == (FAILED, True)
    assert supa.sql("select username from users").split() == ["admin"]


def test_import_into_a_project_without_tables_names_the_check(remote: Run, supa: SupabaseStack, tmp_path: Path) -> None:
    file = write_users(tmp_path / "given.json", some_people())
    supa.alter("drop table users")
    try:
        answer = remote("users", "import", file)
    finally:
        supa.reset_schema()
    assert (answer.exit_code, "flask --app app supabase check" in answer.stderr) == (FAILED, True)


def test_files_only(local: Run, tmp_path: Path) -> None:
    people = some_people()
    own = tmp_path / "users.json"
    given = write_users(tmp_path / "given.json", people)
    assert local("users", "import", given).exit_code == DONE
    assert by_name(JsonUserStore(own).all()) == by_name(people)
    for arguments, code in {
        ("import", own): WRONG_ARGUMENTS,
        ("import", tmp_path / "missing.json"): WRONG_ARGUMENTS,
        ("export", given): WRONG_ARGUMENTS,
    }.items():
        answer = local("users", *arguments)
        assert (answer.exit_code, answer.stdout, len(answer.stderr.splitlines())) == (code, "", 1), arguments
    damaged = tmp_path / "damaged.json"
    damaged.write_text(json.dumps({"format": 1, "users": [{"password_hash": "a canary"}]}))
    answer = local("users", "import", damaged)
    assert answer.exit_code == FAILED
    assert "canary" not in answer.output


@pytest.mark.slow
def test_import_into_the_file_of_a_running_server_is_refused(local: Run, tmp_path: Path) -> None:
    given = write_users(tmp_path / "given.json", some_people())
    with DataLock(tmp_path):
        answer = local("users", "import", given)
    assert (answer.exit_code, "is in use by" in answer.stderr) == (FAILED, True)


def test_the_application_of_commands_starts_nothing_and_serves_nothing(tmp_path: Path) -> None:
    before = threading.active_count()
    app = front.create_app()
    assert app.test_client().get("/login").status_code == 503
    assert threading.active_count() == before


@pytest.mark.slow
def test_the_command_line_itself(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("FEDLUNG", "SUPABASE"))}
    environment |= {"FEDLUNG_DATA": str(tmp_path)}
    for arguments, code in ((["supabase", "check"], WRONG_ARGUMENTS), (["users", "--help"], DONE)):
        command = [sys.executable, "-m", "flask", "--app", "app", *arguments]
        answer = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert (answer.returncode, "Traceback" in answer.stderr) == (code, False), answer.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_new_password_for_somebody_who_cannot_sign_in(local: Run, tmp_path: Path) -> None:
    store = JsonUserStore(write_users(tmp_path / "users.json", some_people()).resolve())
    before = store.by_username("admin")
    answer = local("users", "reset-password", " Admin ")
    assert answer.exit_code == DONE
    after = store.by_username("admin")
    assert before is not None
    assert after is not None
    password = answer.output.splitlines()[0].split()[-1]
    assert PasswordHasher().verify(password, after.password_hash) is Verdict.RIGHT
    assert after.must_change_password
    assert after.session_epoch == before.session_epoch + 1
    assert password not in (tmp_path / "audit.jsonl").read_text()
    assert "command line" in (tmp_path / "audit.jsonl").read_text()

    answer = local("users", "reset-password", "nobody")
    assert answer.exit_code == WRONG_ARGUMENTS
    assert "there is admin, staff_0" in answer.stderr
    with DataLock(tmp_path):
        assert local("users", "reset-password", "admin").exit_code == FAILED
