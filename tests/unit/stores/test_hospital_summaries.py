"""Hospitals in numbers: what is counted, what they are called, and what is wrong with their folders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedlung.errors import NotFound
from fedlung.stores.hospitals import SIZE_EDGES_MM, HospitalFolders

HEADER = "seriesuid,coordX,coordY,coordZ,diameter_mm\n"


def make(data: Path, name: str, scans: list[str], diameters_mm: list[tuple[str, float]]) -> Path:
    folder = data / name
    (folder / "scans").mkdir(parents=True)
    for uid in scans:
        (folder / "scans" / f"{uid}.mhd").touch()
    rows = [f"{uid},0,0,0,{diameter}\n" for uid, diameter in diameters_mm]
    (folder / "annotations.csv").write_text(HEADER + "".join(rows))
    return folder


def test_no_data_no_hospitals(tmp_path: Path) -> None:
    assert HospitalFolders(tmp_path / "nothing").ids() == []
    (tmp_path / "runs").mkdir()
    assert HospitalFolders(tmp_path).ids() == []


def test_counts_and_sizes(tmp_path: Path) -> None:
    sizes = [("1", 3.0), ("1", 4.0), ("2", 5.9), ("2", 30.0), ("2", 50.0), ("stranger", 6.0)]
    folder = make(tmp_path, "hospital_a", ["1", "2", "3"], sizes)
    (folder / "cubes").mkdir()
    (folder / "cubes" / "4.mhd").touch()
    (folder / "cubes" / "4.mask.mhd").touch()
    found = HospitalFolders(tmp_path).summary("hospital_a")
    assert (found.scans, found.nodules, found.annotated_scans) == (4, 5, 2)
    assert dict(zip(SIZE_EDGES_MM[:-1], found.size_counts, strict=True)) == {
        **dict.fromkeys(SIZE_EDGES_MM[:-1], 0),
        0: 1,
        4: 2,
        20: 2,  # 30 mm and more belong to the last bin
    }
    assert (found.is_readable, found.problem) == (True, "")


def test_a_change_is_seen(tmp_path: Path) -> None:
    folder = make(tmp_path, "hospital_a", ["1"], [])
    folders = HospitalFolders(tmp_path)
    assert folders.summary("hospital_a").scans == 1
    (folder / "scans" / "2.mhd").touch()
    assert folders.summary("hospital_a").scans == 2
    (folder / "annotations.csv").write_text(HEADER + "1,0,0,0,5\n")
    assert folders.summary("hospital_a").nodules == 1


def test_what_is_wrong_is_said_and_the_others_stay(tmp_path: Path) -> None:
    make(tmp_path, "hospital_a", [], [])
    make(tmp_path, "hospital_b", ["1"], [("1", -3.0)])
    make(tmp_path, "hospital_c", ["1"], [("1", 3.0)])
    folders = HospitalFolders(tmp_path)
    problems = {name: folders.summary(name).problem for name in folders.ids()}
    assert "no .mhd or .mha scan" in problems["hospital_a"]
    assert "diameter_mm must be positive" in problems["hospital_b"]
    assert problems["hospital_c"] == ""


@pytest.mark.parametrize(
    ("folder", "written", "english", "chinese"),
    [
        ("hospital_a", None, "Hospital A", "医院 A"),
        ("hospital_north", None, "Hospital North", "医院 North"),
        ("st_marys", None, "st marys", "st marys"),
        ("hospital_a", {"name": {"en": "Ruijin", "zh": "瑞金医院"}}, "Ruijin", "瑞金医院"),
        ("hospital_a", {"name": {"en": "Ruijin"}}, "Ruijin", "医院 A"),
        ("hospital_a", {"name": "Ruijin"}, "Hospital A", "医院 A"),
        ("hospital_a", [], "Hospital A", "医院 A"),
    ],
)
def test_names(tmp_path: Path, folder: str, written: object, english: str, chinese: str) -> None:
    path = make(tmp_path, folder, ["1"], [])
    if written is not None:
        (path / "hospital.json").write_text(json.dumps(written))
    folders = HospitalFolders(tmp_path)
    assert (folders.name(folder, "en"), folders.name(folder, "zh")) == (english, chinese)
    assert folders.summary(folder).names == {"en": english, "zh": chinese}


def test_a_hospital_that_has_left_keeps_a_name(tmp_path: Path) -> None:
    assert HospitalFolders(tmp_path).name("hospital_x", "zh") == "医院 X"


@pytest.mark.parametrize("hospital_id", ["../hospital_a", "hospital_a/", "", ".", "..", "HOSPITAL_A", "hospital_a\0"])
def test_an_id_is_never_a_path(tmp_path: Path, hospital_id: str) -> None:
    make(tmp_path / "data", "hospital_a", ["1"], [])
    with pytest.raises(NotFound):
        HospitalFolders(tmp_path / "data").summary(hospital_id)
