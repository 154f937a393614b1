"""A run service on real folders, a fake launcher and a hub: what tests of it have in common."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fedlung.stores.model_registry import ModelRegistry
from fedlung.stores.run_listing import RunListing
from fedlung.stores.users import User
from fedlung.web.live.hub import Hub
from fedlung.web.live.streams import ADMIN, Stream
from fedlung.web.training.request import RunRequest
from fedlung.web.training.service import RunService
from tests.web.fake_launcher import LONG, FakeLauncher

THREE = RunRequest(rounds=3)


def a_user(username: str = "admin", role: str = "admin", hospital_id: str | None = None) -> User:
    return User(
        id="0" * 32,
        username=username,
        display_name=username,
        password_hash="x",
        role=role,
        hospital_id=hospital_id,
        language="",
        is_active=True,
        must_change_password=False,
        session_epoch=1,
        version=1,
        created_at="2026-01-01T00:00:00+00:00",
        updated_at="2026-01-01T00:00:00+00:00",
    )


BOSS = a_user()


def staff_of(hospital_id: str) -> Stream:
    return Stream("staff", hospital_id)


class World:
    """A service with what it needs, and a restart: a second service on the same files."""

    def __init__(self, folder: Path) -> None:
        self.launcher = FakeLauncher(folder / "runs")
        self.models = ModelRegistry(folder / "models")
        self.hub = Hub(first_seq=0)
        self.listing = RunListing(folder / "runs")
        self.service = RunService(self.launcher, self.listing, self.models, self.hub)
        for stream in (ADMIN, *map(staff_of, ("hospital_a", "hospital_b"))):
            self.hub.seq(stream)  # from now on its events are kept

    def restarted(self) -> RunService:
        return RunService(self.launcher, RunListing(self.launcher.folder), self.models, self.hub)

    def run(self) -> dict[str, Any]:
        found = self.service.current(BOSS)
        assert found is not None
        return found

    def until(self, happened: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + LONG
        while not happened(run := self.run()):
            assert time.monotonic() < deadline, run
            time.sleep(0.005)
        return run

    def until_ended(self) -> dict[str, Any]:
        return self.until(lambda run: run["state"] in ("finished", "stopped", "failed"))

    def until_round(self, number: int) -> dict[str, Any]:
        return self.until(lambda run: bool(run["current"]) and run["current"]["round"] == number)

    def told(self, name: str, stream: Stream = ADMIN) -> list[dict[str, Any]]:
        events: list[tuple[str, dict[str, Any], str]] = []
        self.hub.drain(lambda *event: events.append(event))
        return [event for event in self.hub.since(stream, 0) or [] if event["event"] == name]
