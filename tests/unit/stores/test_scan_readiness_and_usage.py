"""What a hospital declares about its scans and who obeys it; and the rounds in which a scan was used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedlung.errors import HospitalData, UnreadableStore
from fedlung.imaging.hospital_folder import read_hospital
from fedlung.imaging.readiness import READINESS_FILE, Readiness, read_readiness
from fedlung.stores.hospitals import HospitalFolders
from fedlung.stores.scan_readiness import ScanReadiness
from fedlung.stores.scan_usage import ScanUsage, in_ranges

HEADER = "seriesuid,coordX,coordY,coordZ,diameter_mm\n"


@pytest.fixture
def hospital(tmp_path: Path) -> Path:
    """Three scans with a nodule each, and one of each to be ignored."""
    folder = tmp_path / "hospital_a"
    (folder / "scans").mkdir(parents=True)
    for uid in "123":
        (folder / "scans" / f"{uid}.mhd").touch()
    for name in ("annotations.csv", "annotations_excluded.csv"):
        (folder / name).write_text(HEADER + "".join(f"{uid},0,0,0,5\n" for uid in "123"))
    return folder


def test_without_a_file_everything_is_ready(hospital: Path) -> None:
    assert read_readiness(hospital) == Readiness(is_ready=True, scans={})
    assert len(read_hospital(hospital).scans) == 3


def test_what_is_not_ready_is_left_out_with_its_rows(hospital: Path) -> None:
    readiness = ScanReadiness(hospital)
    readiness.set_scans(["1", "2"], False, "staff_a")
    readiness.set_scans(["2"], True, "staff_a")
    found = read_hospital(hospital)
    assert [path.stem for path in found.scans] == ["2", "3"]
    assert [finding.series_uid for finding in (*found.nodules, *found.excluded)] == ["2", "3", "2", "3"]
    summary = HospitalFolders(hospital.parent).summary("hospital_a")
    assert (summary.scans, summary.scans_not_ready, summary.nodules, summary.problem) == (2, 1, 2, "")


def test_none_ready(hospital: Path) -> None:
    ScanReadiness(hospital).set_scans("123", False, "staff_a")
    with pytest.raises(HospitalData, match="none of its 3 scans is declared ready"):
        read_hospital(hospital)
    summary = HospitalFolders(hospital.parent).summary("hospital_a")
    assert (summary.scans, summary.scans_not_ready, bool(summary.problem), summary.is_ready) == (0, 3, True, True)


def test_a_hospital_that_is_not_ready_gives_nothing(hospital: Path) -> None:
    readiness, folders = ScanReadiness(hospital), HospitalFolders(hospital.parent)
    assert folders.summary("hospital_a").is_ready
    readiness.set_hospital(is_ready=False)
    with pytest.raises(HospitalData, match="has declared that its data is not ready"):
        read_hospital(hospital)
    summary = folders.summary("hospital_a")
    assert (summary.is_ready, summary.scans, summary.problem) == (False, 3, "")
    readiness.set_hospital(is_ready=True)
    assert len(read_hospital(hospital).scans) == 3


def test_switches_leave_each_other(hospital: Path) -> None:
    readiness = ScanReadiness(hospital)
    readiness.set_scans(["1"], False, "staff_a")
    readiness.set_hospital(keep_original_dicom=True)
    now = ScanReadiness(hospital).now()
    assert (now.is_ready, now.keep_original_dicom, now.holds_back("1"), now.scans["1"].by) == (
        True,
        True,
        True,
        "staff_a",
    )
    readiness.forget("1")
    assert ScanReadiness(hospital).now().scans == {}


DAMAGED = {
    "empty": "",
    "no object": "[]",
    "later format": json.dumps({"format": 2, "is_ready": True, "scans": {}}),
    "no flag": json.dumps({"format": 1, "is_ready": "no", "scans": {}}),
    "no entry": json.dumps({"format": 1, "is_ready": True, "scans": {"1": False}}),
    "no flag of a scan": json.dumps({"format": 1, "is_ready": True, "scans": {"1": {"is_ready": None}}}),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_file_is_not_taken_for_a_missing_one(hospital: Path, content: str) -> None:
    (hospital / READINESS_FILE).write_text(content)
    with pytest.raises(HospitalData, match=r"scans\.json cannot be read"):
        read_hospital(hospital)
    with pytest.raises(UnreadableStore):
        ScanReadiness(hospital).set_hospital(is_ready=True)
    assert (hospital / READINESS_FILE).read_text() == content
    assert "cannot be read" in HospitalFolders(hospital.parent).summary("hospital_a").problem


@pytest.mark.parametrize(
    ("rounds", "text"), [([], ""), ([3], "3"), ([3, 4, 5], "3-5"), ([5, 3, 4, 9, 9, 1], "1, 3-5, 9"), ([1, 2], "1-2")]
)
def test_rounds_in_ranges(rounds: list[int], text: str) -> None:
    assert in_ranges(rounds) == text


def test_used_rounds_are_told_by_scan_and_run(tmp_path: Path) -> None:
    usage = ScanUsage(tmp_path)
    assert usage.of("1") == []
    for round_ in (1, 2, 3):
        usage.append("first", round_, ["1", "2"] if round_ > 1 else ["1"])
    usage.append("second", 7, ["2"])
    usage.append("first", 3, ["1", "2"])  # the run was resumed
    for each in (usage, ScanUsage(tmp_path)):
        assert each.of("1") == [{"run_id": "first", "rounds": "1-3"}]
        assert each.of("2") == [{"run_id": "first", "rounds": "2-3"}, {"run_id": "second", "rounds": "7"}]


def test_a_torn_line_is_cut(tmp_path: Path) -> None:
    ScanUsage(tmp_path).append("first", 1, ["1"])
    with (tmp_path / "used.jsonl").open("a") as file:
        file.write('{"run_id": "fir')
    usage = ScanUsage(tmp_path)
    usage.append("first", 2, ["1"])
    assert usage.of("1") == [{"run_id": "first", "rounds": "1-2"}]
