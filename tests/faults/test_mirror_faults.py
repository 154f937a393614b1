"""The mirror against a Supabase that breaks, falls silent and is killed: nothing lost, nothing twice, nobody waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedlung.errors import Misconfigured, StoreAway
from fedlung.stores.supabase import mirror as mirror_module
from fedlung.stores.supabase.connection import READ_SECONDS, SupabaseConnection
from fedlung.stores.supabase.mirror import Mirror
from tests.mirror_world import MirrorWorld, add_round, tell
from tests.supabase_gateway import wait_until
from tests.supabase_stack import SupabaseStack

pytestmark = pytest.mark.slow
TABLES = ("sites", "runs", "rounds", "models", "promotions", "annotation_sets", "audit")  # in the order of copying
SOON_SECONDS = 20.0


@pytest.fixture
def world(tmp_path: Path, supa: SupabaseStack) -> Iterator[MirrorWorld]:
    made = MirrorWorld(tmp_path, supa)
    yield made
    made.close()


@pytest.fixture
def running(world: MirrorWorld, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    """A mirror whose thread looks often and does not wait long after a failure."""
    monkeypatch.setattr(mirror_module, "FIRST_PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(mirror_module, "LONGEST_PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(mirror_module, "LOOK_EVERY_SECONDS", 0.05)
    mirror = world.mirror()
    yield mirror
    world.supa.fault.set("ok")
    mirror.close()
    wait_until(lambda: not mirror.is_alive, SOON_SECONDS, "the end of the mirror's thread")


def leave_one_of_each(world: MirrorWorld, name: str) -> None:
    with world.run(name) as run:
        add_round(run, 1)
        tell(run, "finished", 1)
    world.add_model(name)
    world.models.promote(name, "admin")
    world.note(name)
    world.annotate(1)


def counts(world: MirrorWorld) -> dict[str, int]:
    return {table: world.count(table) for table in TABLES}


@pytest.mark.parametrize("mode", ["status", "html502", "reset", "drop_after"])
def test_a_fault_at_every_table_loses_nothing_and_doubles_nothing(world: MirrorWorld, mode: str) -> None:
    leave_one_of_each(world, "first")
    mirror = world.mirror()
    for table in TABLES:
        world.supa.fault.set(mode, match=f"POST /rest/v1/{table}", count=1)
        with pytest.raises(StoreAway):
            mirror.copy_news()
        assert mirror.status.up_to_date == ""
    mirror.copy_news()
    assert counts(world) == dict.fromkeys(TABLES, 1)
    assert mirror.status.up_to_date


def test_a_silent_supabase_delays_no_round(world: MirrorWorld, running: Mirror) -> None:
    """Rounds are written while the mirror's request hangs, as fast as without a mirror."""
    world.supa.fault.set("hang", delay_seconds=READ_SECONDS)
    running.start()
    wait_until(lambda: world.supa.seen, SOON_SECONDS, "the first request")
    with world.run("run-1") as run:
        began = time.monotonic()
        for number in range(1, 51):
            add_round(run, number)
            tell(run, "running", number)
        took = time.monotonic() - began
        assert running.status.up_to_date == ""
    assert took < READ_SECONDS / 2, "fifty rounds waited for Supabase"
    world.supa.fault.set("ok")
    wait_until(lambda: world.count("rounds") == 50, SOON_SECONDS, "the rounds' arrival")


def test_the_end_of_the_server_does_not_wait_for_silence(world: MirrorWorld, running: Mirror) -> None:
    world.supa.fault.set("hang", delay_seconds=READ_SECONDS)
    running.start()
    wait_until(lambda: world.supa.seen, SOON_SECONDS, "the first request")
    began = time.monotonic()
    running.close()
    assert time.monotonic() - began < 1.0


def test_killed_programs_and_records_meanwhile(world: MirrorWorld, running: Mirror) -> None:
    leave_one_of_each(world, "before")
    running.start()
    wait_until(lambda: running.status.up_to_date, SOON_SECONDS, "the first copy")
    breaks = {"database": world.supa.kill_database, "rest": world.supa.kill_rest, "all": world.supa.close_gateway}
    for name, kill in breaks.items():
        kill()
        leave_one_of_each(world, name)
        wait_until(lambda: running.status.problem, SOON_SECONDS, "noticing")
        assert not running.status.is_misconfigured
        world.supa.heal()
        wait_until(lambda: not running.status.problem, SOON_SECONDS, "coming back")
    expected = dict.fromkeys(TABLES, 1 + len(breaks)) | {"sites": 1}
    wait_until(lambda: counts(world) == expected, SOON_SECONDS, "the arrival of everything")
    assert [row["target"] for row in world.rows("audit", "seq")] == ["before", *breaks]
    assert [row["seq"] for row in world.rows("audit", "seq")] == [1, 2, 3, 4]


def test_a_missing_right_is_told_and_no_absence(world: MirrorWorld, running: Mirror) -> None:
    leave_one_of_each(world, "first")
    world.supa.alter("revoke insert on audit from service_role")
    with pytest.raises(Misconfigured, match="42501"):
        running.copy_news()
    running.start()
    wait_until(lambda: running.status.is_misconfigured, SOON_SECONDS, "noticing")
    assert "flask --app app supabase check" in running.status.problem
    world.supa.alter("grant insert on audit to service_role")
    wait_until(lambda: running.status.up_to_date, SOON_SECONDS, "coming back")
    assert counts(world) == dict.fromkeys(TABLES, 1)


def test_two_servers_in_one_project_do_not_mix(world: MirrorWorld, tmp_path: Path, supa: SupabaseStack) -> None:
    (tmp_path / "elsewhere").mkdir()
    other = MirrorWorld(tmp_path / "elsewhere", supa)
    for each in (world, other):
        leave_one_of_each(each, "the-same-name")
    mirrors = [world.mirror(), other.mirror()]
    threads = [threading.Thread(target=mirror.copy_news) for mirror in mirrors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert counts(world) == dict.fromkeys(TABLES, 2)


def test_secrets_are_in_no_message(supa: SupabaseStack) -> None:
    connection = SupabaseConnection(supa.url, supa.secret_key)
    assert supa.secret_key not in repr(connection)
    for mode in ("status", "reset", "html502"):
        supa.fault.set(mode)
        with pytest.raises(StoreAway) as error:
            connection.probe()
        assert supa.secret_key not in f"{error.value!r} {error.value.__context__!r}"
    connection.close()
