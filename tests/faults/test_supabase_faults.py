"""Supabase goes away in every way it can: people sign in in time, nothing is lost, and nothing is there twice."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fedlung.accounts.passwords import COST
from fedlung.errors import Conflict, NotSignedIn, StoreAway, UnreadableStore
from fedlung.stores.fallback.breaker import State
from fedlung.stores.fallback.opening import bring_up_to_date
from fedlung.stores.fallback.outbox import Outbox
from fedlung.stores.fallback.user_copy import UserCopy
from fedlung.stores.users import STAFF, User, new_user
from tests.accounts_pair import accounts_pair
from tests.supabase_stack import SupabaseStack
from tests.supabase_world import FAULTS, PASSWORD, SupabaseWorld

SIGN_IN_SECONDS = 1.5
HASHING_SECONDS = 0.5  # of a machine with nothing else to do, at most


def every_fault(test: Callable[..., None]) -> Callable[..., None]:
    return pytest.mark.slow(pytest.mark.parametrize("fault", FAULTS)(test))


@pytest.fixture
def world(tmp_path: Path, supa: SupabaseStack) -> Iterator[SupabaseWorld]:
    made = SupabaseWorld(tmp_path, supa)
    yield made
    made.close()


def rows(supa: SupabaseStack) -> list[str]:
    return supa.sql("select username from users order by username").split()


@every_fault
def test_sign_in_is_answered_in_time(tmp_path: Path, supa: SupabaseStack, fault: str) -> None:
    """With the real cost of a password; and whoever comes next waits for nobody."""
    world = SupabaseWorld(tmp_path, supa, cost=COST)
    begun = time.monotonic()
    world.sign_in("staff_a")
    busy_seconds = max(0.0, time.monotonic() - begun - HASHING_SECONDS)  # what others on this machine take away
    FAULTS[fault](supa)
    begun = time.monotonic()
    assert world.sign_in("staff_a").id == world.people["staff_a"].id
    assert time.monotonic() - begun < SIGN_IN_SECONDS + 2 * busy_seconds
    assert world.users.standing().health.state is State.AWAY
    begun = time.monotonic()
    assert world.users.by_username("staff_a") == world.people["staff_a"]
    assert time.monotonic() - begun < 0.1
    world.close()


@every_fault
def test_wrong_password_stays_wrong(world: SupabaseWorld, fault: str) -> None:
    FAULTS[fault](world.supa)
    for name, password in (("staff_a", "not hers"), ("nobody", PASSWORD)):
        with pytest.raises(NotSignedIn):
            world.sign_in(name, password)


@every_fault
def test_what_is_written_meanwhile_is_sent_once(world: SupabaseWorld, fault: str) -> None:
    """The first write of an outage is the one of which nobody knows whether it was done."""
    FAULTS[fault](world.supa)
    if fault == "slow":
        world.users.by_username("staff_a")  # it is waited for by those who write, not by those who sign in
    world.accounts.change_profile(world.people["staff_a"].id, "First", "")
    world.accounts.change_profile(world.people["staff_a"].id, "Second", "zh")
    world.accounts.sign_out(world.people["clinician_a"].id)
    newcomer, _ = world.accounts.create_user("admin", "new", "New", STAFF, "hospital_a", PASSWORD)
    assert world.users.standing().waiting == 4
    world.sync.step()
    assert world.users.standing().waiting == 4  # it is still away
    before = {name: world.here(name) for name in world.people}
    world.comes_back()
    standing = world.users.standing()
    assert (standing.health.state, standing.waiting, standing.decisions) == (State.UP, 0, ())
    for name, user in before.items():
        assert world.there(name) == world.here(name) == replace(user, updated_at=world.there(name).updated_at)
    assert (world.there("staff_a").display_name, world.there("staff_a").version) == ("Second", 3)
    assert world.home.by_username("new") == newcomer
    assert rows(world.supa) == ["admin", "clinician_a", "new", "staff_a"]


@pytest.mark.parametrize("name", ["kept", "staff_a"])
def test_account_whose_answer_was_lost_is_there_once(world: SupabaseWorld, name: str) -> None:
    world.supa.fault.set("drop_after", match="POST")
    user = new_user(name, name, "hash", STAFF, "hospital_a")
    if name == "staff_a":
        with pytest.raises(Conflict):
            world.users.add(user)
    else:
        assert world.users.add(user) == world.users.by_id(user.id) == user
    world.comes_back()
    assert len(rows(world.supa)) == len(set(rows(world.supa))) == (4 if name == "kept" else 3)
    assert world.users.standing().waiting == 0


@every_fault
def test_it_is_found_to_be_back_by_itself(world: SupabaseWorld, fault: str) -> None:
    """With the background task, which waits a second before it asks again, and twice as long each time."""
    world.sync.start()
    FAULTS[fault](world.supa)
    world.users.by_username("staff_a")
    assert not world.users.breaker.is_up
    world.supa.heal()
    until = time.monotonic() + 30
    while not world.users.breaker.is_up:
        assert time.monotonic() < until
        time.sleep(0.02)
    world.sync.close()


def test_start_without_supabase_goes_on_with_the_copy(world: SupabaseWorld) -> None:
    world.supa.close_gateway()
    world.restart()
    bring_up_to_date(world.users)
    assert world.sign_in("staff_a").username == "staff_a"
    assert len(world.users.all()) == len(world.people)


@pytest.mark.parametrize(
    "removed", [("users.json", "users.json.bak"), ("users.json", "users.json.bak", "users.copy.json")]
)
def test_start_without_supabase_and_without_copy_is_refused(world: SupabaseWorld, removed: tuple[str, ...]) -> None:
    """Otherwise whoever removes the copy would be asked for a new administrator."""
    world.supa.close_gateway()
    for name in removed:
        (world.folder / name).unlink()
    world.restart()
    with pytest.raises(StoreAway):
        bring_up_to_date(world.users)


# --- killed in between ---------------------------------------------------------------------------------------


def change_while_away(world: SupabaseWorld) -> User:
    world.supa.close_gateway()
    return world.accounts.change_profile(world.people["staff_a"].id, "While away", "")


def test_outbox_survives_a_restart(world: SupabaseWorld) -> None:
    changed = change_while_away(world)
    world.restart()
    assert world.here("staff_a") == changed
    assert not world.users.breaker.is_up  # before anybody asks
    world.comes_back()
    assert world.there("staff_a").display_name == "While away"


def test_killed_between_outbox_and_copy(world: SupabaseWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(copy: UserCopy, users: object) -> list[str]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(UserCopy, "put", killed)
        with pytest.raises(KeyboardInterrupt):
            change_while_away(world)
    world.restart()
    assert world.here("staff_a").display_name == "While away"
    world.comes_back()
    assert (world.there("staff_a").display_name, world.there("staff_a").version) == ("While away", 2)


def test_killed_between_sending_and_noting_it(world: SupabaseWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(outbox: Outbox, sent: object) -> None:
        raise KeyboardInterrupt

    change_while_away(world)
    world.accounts.create_user("admin", "new", "New", STAFF, "hospital_a", PASSWORD)
    world.supa.heal()
    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(Outbox, "drop", killed)
            with pytest.raises(KeyboardInterrupt):
                world.users.look_at_all()
        world.restart()
    world.users.look_at_all()
    assert (world.there("staff_a").display_name, world.there("staff_a").version) == ("While away", 2)
    assert rows(world.supa) == ["admin", "clinician_a", "new", "staff_a"]
    assert world.users.standing().decisions == ()


def test_full_disk_means_no(world: SupabaseWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    world.supa.close_gateway()
    for owner, name in ((Outbox, "append"), (UserCopy, "put")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, full)
            with pytest.raises(OSError, match="No space"):
                world.accounts.change_profile(world.people["staff_a"].id, "Lost", "")
        assert world.users.standing().waiting == 0
        assert world.here("staff_a") == world.people["staff_a"]


# --- the copy itself -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", [b"", b"{", b"\x00" * 100])
def test_damaged_copy_is_made_anew_while_supabase_answers(world: SupabaseWorld, damage: bytes) -> None:
    path = world.folder / "users.json"
    path.write_bytes(damage)
    with pytest.raises(UnreadableStore):
        world.users.by_id(world.people["admin"].id)
    assert world.sign_in("staff_a").username == "staff_a"
    world.users.look_at_all()
    assert {user.username for user in world.users.all()} == set(world.people)
    assert path.with_name("users.json.unreadable").read_bytes() == damage


def test_damaged_copy_is_kept_while_supabase_is_away(world: SupabaseWorld) -> None:
    world.supa.close_gateway()
    (world.folder / "users.json").write_bytes(b"{")
    with pytest.raises(UnreadableStore):
        world.sign_in("staff_a")
    assert (world.folder / "users.json").read_bytes() == b"{"


def test_damaged_outbox_is_refused_and_kept(world: SupabaseWorld) -> None:
    change_while_away(world)
    path = world.folder / "users.outbox.json"
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(path.read_bytes()[:-20])
    before = path.read_bytes()
    with pytest.raises(UnreadableStore, match="wait for Supabase"):
        accounts_pair(world.folder, world.connection)
    assert path.read_bytes() == before


def test_edited_copy_is_put_right(world: SupabaseWorld) -> None:
    """Somebody who can write the file makes themselves an administrator."""
    user = world.here("staff_a")
    world.users._copy.accounts.keep([*world.users.all()[:-1], replace(user, role="admin", hospital_id=None)])
    world.users.look_at_all()
    assert world.here("staff_a") == user
    assert user.id in world.ended


def test_more_accounts_than_a_page_are_all_copied(world: SupabaseWorld) -> None:
    world.supa.sql(
        "insert into users (username, display_name, role, hospital_id)"
        " select 'person' || n, 'Person', 'staff', 'hospital_a' from generate_series(1, 1500) n"
    )
    world.users.look_at_all()
    assert len(world.users.all()) == 1500 + len(world.people)


# --- nothing secret gets out ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_neither_hashes_nor_the_key_are_logged(world: SupabaseWorld, caplog: pytest.LogCaptureFixture) -> None:
    canary = new_user("canary", "Canary", "hash-of-the-canary", STAFF, "hospital_a")
    said = []
    with caplog.at_level(logging.DEBUG):
        world.users.add(canary)
        for breaks in FAULTS.values():
            breaks(world.supa)
            user = world.users.by_username("canary")
            assert user is not None
            world.users.replace(user)
            world.sync.step()
            said.append(str(world.users.standing()))
            world.comes_back()
    for secret in ("hash-of-the-canary", world.supa.secret_key):
        assert secret not in caplog.text + "".join(said)
        assert secret not in repr(world.connection) + repr(world.users)
