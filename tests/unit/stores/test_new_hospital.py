"""A hospital that is added: which names it may have, that it is whole or not there, and that one of two makes it."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from fedlung.errors import Conflict, FedLungError, InvalidInput, NoSpace
from fedlung.stores import new_hospital
from fedlung.stores.hospital_store import HospitalStore
from fedlung.stores.hospitals import HospitalFolders
from fedlung.stores.new_hospital import UNFINISHED, may_name_a_hospital
from fedlung.stores.room import Limits
from tests.at_once import run_together

HOSTILE = [
    "",
    " ",
    ".",
    "..",
    "../x",
    "a/b",
    "a\\b",
    "/etc",
    "C:",
    "a.b",
    ".hidden",
    "-x",
    "_x",
    "a b",
    "a\n",
    "a\0",
    "医院",
    "\uff48ospital",  # fullwidth
    "h\u043espital",  # Cyrillic
    "x" * 65,
    "CON",
    "nul",
    "Com1",
    "lpt9",
    "runs",
    "Cache",
    "INSTANCE",
    "models",
    "scans",  # a data folder with "scans" is one hospital, and all others would be gone
    "cubes",
]


@pytest.mark.parametrize("hospital_id", HOSTILE)
def test_what_cannot_name_a_hospital(tmp_path: Path, hospital_id: str) -> None:
    with pytest.raises(InvalidInput):
        HospitalFolders(tmp_path).add(hospital_id, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("hospital_id", ["a", "7", "hospital_north", "St-Marys", "console", "com10", "x" * 64])
def test_what_can(hospital_id: str) -> None:
    assert may_name_a_hospital(hospital_id)


def test_it_is_there_at_once_and_empty(tmp_path: Path) -> None:
    folders = HospitalFolders(tmp_path)
    folders.add("north", {"zh": "北方医院"})
    assert folders.ids() == ["north"]
    assert (folders.name("north", "zh"), folders.name("north", "en")) == ("北方医院", "north")
    summary = folders.summary("north")
    assert (summary.scans, summary.is_readable, summary.is_ready) == (0, True, True)
    assert "no .mhd or .mha scan" in summary.problem
    assert folders.without_scans() == ["north"]
    assert [path.name for path in tmp_path.iterdir()] == ["north"]
    assert (tmp_path / "north").stat().st_mode == tmp_path.joinpath("north", "scans").stat().st_mode
    store = HospitalStore(folders.folder("north"), Limits(1 << 30, 0))
    assert (store.scans.ids(), store.annotations.to_csv()) == ([], (tmp_path / "north" / "annotations.csv").read_text())


def test_who_has_brought_something(tmp_path: Path) -> None:
    folders = HospitalFolders(tmp_path)
    for name, file in (("a", "scans/1.mhd"), ("b", "cubes/1.mha"), ("c", "scans/._1.mhd"), ("d", "scans/1.part")):
        folders.add(name, {})
        (tmp_path / name / file).parent.mkdir(exist_ok=True)
        (tmp_path / name / file).touch()
    assert folders.without_scans() == ["c", "d"]


def test_names_are_written_where_they_are_given(tmp_path: Path) -> None:
    folders = HospitalFolders(tmp_path)
    folders.add("hospital_n", {})
    assert not (tmp_path / "hospital_n" / "hospital.json").exists()
    folders.add("m", {"en": "Ruijin", "zh": "瑞金医院"})
    assert json.loads((tmp_path / "m" / "hospital.json").read_bytes()) == {"name": {"en": "Ruijin", "zh": "瑞金医院"}}


@pytest.mark.parametrize("taken", ["hospital_a", "HOSPITAL_A", "Hospital_a"])
@pytest.mark.parametrize("is_file", [True, False])
def test_what_is_there_is_never_touched(tmp_path: Path, taken: str, is_file: bool) -> None:
    there = tmp_path / "hospital_a"
    if is_file:
        there.write_text("mine")
    else:
        there.mkdir()
    with pytest.raises(Conflict):
        HospitalFolders(tmp_path).add(taken, {})
    assert list(tmp_path.iterdir()) == [there]
    assert there.read_text() == "mine" if is_file else list(there.iterdir()) == []


def test_a_folder_that_is_itself_a_hospital_gets_none_in_it(tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    with pytest.raises(Conflict):
        HospitalFolders(tmp_path).add("north", {})
    assert [path.name for path in tmp_path.iterdir()] == ["scans"]


def test_of_many_at_the_same_moment_one_makes_it(tmp_path: Path) -> None:
    outcomes: list[str] = []

    def add(number: int) -> None:
        try:
            HospitalFolders(tmp_path).add("North" if number % 2 else "north", {"en": f"Name {number}"})
            outcomes.append(f"Name {number}")
        except Conflict:
            outcomes.append("")

    run_together(add, 8)
    (winner,) = filter(None, outcomes)
    (hospital_id,) = HospitalFolders(tmp_path).ids()
    assert len(outcomes) == 8
    assert HospitalFolders(tmp_path).name(hospital_id, "en") == winner
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("number", "expected"),
    [(errno.ENOSPC, NoSpace), (errno.EDQUOT, NoSpace), (errno.ENOTEMPTY, Conflict), (errno.EACCES, PermissionError)],
)
def test_a_failure_on_the_way_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, expected: type[FedLungError | OSError]
) -> None:
    def fail(folder: Path, target: Path) -> None:
        raise OSError(number, "on purpose")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", fail)
        with pytest.raises(expected):
            HospitalFolders(tmp_path).add("north", {})
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_no_hospital_and_is_cleared_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(new_hospital, "sync_folder", _killed)
        with pytest.raises(KeyboardInterrupt):
            HospitalFolders(tmp_path).add("north", {})
    assert [path.name[: len(UNFINISHED)] for path in tmp_path.iterdir()] == [UNFINISHED]
    folders = HospitalFolders(tmp_path)
    assert folders.ids() == []
    folders.add("north", {})
    assert [path.name for path in tmp_path.iterdir()] == ["north"]


def _killed(folder: Path) -> None:
    raise KeyboardInterrupt
