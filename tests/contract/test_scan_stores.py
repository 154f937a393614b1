"""The contract of `fedlung.stores.scans.ScanStore`: a scan is there whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fedlung.errors import Conflict, NotFound
from fedlung.imaging.checked_files import looks_of_scan
from fedlung.imaging.geometry import Geometry
from fedlung.imaging.hospital_folder import read_hospital
from fedlung.imaging.metaimage import read_metaimage, write_metaimage
from fedlung.imaging.volume import CTVolume
from fedlung.stores.hospital_store import HospitalStore
from fedlung.stores.room import Limits
from fedlung.stores.scan_records import NewScan, ScanRecord
from fedlung.stores.scans import FileScanStore

Stores = Callable[[], FileScanStore]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "hospital_a"
    made.mkdir()
    return made


@pytest.fixture(params=["stays_open", "opened_anew"])
def store(request: pytest.FixtureRequest, folder: Path) -> Stores:
    if request.param == "opened_anew":
        return lambda: FileScanStore(folder)
    kept = FileScanStore(folder)
    return lambda: kept


def a_record(scan_id: str = "1.2.3", digest: str = "ab") -> ScanRecord:
    return ScanRecord(
        scan_id,
        "CT 0001",
        "ct.mhd",
        "metaimage",
        "2026-11-22T21:00:00+00:00",
        "staff_a",
        digest,
        (2, 3, 4),
        (1.0, 1.0, 1.0),
    )


def a_new_scan(tmp_path: Path, scan_id: str = "1.2.3", digest: str = "ab") -> NewScan:
    work = tmp_path / f"work {scan_id}"
    work.mkdir()
    voxels = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    write_metaimage(work / f"{scan_id}.mhd", CTVolume(scan_id, voxels, Geometry((2, 3, 4), (1.0, 1.0, 1.0))))
    (work / f"{scan_id}.png").write_bytes(b"picture")
    (work / f"{scan_id}.lungs.npz").write_bytes(b"lungs")
    (work / "IM1").write_bytes(b"slice")
    return NewScan(work, replace(a_record(scan_id, digest), has_original_dicom=True), (work / "IM1",))


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_new_scan_is_there_with_everything(store: Stores, folder: Path, tmp_path: Path) -> None:
    new = a_new_scan(tmp_path)
    store().add(new)
    assert store().ids() == ["1.2.3"]
    assert read_metaimage(store().path("1.2.3")).voxels_zyx.shape == (2, 3, 4)
    record = store().record("1.2.3")
    assert record == replace(new.record, files=looks_of_scan(folder / "scans" / "1.2.3.mhd"))
    picture, lungs, originals = store().thumbnail("1.2.3"), store().lungs("1.2.3"), store().originals("1.2.3")
    assert picture is not None
    assert lungs is not None
    assert [path.read_bytes() for path in (picture, lungs, *originals)] == [b"picture", b"lungs", b"slice"]
    assert store().with_voxels("ab") == record
    assert store().with_voxels("cd") is None
    assert store().bytes_used() == sum((folder / name).stat().st_size for name in files(folder))


def test_no_scan_takes_the_place_of_another(store: Stores, tmp_path: Path) -> None:
    store().add(a_new_scan(tmp_path))
    again = tmp_path / "again"
    again.mkdir()
    with pytest.raises(Conflict):
        store().add(a_new_scan(again, digest="cd"))
    record = store().record("1.2.3")
    assert record is not None
    assert record.voxels_sha256 == "ab"


def test_a_scan_that_was_copied_by_hand_gets_its_record_later(store: Stores, folder: Path, tmp_path: Path) -> None:
    (folder / "scans").mkdir()
    (folder / "scans" / "by hand.mhd").touch()
    assert store().record("by hand") is None
    assert store().thumbnail("by hand") is None
    with pytest.raises(Conflict):
        store().relabel("by hand", "x")
    store().describe(replace(a_record("by hand"), source="folder"), tmp_path)
    assert store().relabel("by hand", "晨").label == "晨"
    record = store().record("by hand")
    assert record is not None
    assert (record.label, record.source) == ("晨", "folder")


def test_what_was_removed_leaves_nothing(store: Stores, folder: Path, tmp_path: Path) -> None:
    store().add(a_new_scan(tmp_path))
    store().add(a_new_scan(tmp_path, "4.5.6", "cd"))
    stay = {name for name in files(folder) if "4.5.6" in name}
    store().remove("1.2.3")
    assert store().ids() == ["4.5.6"]
    assert store().removals() == ["1.2.3"], "until everything else of it is gone, too"
    store().removed("1.2.3")
    assert files(folder) == stay


@pytest.mark.parametrize(
    "scan_id", ["../hospital_a/scans/1.2.3", "1.2.3.mhd", "", ".", "1.2.3\0", "/etc/passwd", "1.2"]
)
def test_an_id_is_never_a_path(store: Stores, tmp_path: Path, scan_id: str) -> None:
    store().add(a_new_scan(tmp_path))
    for deed in (store().path, store().record, store().thumbnail, store().lungs, store().originals, store().remove):
        with pytest.raises(NotFound):
            deed(scan_id)


def test_a_damaged_record_is_as_none(store: Stores, folder: Path, tmp_path: Path) -> None:
    store().add(a_new_scan(tmp_path))
    (folder / "scan_records" / "1.2.3.json").write_text('{"scan_id": "1.2.3"}')
    assert store().record("1.2.3") is None


@pytest.mark.parametrize("lost", ["1.2.3.mhd", "1.2.3.raw"])
def test_a_scan_that_had_not_appeared_is_swept(folder: Path, tmp_path: Path, lost: str) -> None:
    """The process was killed while the scan was moved in."""
    new = a_new_scan(tmp_path)
    (new.folder / lost).unlink()
    with pytest.raises(FileNotFoundError):
        FileScanStore(folder).add(new)
    assert FileScanStore(folder).ids() == []
    FileScanStore(folder).sweep()
    assert files(folder) == set()


def test_sweeping_leaves_scans_and_notes_about_copied_ones(folder: Path, tmp_path: Path) -> None:
    store = FileScanStore(folder)
    store.add(a_new_scan(tmp_path))
    store.describe(replace(a_record("elsewhere now"), source="folder"), tmp_path)
    before = files(folder)
    store.sweep()
    assert files(folder) == before


def test_a_deletion_that_was_cut_off_is_finished(folder: Path, tmp_path: Path) -> None:
    hospital = HospitalStore(folder, Limits())
    hospital.add(a_new_scan(tmp_path))
    hospital.annotate("1.2.3", 0, [], is_read=True, origin="click", author="staff_a")
    hospital.scans.remove("1.2.3")  # and here the process is killed
    HospitalStore(folder, Limits()).repair()
    assert files(folder) == {"annotations.csv", "scans.json"}
    assert HospitalStore(folder, Limits()).readiness.now().scans == {}


def test_a_new_scan_is_not_trained_on_before_it_is_declared_ready(folder: Path, tmp_path: Path) -> None:
    hospital = HospitalStore(folder, Limits())
    hospital.add(a_new_scan(tmp_path))
    hospital.add(a_new_scan(tmp_path, "4.5.6", "cd"))
    with pytest.raises(Conflict):
        hospital.set_ready("1.2.3", True, "staff_a")
    for scan_id in ("1.2.3", "4.5.6"):
        hospital.annotate(scan_id, 0, [], is_read=True, origin="click", author="staff_a")
    hospital.set_ready("1.2.3", True, "staff_a")
    assert [path.stem for path in read_hospital(folder).scans] == ["1.2.3"]
    hospital.annotate("1.2.3", 1, [], is_read=False, origin="click", author="staff_a")
    assert hospital.readiness.now().holds_back("1.2.3"), "it is not read any more, and so not ready"
