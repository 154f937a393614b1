"""Scans that somebody copies into the folder: half copied, copied again, replaced; and what is trained on meanwhile."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fedlung.imaging.hospital_folder import read_hospital
from fedlung.imaging.volume import CTVolume
from fedlung.settings import Settings
from fedlung.stores.audit import AuditLog
from fedlung.stores.hospital_store import HospitalStore
from fedlung.stores.hospitals import HospitalFolders
from fedlung.stores.room import Limits
from fedlung.web.live.hub import Hub
from fedlung.web.scans.intake_queue import IntakeQueue
from fedlung.web.services import Services
from tests.upload_world import Sender, a_chest, metaimage_files, store_scan, written_long_ago
from tests.web.conftest import SignedIn

pytestmark = pytest.mark.slow
HEADER = "seriesuid,coordX,coordY,coordZ,diameter_mm\n"


class World:
    """One hospital, and a server's examination of its scans."""

    def __init__(self, tmp_path: Path) -> None:
        self.tmp_path, self.folder = tmp_path, tmp_path / "data" / "hospital_a"
        self.scans = self.folder / "scans"
        self.scans.mkdir(parents=True)
        (self.folder / "annotations.csv").write_text(HEADER + "ct,0,0,0,6\n")
        self.start()

    def start(self) -> None:
        """A server that knows only what is on the disk."""
        self.store = HospitalStore(self.folder, Limits())
        audit = AuditLog(self.tmp_path / "audit.jsonl")
        self.intake = IntakeQueue(lambda: [self.store], self.tmp_path / "secret", Hub(), audit, 3600)

    def look(self) -> None:
        while self.intake.work_once():
            pass

    def copy(self, volume: CTVolume, share: float = 1.0) -> None:
        """As ``ct``; of the voxels only a share has arrived."""
        source = self.tmp_path / "source"
        source.mkdir(exist_ok=True)
        files = metaimage_files(replace(volume, series_uid="ct"), source)
        (self.scans / "ct.mhd").write_bytes(files["ct.mhd"])
        (self.scans / "ct.raw").write_bytes(files["ct.raw"][: int(share * len(files["ct.raw"]))])
        written_long_ago(self.scans)

    @property
    def trained_on(self) -> list[str]:
        summary = HospitalFolders(self.folder.parent).summary("hospital_a")
        ids = [] if not summary.scans else [path.stem for path in read_hospital(self.folder).scans]
        assert len(ids) == summary.scans
        return ids

    def record(self) -> Any:
        found = self.store.scans.record("ct")
        assert found is not None
        return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize("restarts", [False, True])
def test_a_scan_seen_half_copied_is_accepted_when_it_is_whole(world: World, restarts: bool) -> None:
    world.copy(a_chest(), share=0.5)
    world.look()
    assert (world.record().is_usable, world.trained_on) == (False, [])
    if restarts:
        world.start()
    world.look()
    assert not world.record().is_usable, "nothing has changed"
    world.copy(a_chest())
    world.look()
    assert (world.record().is_usable, world.record().was_replaced, world.trained_on) == (True, False, ["ct"])
    assert world.store.readiness.now().scans == {}


def test_what_staff_held_back_stays_so_when_it_becomes_whole(world: World) -> None:
    world.copy(a_chest(), share=0.5)
    world.store.readiness.set_scans(["ct"], False, "staff_a")
    world.look()
    world.copy(a_chest())
    world.look()
    assert (world.record().is_usable, world.trained_on) == (True, [])


def test_a_file_that_is_being_written_is_not_looked_at(world: World) -> None:
    world.copy(a_chest(), share=0.5)
    os.utime(world.scans / "ct.raw")
    assert not world.intake.work_once()
    assert world.store.scans.record("ct") is None
    written_long_ago(world.scans)
    assert world.intake.work_once()


@pytest.mark.parametrize("restarts", [False, True])
def test_other_voxels_are_not_trained_on_before_somebody_says_so(world: World, restarts: bool) -> None:
    world.copy(a_chest(1))
    world.look()
    world.store.scans.relabel("ct", "first")
    assert world.trained_on == ["ct"]
    world.copy(a_chest(2))
    assert world.trained_on == [], "at once, before anybody looked"
    if restarts:
        world.start()
    world.look()
    assert (world.record().is_usable, world.record().was_replaced, world.record().label) == (True, True, "first")
    assert world.trained_on == []
    world.store.set_ready("ct", True, "staff_a")
    assert world.trained_on == ["ct"]
    world.look()
    assert world.trained_on == ["ct"], "looked at once"
    world.copy(a_chest(2))
    world.look()
    assert world.trained_on == ["ct"], "the same voxels again"


def test_a_replacement_that_was_seen_half_copied_is_still_a_replacement(world: World) -> None:
    world.copy(a_chest(1))
    world.look()
    world.copy(a_chest(2), share=0.5)
    world.look()
    assert not world.record().is_usable
    world.copy(a_chest(2))
    world.look()
    assert (world.record().is_usable, world.record().was_replaced, world.trained_on) == (True, True, [])


def test_the_same_voxels_in_another_place_are_another_scan(world: World) -> None:
    world.copy(a_chest(1))
    world.look()
    world.copy(a_chest(1, origin_xyz_mm=(-150.0, -150.0, -100.0)))
    world.look()
    assert (world.record().was_replaced, world.trained_on) == (True, [])


def test_a_file_that_was_only_touched_is_the_same_scan(world: World) -> None:
    world.copy(a_chest())
    world.look()
    before = world.record()
    written_long_ago(world.scans)
    world.look()
    assert replace(world.record(), files=()) == replace(before, files=())
    assert world.trained_on == ["ct"]


def test_a_replaced_upload_is_held_back_and_loses_its_patient(
    signed_in: SignedIn, services: Services, settings: Settings, tmp_path: Path
) -> None:
    scan_id = store_scan(Sender(signed_in("staff_a")), services, metaimage_files(a_chest(1), tmp_path))
    store, scans = services.scans.hospital("hospital_a"), settings.data / "hospital_a" / "scans"
    record = store.scans.record(scan_id)
    assert record is not None
    store.scans.describe(replace(record, patient_key="p", study_date="2026-01-01"), tmp_path)
    store.annotate(scan_id, 0, [], is_read=True, origin="click", author="staff_a")
    store.set_ready(scan_id, True, "staff_a")
    assert not services.scans.intake.work_once(), "an upload was checked already"

    other = tmp_path / "other"
    other.mkdir()
    metaimage_files(replace(a_chest(2), series_uid=scan_id), other)
    shutil.copy(other / f"{scan_id}.raw", scans)
    written_long_ago(scans)
    while services.scans.intake.work_once():
        pass
    found = store.scans.record(scan_id)
    assert found is not None
    assert (found.label, found.patient_key, found.study_date) == (record.label, "", "")
    assert (found.was_replaced, store.readiness.now().holds_back(scan_id)) == (True, True)
