"""Nobody whom Supabase shut out comes in here, whatever is away when; and what a misconfiguration may not do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from fedlung.errors import Misconfigured, NotFound, NotSignedIn
from fedlung.stores.audit import Action
from fedlung.stores.fallback.breaker import State
from fedlung.stores.fallback.opening import bring_up_to_date
from fedlung.stores.users import STAFF
from tests.supabase_stack import SupabaseStack
from tests.supabase_world import PASSWORD, SupabaseWorld, be_patient

NEW_PASSWORD = "another canary sings"


@pytest.fixture
def world(tmp_path: Path, supa: SupabaseStack, monkeypatch: pytest.MonkeyPatch) -> Iterator[SupabaseWorld]:
    be_patient(monkeypatch)
    made = SupabaseWorld(tmp_path, supa)
    yield made
    made.close()


def refused(world: SupabaseWorld, username: str, password: str = PASSWORD) -> str:
    """The reason that the audit gives, which the person never hears."""
    with pytest.raises(NotSignedIn, match="the user name or the password is wrong"):
        world.sign_in(username, password)
    return str(world.audit.page(count=1, action=Action.SIGN_IN_REFUSED)[0]["details"]["reason"])


# --- changed in Supabase, which then goes away ---------------------------------------------------------------


def test_who_is_made_inactive_there_is_out_at_once(world: SupabaseWorld) -> None:
    world.edits_there("staff_a", "is_active = false")
    assert refused(world, "staff_a") == "inactive"  # Supabase was asked
    assert world.ended == [world.people["staff_a"].id]
    world.supa.close_gateway()
    assert refused(world, "staff_a") == "inactive"  # the copy knows
    world.restart()
    bring_up_to_date(world.users)
    assert refused(world, "staff_a") == "inactive"


@pytest.mark.parametrize(
    ("edit", "field", "value"),
    [
        ("is_active = false", "is_active", False),
        ("role = 'clinician'", "role", "clinician"),
        ("hospital_id = 'hospital_b'", "hospital_id", "hospital_b"),
        ("password_hash = 'reset'", "password_hash", "reset"),
        ("session_epoch = session_epoch + 1", "session_epoch", 1),
    ],
)
def test_what_is_edited_there_ends_sessions_here(world: SupabaseWorld, edit: str, field: str, value: object) -> None:
    world.sync.step()
    world.edits_there("staff_a", edit)
    world.sync.step()
    assert getattr(world.here("staff_a"), field) == value
    assert world.here("staff_a").session_epoch == 1  # old cookies are worthless, even if somebody edits it back
    assert world.ended == [world.people["staff_a"].id]


def test_new_name_there_ends_no_session(world: SupabaseWorld) -> None:
    world.sync.step()
    world.edits_there("staff_a", "display_name = 'Other'")
    world.sync.step()
    assert (world.here("staff_a").display_name, world.here("staff_a").session_epoch) == ("Other", 0)
    assert world.ended == []


def test_who_is_removed_there_is_out(world: SupabaseWorld) -> None:
    world.supa.sql("delete from users where username = 'staff_a'")
    assert refused(world, "staff_a") == "unknown user name"
    world.users.look_at_all()
    assert world.users.by_id(world.people["staff_a"].id) is None
    assert world.ended == [world.people["staff_a"].id]
    with pytest.raises(NotFound):
        world.accounts.change_profile(world.people["staff_a"].id, "Ghost", "")


def test_edit_by_hand_is_not_overwritten_from_an_old_copy(world: SupabaseWorld) -> None:
    """The copy has not seen the edit yet when somebody changes the account here: the change is made on top of it."""
    world.edits_there("staff_a", "is_active = false")
    world.accounts.change_profile(world.people["staff_a"].id, "Other", "")
    assert (world.there("staff_a").is_active, world.there("staff_a").display_name) == (False, "Other")
    assert world.here("staff_a") == world.there("staff_a")


# --- changed on both sides -----------------------------------------------------------------------------------


def test_privilege_that_supabase_took_stays_taken(world: SupabaseWorld) -> None:
    """While the line is down, staff get a new password here and are made inactive there."""
    away(world)
    world.accounts.change_password(world.people["staff_a"].id, PASSWORD, NEW_PASSWORD)
    assert world.sign_in("staff_a", NEW_PASSWORD).is_active
    world.edits_there("staff_a", "is_active = false")
    back(world)
    assert refused(world, "staff_a", NEW_PASSWORD) == "inactive"
    world.edits_there("staff_a", "is_active = true")
    assert world.sign_in("staff_a", NEW_PASSWORD).is_active  # that change was nobody else's


def test_privilege_that_was_taken_here_stays_taken(world: SupabaseWorld) -> None:
    away(world)
    user = world.people["staff_a"]
    world.accounts.update_user(
        "admin", user.id, 1, display_name=user.display_name, role=STAFF, hospital_id="hospital_a", is_active=False
    )
    world.edits_there("staff_a", "language = 'zh', role = 'admin', hospital_id = null")
    back(world)
    assert (world.there("staff_a").is_active, world.there("staff_a").language) == (False, "zh")


def test_what_was_decided_is_told(world: SupabaseWorld) -> None:
    away(world)
    world.accounts.change_password(world.people["staff_a"].id, PASSWORD, NEW_PASSWORD)
    world.edits_there("staff_a", "password_hash = 'reset'")
    back(world)
    assert world.there("staff_a").password_hash == "reset"
    told = world.users.standing().decisions[0]
    assert (told.username, told.decided) == ("staff_a", {"password": "Supabase's is kept"})
    entry = world.audit.page(count=1, action=Action.ACCOUNT_MERGED)[0]
    assert (entry["target"], entry["details"]) == ("staff_a", told.decided)
    world.restart()
    assert world.users.standing().decisions == (told,)


def test_one_name_given_twice_stays_that_of_supabase(world: SupabaseWorld) -> None:
    away(world)
    mine, _ = world.accounts.create_user("admin", "new", "New here", STAFF, "hospital_a", PASSWORD)
    world.supa.sql("insert into users (username, display_name, role) values ('new', 'New there', 'admin')")
    back(world)
    found = world.users.by_username("new")
    assert found is not None
    assert (found.display_name, found.id == mine.id) == ("New there", False)
    kept = world.users.by_id(mine.id)
    assert kept is not None
    assert (kept.username, kept.is_active) == (f"new-{mine.id[:8]}", False)
    assert world.users.standing().decisions[0].username == "new"


def test_account_removed_there_stays_removed(world: SupabaseWorld) -> None:
    away(world)
    world.accounts.change_profile(world.people["staff_a"].id, "Still here", "")
    world.supa.sql("delete from users where username = 'staff_a'")
    back(world)
    assert world.users.by_username("staff_a") is None
    assert "removed" in world.users.standing().decisions[0].decided["account"]


def test_account_that_the_database_refuses_does_not_stop_the_others(world: SupabaseWorld) -> None:
    world.supa.sql("alter table users add constraint users_canary check (display_name <> 'Refused')")
    away(world)
    world.accounts.change_profile(world.people["staff_a"].id, "Refused", "")
    world.accounts.change_profile(world.people["clinician_a"].id, "Taken", "")
    back(world)
    world.supa.sql("alter table users drop constraint users_canary")
    assert world.here("staff_a").display_name == world.people["staff_a"].display_name
    assert world.there("clinician_a").display_name == "Taken"
    assert "Supabase refused" in world.users.standing().decisions[0].decided["account"]


def away(world: SupabaseWorld) -> None:
    """The line is down; in Supabase's own dashboard people work on."""
    world.supa.close_gateway()
    world.users.by_username("admin")


def back(world: SupabaseWorld) -> None:
    world.supa.open_gateway()
    world.sync.step()
    assert world.users.breaker.is_up
    assert {user.id: user for user in world.home.all()} == {user.id: user for user in world.users.all()}


# --- a copy that is too old ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("named", "comes_in"), [("", "admin"), ("second", "second")])
def test_copy_that_is_too_old_lets_one_administrator_in(
    tmp_path: Path, supa: SupabaseStack, monkeypatch: pytest.MonkeyPatch, named: str, comes_in: str
) -> None:
    be_patient(monkeypatch)
    world = SupabaseWorld(tmp_path, supa, max_age_seconds=0.0, break_glass=named)
    world.people["second"], _ = world.accounts.create_user("admin", "second", "Second", "admin", None, PASSWORD)
    for name in world.people:
        assert world.sign_in(name).username == name  # Supabase is asked: how old the copy is does not matter
    supa.close_gateway()
    for name, user in world.people.items():
        assert bool(world.users.refusal(user, signing_in=False)) == (name != comes_in)
        if name == comes_in:
            assert world.sign_in(name).username == name
        else:
            assert refused(world, name) == "the copy of the accounts is too old"
    world.close()


def test_age_of_the_copy_outlives_a_restart(world: SupabaseWorld) -> None:
    marker = world.folder / "users.copy.json"
    world.supa.close_gateway()
    day_before = marker.read_text().replace('"synced_at": "20', '"synced_at": "19')
    marker.write_text(day_before)
    world.restart()
    assert world.users.standing().copy_is_too_old
    assert refused(world, "staff_a") == "the copy of the accounts is too old"


# --- misconfigured -------------------------------------------------------------------------------------------

MISCONFIGURED: Mapping[str, tuple[Callable[[SupabaseStack], object], str]] = {
    "wrong key": (lambda supa: supa.fault.set("answer", status=401, body=b'{"message":"Invalid API key"}'), "KEY"),
    "no permission": (lambda supa: supa.sql("revoke all on users from service_role"), "supabase check"),
    "no table": (lambda supa: supa.sql("alter table users rename to accounts"), "supabase check"),
    "no column": (lambda supa: supa.sql("alter table users rename language to tongue"), "supabase check"),
    "no table in a newer PostgREST": (
        lambda supa: supa.fault.set("answer", status=404, body=b'{"code":"PGRST205","message":"no such table"}'),
        "supabase check",
    ),
    "nobody to be seen": (lambda supa: supa.fault.set("answer", status=200, body=b"[]"), "secret key"),
}


@pytest.mark.parametrize("kind", MISCONFIGURED)
def test_misconfiguration_is_no_outage(world: SupabaseWorld, kind: str) -> None:
    breaks, fix = MISCONFIGURED[kind]
    breaks(world.supa)
    try:
        with pytest.raises(Misconfigured, match=fix):
            world.users.look_at_all()
        world.sync.step()
        world.sync._looked_at_all = float("-inf")
        world.sync.step()
        standing = world.users.standing()
        assert (standing.health.state, fix in standing.health.reason) == (State.MISCONFIGURED, True)
        assert world.sign_in("admin").username == "admin"  # who can mend it
        assert refused(world, "staff_a") == "Supabase refuses this server"
        assert world.users.refusal(world.people["staff_a"], signing_in=False) == ""  # who works, works on
        with pytest.raises(Misconfigured):
            world.accounts.change_profile(world.people["admin"].id, "Nowhere", "")
        assert world.users.standing().waiting == 0
    finally:
        world.supa.fault.set("ok")
        world.supa.reset_schema()
    world.restart()


def test_mended_misconfiguration_is_noticed(world: SupabaseWorld) -> None:
    world.supa.fault.set("answer", status=401, body=b'{"message":"Invalid API key"}')
    world.sync.step()
    assert not world.users.breaker.is_up
    world.supa.fault.set("ok")
    world.sync.step()
    assert world.users.breaker.is_up
    assert world.sign_in("staff_a").username == "staff_a"
