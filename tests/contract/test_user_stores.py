"""What every store of accounts promises (see ``fedlung.stores.users``). A new store is one function in ``STORES``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from fedlung.accounts.accounts import Accounts
from fedlung.accounts.passwords import PasswordHasher
from fedlung.accounts.throttle import SignInThrottle
from fedlung.errors import Conflict, InvalidInput, NotFound
from fedlung.stores.audit import AuditLog
from fedlung.stores.fallback.users import FallbackUserStore
from fedlung.stores.json_users import JsonUserStore
from fedlung.stores.supabase.connection import SupabaseConnection
from fedlung.stores.supabase.users import SupabaseUserStore
from fedlung.stores.users import ADMIN, CLINICIAN, STAFF, User, UserStore, new_user
from tests.accounts_pair import accounts_pair
from tests.accounts_world import PASSWORD
from tests.at_once import run_together
from tests.supabase_stack import SupabaseStack
from tests.supabase_world import be_patient

Opener = Callable[[], UserStore]


def json_file(folder: Path, request: pytest.FixtureRequest) -> UserStore:
    return JsonUserStore(folder / "users.json")


def supabase_table(folder: Path, request: pytest.FixtureRequest) -> UserStore:
    return SupabaseUserStore(connected(request))


def supabase_with_its_copy(folder: Path, request: pytest.FixtureRequest) -> UserStore:
    return accounts_pair(folder, connected(request))


def copy_while_supabase_is_away(folder: Path, request: pytest.FixtureRequest) -> UserStore:
    """One for the whole test: what it writes meanwhile is known to the process that wrote it."""
    if folder not in AWAY:
        AWAY[folder] = accounts_pair(folder, connected(request))
        AWAY[folder].look_at_all()
        project(request).close_gateway()
    return AWAY[folder]


def project(request: pytest.FixtureRequest) -> SupabaseStack:
    found: SupabaseStack = request.getfixturevalue("supa")
    return found


@pytest.fixture
def connection(supa: SupabaseStack, monkeypatch: pytest.MonkeyPatch) -> Iterator[SupabaseConnection]:
    be_patient(monkeypatch)
    made = SupabaseConnection(supa.url, supa.secret_key)
    yield made
    made.close()


def connected(request: pytest.FixtureRequest) -> SupabaseConnection:
    found: SupabaseConnection = request.getfixturevalue("connection")
    return found


# How to open the store that lives in a folder; opening it twice gives two views of the same accounts.
STORES = (json_file, supabase_table, supabase_with_its_copy, copy_while_supabase_is_away)
AWAY: dict[Path, FallbackUserStore] = {}


@pytest.fixture(params=STORES, ids=lambda opens: opens.__name__)
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    return lambda: request.param(tmp_path, request)


@pytest.fixture
def store(opener: Opener) -> UserStore:
    return opener()


def a_user(username: str, role: str = STAFF) -> User:
    return new_user(username, f"Name of {username}", "hash", role, None if role == ADMIN else "hospital_a")


def test_new_store_is_empty(store: UserStore) -> None:
    assert store.all() == []
    assert store.by_id(uuid4().hex) is None
    assert store.by_username("admin") is None


@pytest.mark.parametrize("role", [ADMIN, STAFF, CLINICIAN])
def test_what_was_added_is_found_with_every_field(opener: Opener, role: str) -> None:
    user = replace(
        a_user("ma.li", role),
        display_name="马丽 'Mary' & <b> 😀",
        password_hash='sha256-bcrypt:$2b$04$x"\\\x01\n',  # damaged
        language="zh",
        is_active=False,
        must_change_password=False,
        session_epoch=7,
    )
    assert opener().add(user) == user
    found = opener()
    assert found.by_id(user.id) == found.by_username("ma.li") == user
    assert found.all() == [user]


def test_everybody_is_sorted_by_name(store: UserStore) -> None:
    for name in ("chen", "admin", "张伟", "bo"):
        store.add(a_user(name))
    assert [user.username for user in store.all()] == sorted(["admin", "bo", "chen", "张伟"])


@pytest.mark.parametrize("typed", ["Dr.Li", " dr.li ", "DR.LI", "\uff24\uff32.li"])
def test_name_is_found_as_it_may_be_typed(store: UserStore, typed: str) -> None:
    user = store.add(a_user("dr.li"))
    assert store.by_username(typed) == user


@pytest.mark.parametrize("typed", ["", " ", "dr.l", "dr.li\x00", "x" * 10_000, "dr.li' or '1'='1", "*", "dr%"])
def test_other_names_find_nobody(store: UserStore, typed: str) -> None:
    store.add(a_user("dr.li"))
    assert store.by_username(typed) is None


def test_name_and_id_are_taken_once(store: UserStore) -> None:
    user = store.add(a_user("dr.li"))
    for twin in (a_user("Dr.LI"), replace(a_user("other"), id=user.id)):
        with pytest.raises(Conflict):
            store.add(twin)
    assert store.all() == [user]


def test_replace_counts_the_version_and_keeps_the_origin(opener: Opener) -> None:
    user = opener().add(a_user("dr.li"))
    changed = opener().replace(replace(user, display_name="Other", created_at="forged"))
    assert changed == replace(user, display_name="Other", version=user.version + 1, updated_at=changed.updated_at)
    assert changed.updated_at >= user.updated_at
    assert opener().by_id(user.id) == changed


def test_replace_of_an_older_version_changes_nothing(store: UserStore) -> None:
    user = store.add(a_user("dr.li"))
    newer = store.replace(replace(user, is_active=False))
    for version in (user.version, newer.version + 1):
        with pytest.raises(Conflict):
            store.replace(replace(user, is_active=True, version=version))
    assert store.by_id(user.id) == newer


def test_renaming_frees_the_old_name_and_respects_taken_ones(store: UserStore) -> None:
    user, other = store.add(a_user("dr.li")), store.add(a_user("dr.wu"))
    with pytest.raises(Conflict):
        store.replace(replace(user, username=other.username))
    renamed = store.replace(replace(user, username="dr.li-chen"))
    assert store.by_username("dr.li") is None
    assert store.by_username("dr.li-chen") == renamed


def test_replacing_nobody_is_refused(store: UserStore) -> None:
    with pytest.raises(NotFound):
        store.replace(a_user("nobody"))
    assert store.all() == []


def test_of_many_changes_to_one_version_exactly_one_wins(opener: Opener) -> None:
    """Twelve threads read the same version and write it at the same moment."""
    user = opener().add(a_user("dr.li"))
    store = opener()
    won: list[User] = []
    lost: list[Conflict] = []

    def change(number: int) -> None:
        try:
            won.append(store.replace(replace(user, display_name=f"writer {number}")))
        except Conflict as error:
            lost.append(error)

    run_together(change, 12)
    assert (len(won), len(lost)) == (1, 11)
    assert store.all() == won


def test_of_many_who_take_one_name_exactly_one_gets_it(store: UserStore) -> None:
    refused = []

    def add(number: int) -> None:
        try:
            store.add(a_user("dr.li"))
        except Conflict as error:
            refused.append(error)

    run_together(add, 8)
    assert (len(store.all()), len(refused)) == (1, 7)


def test_changes_to_different_people_at_once_are_all_kept(opener: Opener) -> None:
    store = opener()
    users = [store.add(a_user(f"person{number}")) for number in range(8)]

    def rename(number: int) -> None:
        user = users[number]
        for step in range(5):
            user = store.replace(replace(user, display_name=f"step {step}"))

    run_together(rename, len(users))
    assert {(user.display_name, user.version) for user in opener().all()} == {("step 4", 6)}


def test_the_administrator_who_can_come_in_stays_whatever_keeps_the_accounts(opener: Opener, tmp_path: Path) -> None:
    accounts = Accounts(opener(), AuditLog(tmp_path / "audit.jsonl"), PasswordHasher(cost=4), SignInThrottle())
    first, _ = accounts.create_user("test", "admin", "Administrator", ADMIN, None, PASSWORD)
    second, temporary = accounts.create_user("test", "admin2", "Second", ADMIN, None)

    def disable_first() -> User:
        return accounts.update_user(
            "admin",
            first.id,
            first.version,
            display_name="Administrator",
            role=ADMIN,
            hospital_id=None,
            is_active=False,
        )

    with pytest.raises(InvalidInput, match="who can come in"):
        disable_first()
    with pytest.raises(InvalidInput, match="who can come in"):
        accounts.reset_password("admin", first.id, first.version)
    accounts.change_password(second.id, temporary, PASSWORD)
    assert not disable_first().is_active
