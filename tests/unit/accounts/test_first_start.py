"""First start: random passwords, made once; a demo that automation can sign in to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fedlung.accounts.accounts import Accounts
from fedlung.accounts.first_start import NewAccount, demo_accounts, first_admin
from fedlung.accounts.passwords import LONGEST, PasswordHasher
from fedlung.accounts.throttle import SignInThrottle
from fedlung.errors import BadSettings
from fedlung.stores.audit import AuditLog
from fedlung.stores.json_users import JsonUserStore
from fedlung.stores.users import ADMIN, CLINICIAN, STAFF

HOSPITALS = ("hospital_a", "hospital_b", "hospital_c")
PEOPLE = {
    "admin": (ADMIN, None),
    **{f"staff_{letter}": (STAFF, f"hospital_{letter}") for letter in "abc"},
    **{f"clinician_{letter}": (CLINICIAN, f"hospital_{letter}") for letter in "abc"},
}


class Server:
    def __init__(self, folder: Path) -> None:
        self.users = JsonUserStore(folder / "users.json")
        audit = AuditLog(folder / "audit.jsonl")
        self.accounts = Accounts(self.users, audit, PasswordHasher(cost=4), SignInThrottle())

    def demo(self, password: str | None = None) -> list[NewAccount]:
        return demo_accounts(self.users, self.accounts, HOSPITALS, password)

    def signs_in(self, made: NewAccount) -> None:
        user = self.accounts.authenticate(made.username, made.password, "127.0.0.1")
        assert (user.username, user.role, user.hospital_id) == made[:3]


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


def test_first_administrator_is_made_once_with_a_random_password(server: Server, tmp_path: Path) -> None:
    (made,) = first_admin(server.users, server.accounts)
    assert made[:3] == ("admin", ADMIN, None)
    server.signs_in(made)
    (user,) = server.users.all()
    assert user.must_change_password
    assert first_admin(server.users, server.accounts) == []
    assert server.users.all() == [user]


def test_two_installations_have_different_passwords(tmp_path: Path) -> None:
    passwords = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        server = Server(tmp_path / name)
        passwords |= {made.password for made in server.demo()}
    assert len(passwords) == 2 * len(PEOPLE)


def test_demo_has_everybody_who_signs_in_with_what_is_printed(server: Server) -> None:
    made = server.demo()
    assert {each.username: (each.role, each.hospital_id) for each in made} == PEOPLE
    for each in made:
        server.signs_in(each)
    assert all(user.must_change_password for user in server.users.all())


def test_second_start_of_the_demo_has_no_news(server: Server) -> None:
    server.demo()
    before = server.users.all()
    assert server.demo() == []
    assert server.users.all() == before


def test_demo_after_a_first_start_adds_who_is_missing(server: Server) -> None:
    first_admin(server.users, server.accounts)
    assert {made.username for made in server.demo()} == PEOPLE.keys() - {"admin"}


def test_given_password_needs_no_change_and_wins_over_what_was(server: Server) -> None:
    server.demo()
    for each in server.demo("for automation"):
        assert each.password == "for automation"
        server.signs_in(each)
    users = server.users.all()
    assert {user.username for user in users} == PEOPLE.keys()
    assert not any(user.must_change_password for user in users)


def test_given_password_that_holds_already_ends_no_session(server: Server) -> None:
    server.demo("for automation")
    before = server.users.all()
    assert len(server.demo("for automation")) == len(PEOPLE)
    assert server.users.all() == before


def test_given_password_does_not_bring_back_who_was_removed(server: Server) -> None:
    server.demo("for automation")
    staff = server.users.by_username("staff_a")
    assert staff is not None
    server.users.replace(replace(staff, is_active=False))
    server.demo("another for automation")
    found = server.users.by_username("staff_a")
    assert found is not None
    assert not found.is_active


def test_password_that_nobody_may_type_is_refused(server: Server) -> None:
    with pytest.raises(BadSettings, match="FEDLUNG_DEMO_PASSWORD"):
        server.demo("x" * (LONGEST + 1))
    assert server.users.all() == []
