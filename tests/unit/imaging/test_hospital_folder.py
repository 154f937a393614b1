"""Which folders are hospitals, and what is read from one."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedlung.errors import BadAnnotations, HospitalData, WrongArgument
from fedlung.imaging.annotations import COLUMNS, UNKNOWN_DIAMETER_MM, Finding, write_findings
from fedlung.imaging.hospital_folder import hospital_folders, read_hospital

HEADING = ",".join(COLUMNS) + "\n"


def _hospital(folder: Path, scans: tuple[str, ...] = ("b.mhd", "a.mhd"), table: str | None = HEADING) -> Path:
    (folder / "scans").mkdir(parents=True)
    for name in scans:
        (folder / "scans" / name).touch()
    if table is not None:
        (folder / "annotations.csv").write_text(table, encoding="utf-8")
    return folder


def test_a_hospital_is_its_scans_in_order_and_its_tables(tmp_path: Path):
    folder = _hospital(tmp_path / "north", ("b.mhd", "b.raw", "a.mha", "notes.txt"))
    nodules = [
        Finding("a", (1.0, 2.0, 3.0), 6.5),
        Finding("b", (4.0, 5.0, 6.0), 7.0),
        Finding("a", (0.0, 0.0, 0.0), 3.0),
    ]
    write_findings(folder / "annotations.csv", nodules)
    excluded = [Finding("b", (7.0, 8.0, 9.0), UNKNOWN_DIAMETER_MM)]
    write_findings(folder / "annotations_excluded.csv", excluded)
    hospital = read_hospital(folder)
    assert hospital.hospital_id == "north"
    assert [path.name for path in hospital.scans] == ["a.mha", "b.mhd"]
    assert hospital.nodules_of("a") == [nodules[0], nodules[2]]
    assert hospital.nodules_of("b") == [nodules[1]]
    assert hospital.excluded_of("b") == excluded
    assert hospital.excluded_of("a") == hospital.nodules_of("c") == []


def test_an_empty_table_says_no_nodules_and_excluded_findings_are_optional(tmp_path: Path):
    hospital = read_hospital(_hospital(tmp_path / "north"))
    assert hospital.nodules == hospital.excluded == ()
    assert len(hospital.scans) == 2


def test_files_that_only_look_like_scans_are_left_out(tmp_path: Path):
    folder = _hospital(tmp_path / "north", ("a.mhd", "._a.mhd", ".hidden.mha"))
    (folder / "scans" / "folder.mhd").mkdir()
    assert [path.name for path in read_hospital(folder).scans] == ["a.mhd"]


@pytest.mark.parametrize(
    ("scans", "table", "part"),
    [
        ((), HEADING, "no .mhd or .mha scan"),
        (("a.mhd",), None, "annotations.csv is missing"),
        (("a.mhd", "a.mha"), HEADING, "a.mha and a.mhd"),
    ],
)
def test_a_hospital_without_data_is_named(tmp_path: Path, scans, table, part):
    with pytest.raises(HospitalData, match=f"north.*{part}"):
        read_hospital(_hospital(tmp_path / "north", scans, table))


def test_a_table_that_cannot_be_read_is_named(tmp_path: Path):
    folder = _hospital(tmp_path / "north", table=HEADING + "a,1,2,x,5\n")
    with pytest.raises(BadAnnotations, match="line 2: coordZ"):
        read_hospital(folder)
    (folder / "annotations.csv").write_text(HEADING, encoding="utf-8")
    (folder / "annotations_excluded.csv").write_text("seriesuid\n", encoding="utf-8")
    with pytest.raises(BadAnnotations, match=r"annotations_excluded\.csv"):
        read_hospital(folder)


def test_a_missing_folder_is_a_wrong_argument(tmp_path: Path):
    with pytest.raises(WrongArgument, match="is not a folder"):
        read_hospital(tmp_path / "nowhere")
    with pytest.raises(WrongArgument, match="is not a folder"):
        hospital_folders(tmp_path / "nowhere")


def test_every_sub_folder_with_scans_is_a_hospital(tmp_path: Path):
    north, south = _hospital(tmp_path / "north"), _hospital(tmp_path / "south")
    # What the program itself keeps beside hospitals, and what a person may leave there.
    (tmp_path / "runs" / "0001").mkdir(parents=True)
    (tmp_path / "cache").mkdir()
    (tmp_path / ".phantom-x" / "scans").mkdir(parents=True)
    (tmp_path / "README.md").touch()
    assert hospital_folders(tmp_path) == [north, south]
    assert hospital_folders(north) == [north]


def test_a_hospital_whose_scans_are_missing_is_not_passed_over(tmp_path: Path):
    _hospital(tmp_path / "north")
    (tmp_path / "south").mkdir()
    (tmp_path / "south" / "annotations.csv").write_text(HEADING, encoding="utf-8")
    assert [folder.name for folder in hospital_folders(tmp_path)] == ["north", "south"]
    with pytest.raises(HospitalData, match="south"):
        read_hospital(tmp_path / "south")


def test_a_folder_without_hospitals_is_a_wrong_argument(tmp_path: Path):
    (tmp_path / "runs").mkdir()
    with pytest.raises(WrongArgument, match="holds no hospital"):
        hospital_folders(tmp_path)
