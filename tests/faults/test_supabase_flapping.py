"""A line that comes and goes while people change things: in the end both sides agree, and every yes was kept once."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedlung.errors import Conflict
from fedlung.stores.fallback import breaker
from fedlung.stores.users import STAFF
from tests.supabase_stack import SupabaseStack
from tests.supabase_world import PASSWORD, SupabaseWorld

PEOPLE, CHANGES = 4, 25
MODES = ("ok", "reset", "drop_after", "status", "html502")
pytestmark = pytest.mark.slow


@pytest.fixture
def world(tmp_path: Path, supa: SupabaseStack, monkeypatch: pytest.MonkeyPatch) -> Iterator[SupabaseWorld]:
    monkeypatch.setattr(breaker, "FIRST_PAUSE_SECONDS", 0.005)
    monkeypatch.setattr(breaker, "LONGEST_PAUSE_SECONDS", 0.02)
    made = SupabaseWorld(tmp_path, supa)
    made.sync.start()
    yield made
    made.sync.close()
    made.close()


def test_every_acknowledged_change_is_there_once(world: SupabaseWorld) -> None:
    names = [f"person{number}" for number in range(PEOPLE)]
    for name in names:
        world.people[name], _ = world.accounts.create_user("test", name, name, STAFF, "hospital_a", PASSWORD)
    counts, ends = dict.fromkeys(names, 0), threading.Event()
    flapping = threading.Thread(target=flap, args=(world.supa, ends))
    flapping.start()
    at_work = [threading.Thread(target=work, args=(world, name, counts)) for name in names]
    for thread in at_work:
        thread.start()
    for thread in at_work:
        thread.join()
    ends.set()
    flapping.join()
    until = time.monotonic() + 20
    while not world.users.breaker.is_up:
        assert time.monotonic() < until
        time.sleep(0.02)
    world.users.look_at_all()
    assert {user.id: user for user in world.home.all()} == {user.id: user for user in world.users.all()}
    assert {name: world.there(name).display_name for name in names} == dict.fromkeys(names, f"Change {CHANGES}")
    assert {name: world.there(name).session_epoch for name in names} == counts
    assert world.users.standing().decisions == ()
    assert len(world.home.all()) == len(world.people)


def work(world: SupabaseWorld, name: str, counts: dict[str, int]) -> None:
    """Nobody else changes this account, so whoever is told "somebody was quicker" tries again."""
    done = 0
    while done < CHANGES:
        try:
            world.accounts.change_profile(world.people[name].id, f"Change {done + 1}", "")
        except Conflict:
            continue
        done += 1
        if done % 2 == 0:
            world.accounts.sign_out(world.people[name].id)
            counts[name] += 1


def flap(supa: SupabaseStack, ends: threading.Event) -> None:
    dice = random.Random(0)
    while not ends.is_set():
        supa.fault.set(dice.choice(MODES))
        ends.wait(dice.uniform(0.005, 0.05))
    supa.fault.set("ok")
