"""Whether there is room: asked before anything is written."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fedlung.errors import NoSpace, OverQuota
from fedlung.stores.room import COUNTED_FOR_SECONDS, Limits, Room
from fedlung.stores.scans import FileScanStore
from fedlung.stores.uploads import UploadStore


class World:
    def __init__(self, folder: Path, **limits: int) -> None:
        self.now = 0.0
        self.folder = folder
        (folder / "scans").mkdir()
        self.uploads = UploadStore(folder)
        self.room = Room(folder, FileScanStore(folder), self.uploads, Limits(**limits), clock=lambda: self.now)

    def store(self, num_bytes: int) -> None:
        (self.folder / "scans" / "a.raw").write_bytes(b"x" * num_bytes)
        self.now += COUNTED_FOR_SECONDS + 1


def test_scans_and_what_is_announced_share_the_quota(tmp_path: Path) -> None:
    world = World(tmp_path, quota_bytes=1000)
    world.store(400)
    file = world.uploads.create("g", "a", 300, "staff_a")
    world.uploads.append(file.id, 0, [b"x" * 100])
    world.room.require(300)
    with pytest.raises(OverQuota, match=r"may use 0\.0 GB"):
        world.room.require(301)
    assert world.room.used_bytes() == 500
    world.uploads.cancel(file.id)
    world.room.require(600)


def test_without_a_quota_only_the_disk_counts(tmp_path: Path) -> None:
    world = World(tmp_path)
    free = shutil.disk_usage(tmp_path).free
    world.room.require(free // 2)
    with pytest.raises(NoSpace):
        world.room.require(free * 2)


def test_the_reserve_stays_free(tmp_path: Path) -> None:
    world = World(tmp_path, reserve_bytes=2 * shutil.disk_usage(tmp_path).free)
    with pytest.raises(NoSpace, match=r"0\.0 GB of the disk are free"):
        world.room.require(1)
