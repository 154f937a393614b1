"""Signing in, what ends sessions, and the own account: rules over a real store and a real audit."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import bcrypt
import pytest

from fedlung.accounts import texts
from fedlung.accounts.passwords import MARKER
from fedlung.accounts.throttle import PER_ACCOUNT
from fedlung.errors import NotSignedIn, TooManyTries
from fedlung.stores.users import ADMIN, CLINICIAN, User
from tests.accounts_world import PASSWORD, World, fields_of

HERE = "192.0.2.1"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


# --- signing in


@pytest.mark.parametrize("typed", ["staff_a", " Staff_A "])
def test_right_password_signs_in(world: World, typed: str) -> None:
    assert world.accounts.authenticate(typed, PASSWORD, HERE) == world.staff
    assert world.last_deed() == ("staff_a", "sign_in", "staff_a", {"address": HERE})


def damage(world: World, stored: str) -> None:
    world.users.replace(replace(world.stored(world.staff), password_hash=stored))


REFUSED: dict[str, tuple[str, str, Callable[[World], object], str]] = {
    "wrong password": ("staff_a", "a wrong sentence", lambda world: None, "wrong password"),
    "unknown name": ("a wrong sentence", PASSWORD, lambda world: None, "unknown user name"),
    "no name": ("", PASSWORD, lambda world: None, "unknown user name"),
    "impossible name": ("x" * 100_000, PASSWORD, lambda world: None, "unknown user name"),
    "inactive": ("staff_a", PASSWORD, lambda world: world.update(world.staff, is_active=False), "inactive"),
    "damaged": ("staff_a", PASSWORD, lambda world: damage(world, "x"), "damaged hash"),
    "emptied": ("staff_a", "", lambda world: damage(world, ""), "damaged hash"),
}


@pytest.mark.parametrize(("name", "password", "prepare", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_refusals_look_alike_and_are_in_the_audit(
    world: World, name: str, password: str, prepare: Callable[[World], object], reason: str
) -> None:
    prepare(world)
    with pytest.raises(NotSignedIn, match=r"^the user name or the password is wrong$"):
        world.accounts.authenticate(name, password, HERE)
    known = "staff_a" if name == "staff_a" else ""
    assert world.last_deed() == (known, "sign_in_refused", known, {"reason": reason, "address": HERE})


def test_damaged_hash_is_told_to_the_administrator(world: World, caplog: pytest.LogCaptureFixture) -> None:
    damage(world, MARKER + "$2b$04$cut")
    with pytest.raises(NotSignedIn):
        world.accounts.authenticate("staff_a", PASSWORD, HERE)
    assert "stored password of staff_a is damaged" in caplog.text
    assert "$2b$" not in caplog.text


def test_nobody_has_a_password_of_a_million_characters(world: World) -> None:
    fields = fields_of(lambda: world.accounts.authenticate("staff_a", "x" * 10**6, HERE))
    assert fields == {"password": texts.PASSWORD_TOO_LONG}


@pytest.mark.parametrize("name", ["staff_a", "nobody"])
def test_guessing_is_slowed_down_alike_for_known_and_unknown_names(world: World, name: str) -> None:
    for _ in range(PER_ACCOUNT.free):
        with pytest.raises(NotSignedIn):
            world.accounts.authenticate(name, "a wrong sentence", HERE)
    with pytest.raises(TooManyTries) as error:
        world.accounts.authenticate(f" {name.upper()} ", PASSWORD, HERE)
    assert 0 < error.value.retry_after_seconds <= 1
    assert world.accounts.authenticate("staff_a", PASSWORD, "198.51.100.7") == world.staff


@pytest.mark.parametrize("device", ["", "a known browser"])
def test_right_passwords_are_never_slowed_down(world: World, device: str) -> None:
    for _ in range(2 * PER_ACCOUNT.free):
        world.accounts.authenticate("staff_a", PASSWORD, HERE, device)
    for _ in range(2 * PER_ACCOUNT.free):
        current = PASSWORD if world.stored(world.staff).version % 2 else "another sentence"
        new = "another sentence" if current == PASSWORD else PASSWORD
        world.accounts.change_password(world.staff.id, current, new)


def test_plain_hash_is_renewed_at_the_sign_in(world: World) -> None:
    damage(world, bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode())
    user = world.accounts.authenticate("staff_a", PASSWORD, HERE)
    assert user == world.stored(world.staff)
    assert user.password_hash.startswith(MARKER)
    assert user.session_epoch == world.staff.session_epoch
    assert world.accounts.authenticate("staff_a", PASSWORD, HERE) == user


def test_neither_passwords_nor_hashes_nor_unknown_names_are_written_down(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        for name, password in (("staff_a", PASSWORD), ("staff_a", "canary-wrong"), ("canary-name", "canary-wrong")):
            with suppress(NotSignedIn):
                world.accounts.authenticate(name, password, HERE)
        world.accounts.change_password(world.staff.id, PASSWORD, "another canary sings")
        _, temporary = world.accounts.reset_password("admin", world.staff.id, world.stored(world.staff).version)
    written = (tmp_path / "audit.jsonl").read_text() + caplog.text
    for secret in ("canary", temporary, "$2b$", MARKER):
        assert secret not in written
    assert "canary" not in (tmp_path / "users.json").read_text()


# --- what ends sessions


def change_own_password(world: World) -> User:
    return world.accounts.change_password(world.staff.id, PASSWORD, "another sentence")


def sign_out(world: World) -> User:
    world.accounts.sign_out(world.staff.id)
    return world.stored(world.staff)


ENDING: dict[str, Callable[[World], User]] = {
    "sign out": sign_out,
    "own password": change_own_password,
    "reset password": lambda world: world.accounts.reset_password("admin", world.staff.id, world.staff.version)[0],
    "set password": lambda world: world.accounts.set_password("demo", world.staff.id, "another sentence"),
    "role": lambda world: world.update(world.staff, role=CLINICIAN),
    "to administrator": lambda world: world.update(world.staff, role=ADMIN),
    "hospital": lambda world: world.update(world.staff, hospital_id="hospital_b"),
    "inactive": lambda world: world.update(world.staff, is_active=False),
}


@pytest.mark.parametrize("deed", ENDING.values(), ids=ENDING.keys())
def test_sessions_end_and_listeners_hear_of_it(world: World, deed: Callable[[World], User]) -> None:
    changed = deed(world)
    assert changed == world.stored(world.staff)
    assert changed.session_epoch == world.staff.session_epoch + 1
    assert world.ended == [world.staff.id]


LASTING: dict[str, Callable[[World], User]] = {
    "profile": lambda world: world.accounts.change_profile(world.staff.id, "Other", "zh"),
    "name by administrator": lambda world: world.update(world.staff, display_name="Other"),
    "the same again": lambda world: world.update(world.staff),
    "the password it has": lambda world: world.accounts.set_password("demo", world.staff.id, PASSWORD),
}


@pytest.mark.parametrize("deed", LASTING.values(), ids=LASTING.keys())
def test_sessions_last_through_other_changes(world: World, deed: Callable[[World], User]) -> None:
    assert deed(world).session_epoch == world.staff.session_epoch
    assert world.ended == []


def test_listener_that_fails_stops_neither_the_change_nor_the_others(world: World) -> None:
    def failing(user_id: str) -> None:
        raise OSError("socket is gone")

    world.accounts.on_sessions_ended.insert(0, failing)
    assert sign_out(world).session_epoch == world.staff.session_epoch + 1
    assert world.ended == [world.staff.id]


def test_listener_hears_after_the_change_is_stored(world: World) -> None:
    """Otherwise a socket that reconnects at once would find its old session still good."""
    seen: list[int] = []
    world.accounts.on_sessions_ended.append(lambda user_id: seen.append(world.accounts.find(user_id).session_epoch))
    sign_out(world)
    assert seen == [world.staff.session_epoch + 1]


def test_many_sign_outs_at_once_all_end(world: World) -> None:
    threads = [threading.Thread(target=world.accounts.sign_out, args=(world.staff.id,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.stored(world.staff).session_epoch == world.staff.session_epoch + 4


# --- the own account


def test_new_password_replaces_the_old_one(world: World) -> None:
    changed = change_own_password(world)
    assert not changed.must_change_password
    assert world.last_deed()[1] == "password_changed"
    assert world.accounts.authenticate("staff_a", "another sentence", HERE) == changed
    with pytest.raises(NotSignedIn):
        world.accounts.authenticate("staff_a", PASSWORD, HERE)


@pytest.mark.parametrize(
    ("current", "new", "field", "problem"),
    [
        ("a wrong sentence", "another sentence", "current_password", texts.PASSWORD_WRONG),
        ("x" * 10**6, "another sentence", "current_password", texts.PASSWORD_WRONG),
        (PASSWORD, PASSWORD, "new_password", texts.PASSWORD_UNCHANGED),
        (PASSWORD, "short", "new_password", texts.PASSWORD_TOO_SHORT),
        (PASSWORD, "password123", "new_password", texts.PASSWORD_COMMON),
        (PASSWORD, "STAFF_A-staff_a", "new_password", texts.PASSWORD_LIKE_USERNAME),
    ],
)
def test_password_change_is_refused_with_the_reason(
    world: World, current: str, new: str, field: str, problem: str
) -> None:
    assert fields_of(lambda: world.accounts.change_password(world.staff.id, current, new)) == {field: problem}
    assert world.stored(world.staff) == world.staff


def test_guessing_the_present_password_in_an_open_session_is_slowed_down(world: World) -> None:
    for _ in range(PER_ACCOUNT.free):
        fields_of(lambda: world.accounts.change_password(world.staff.id, "a wrong one", "another sentence"))
    with pytest.raises(TooManyTries):
        change_own_password(world)


def test_profile_is_changed_and_refused_by_field(world: World) -> None:
    changed = world.accounts.change_profile(world.staff.id, "  Dr. 李 ", "zh")
    assert (changed.display_name, changed.language) == ("Dr. 李", "zh")
    fields = fields_of(lambda: world.accounts.change_profile(world.staff.id, "\u202e", "fr"))
    assert fields == {"display_name": texts.DISPLAY_NAME_REFUSED, "language": texts.LANGUAGE_UNKNOWN}


def test_full_disk_keeps_the_account_as_it_was(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    before = json.loads(world.users.path.read_text())
    with monkeypatch.context() as patch:
        patch.setattr("fedlung.stores.json_users.write_atomically", full)
        for deed in (change_own_password, sign_out, lambda world: world.update(world.staff, is_active=False)):
            with pytest.raises(OSError, match="No space"):
                deed(world)
        assert world.accounts.authenticate("staff_a", PASSWORD, HERE) == world.staff
    assert json.loads(world.users.path.read_text()) == before
    assert world.ended == []
