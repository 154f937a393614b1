"""The contract of `fedlung.stores.annotations.AnnotationStore`, on a store that stays open and on one opened anew.

What both promise is on disk.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from fedlung.errors import Conflict, UnreadableStore
from fedlung.imaging.annotations import COLUMNS, read_findings
from fedlung.stores.annotation_versions import Change, ScanFinding
from fedlung.stores.annotations import AnnotationStore, FileAnnotationStore
from tests.at_once import run_together

Stores = Callable[[], AnnotationStore]
HEADER = ",".join(COLUMNS) + "\n"


@pytest.fixture(params=["stays_open", "opened_anew"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Stores:
    if request.param == "opened_anew":
        return lambda: FileAnnotationStore(tmp_path)
    kept = FileAnnotationStore(tmp_path)
    return lambda: kept


def a_finding(x: float = 1.5, kind: str = "nodule", diameter_mm: float = 6.25) -> ScanFinding:
    return ScanFinding(uuid4().hex, kind, (x, -2.0, 3.0), diameter_mm, "click")  # type: ignore[arg-type]


def rows(folder: Path, name: str = "annotations.csv") -> list[tuple[str, float, float]]:
    found = read_findings(folder / name, excluded=name != "annotations.csv")
    return [(row.series_uid, row.center_xyz_mm[0], row.diameter_mm) for row in found]


def test_nothing_is_known_of_a_scan_that_nobody_has_read(store: Stores) -> None:
    newest = store().newest("scan")
    assert (newest.version, newest.is_read, newest.findings, newest.is_complete) == (0, False, (), False)
    assert store().history("scan") == []


def test_what_was_saved_is_read_and_stands_in_the_tables(store: Stores, tmp_path: Path) -> None:
    nodule, ignored = a_finding(1), a_finding(2, "ignore", -1.0)
    saved = store().save("scan", 0, [nodule, ignored], is_read=True, origin="click", author="staff_a")
    assert store().newest("scan") == saved
    assert (saved.version, saved.author, saved.nodules, saved.is_read) == (1, "staff_a", 1, True)
    assert [found.author for found in saved.findings] == ["staff_a", "staff_a"]
    assert rows(tmp_path) == [("scan", 1, nodule.diameter_mm)]
    assert rows(tmp_path, "annotations_excluded.csv") == [("scan", 2, -1.0)]


def test_a_scan_without_nodules_can_be_declared_read(store: Stores, tmp_path: Path) -> None:
    saved = store().save("scan", 0, [], is_read=True, origin="click", author="staff_a")
    assert saved.is_complete
    assert (tmp_path / "annotations.csv").read_text() == HEADER


def test_earlier_versions_stay_and_say_who(store: Stores) -> None:
    first = store().save("scan", 0, [a_finding(1), a_finding(2)], is_read=False, origin="click", author="staff_a")
    kept, _ = first.findings
    second = store().save("scan", 1, [kept, a_finding(3)], is_read=True, origin="csv", author="other")
    assert [found.author for found in second.findings] == ["staff_a", "other"]
    assert store().history("scan") == [second, first]


def test_of_two_who_read_the_same_version_one_gets_a_conflict(store: Stores, tmp_path: Path) -> None:
    store().save("scan", 0, [], is_read=True, origin="click", author="staff_a")
    store().save("scan", 1, [a_finding()], is_read=True, origin="click", author="staff_a")
    before = (tmp_path / "annotations.csv").read_bytes()
    with pytest.raises(Conflict, match="version 1 was read, and there is version 2 by staff_a"):
        store().save("scan", 1, [], is_read=True, origin="click", author="other")
    assert (tmp_path / "annotations.csv").read_bytes() == before


def test_of_eight_who_save_at_once_one_wins(store: Stores) -> None:
    outcomes = []

    def save(number: int) -> None:
        try:
            store().save("scan", 0, [a_finding(number)], is_read=True, origin="click", author=f"person {number}")
            outcomes.append("saved")
        except Conflict:
            outcomes.append("conflict")

    run_together(save, 8)
    assert sorted(outcomes) == ["conflict"] * 7 + ["saved"]
    assert len(store().history("scan")) == 1


def test_rows_of_a_table_are_the_first_version(store: Stores, tmp_path: Path) -> None:
    (tmp_path / "annotations.csv").write_text(f"{HEADER}scan,1.0,2,3,6\nother,0.10,0,0,4.000\n")
    (tmp_path / "annotations_excluded.csv").write_text(f"{HEADER}scan,7,8,9,-1\n")
    newest = store().newest("scan")
    assert (newest.version, newest.origin, newest.is_read, newest.nodules) == (1, "table", True, 1)
    assert {found.center_xyz_mm: (found.kind, found.diameter_mm) for found in newest.findings} == {
        (1.0, 2.0, 3.0): ("nodule", 6.0),
        (7.0, 8.0, 9.0): ("ignore", -1.0),
    }
    assert store().newest("scan") == newest, "their ids stay the same"
    saved = store().save("scan", 1, [*newest.findings, a_finding(5)], is_read=True, origin="click", author="staff_a")
    assert [version.origin for version in store().history("scan")] == ["click", "table"]
    assert [found.author for found in saved.findings] == ["", "", "staff_a"]
    assert "other,0.10,0,0,4.000\n" in (tmp_path / "annotations.csv").read_text(), "letter by letter"
    assert sorted(rows(tmp_path)) == [("other", 0.1, 4), ("scan", 1, 6), ("scan", 5, 6.25)]


def test_columns_that_we_do_not_know_stay(store: Stores, tmp_path: Path) -> None:
    (tmp_path / "annotations.csv").write_text(f"{HEADER.strip()},reader\nother,0,0,0,4,Dr. Li\n")
    store().save("scan", 0, [a_finding()], is_read=True, origin="click", author="staff_a")
    assert "other,0,0,0,4,Dr. Li\n" in (tmp_path / "annotations.csv").read_text()


def test_several_scans_at_once_or_none(store: Stores, tmp_path: Path) -> None:
    store().save("b", 0, [a_finding()], is_read=True, origin="click", author="staff_a")
    changes = {name: Change(0, (a_finding(9),), True) for name in ("a", "b")}
    with pytest.raises(Conflict):
        store().save_all(changes, "csv", "staff_a")
    assert store().newest("a").version == 0
    saved = store().save_all({"a": changes["a"], "b": Change(1, (), False)}, "csv", "staff_a")
    assert {name: version.version for name, version in saved.items()} == {"a": 1, "b": 2}
    assert rows(tmp_path) == [("a", 9, 6.25)]


def test_a_scan_is_forgotten_with_its_rows(store: Stores, tmp_path: Path) -> None:
    (tmp_path / "annotations.csv").write_text(f"{HEADER}gone,1,2,3,6\nstays,1,2,3,6\n")
    store().save("gone too", 0, [a_finding()], is_read=True, origin="click", author="staff_a")
    for name in ("gone", "gone too", "never there"):
        store().forget(name)
    assert rows(tmp_path) == [("stays", 1, 6)]
    assert store().history("gone too") == []
    assert store().newest("gone").version == 0


def test_a_table_that_cannot_be_read_is_never_written_over(store: Stores, tmp_path: Path) -> None:
    damaged = f"{HEADER}scan,1,2,3,thick\n"
    (tmp_path / "annotations.csv").write_text(damaged)
    with pytest.raises(UnreadableStore, match="diameter_mm"):
        store().save("other", 0, [a_finding()], is_read=True, origin="click", author="staff_a")
    assert (tmp_path / "annotations.csv").read_text() == damaged
    assert not list(tmp_path.glob("annotations/*/*.json"))


def test_a_damaged_version_is_told_and_kept(tmp_path: Path) -> None:
    FileAnnotationStore(tmp_path).save("scan", 0, [a_finding()], is_read=True, origin="click", author="staff_a")
    file = tmp_path / "annotations" / "scan" / "000001.json"
    file.write_text("{")
    with pytest.raises(UnreadableStore, match=r"annotations/scan/000001\.json"):
        FileAnnotationStore(tmp_path).newest("scan")
    assert file.read_text() == "{"


def test_tables_catch_up_with_versions(tmp_path: Path) -> None:
    """The process was killed after it had written the version."""
    FileAnnotationStore(tmp_path).save("scan", 0, [a_finding(4)], is_read=True, origin="click", author="staff_a")
    (tmp_path / "annotations.csv").write_text(HEADER)
    (tmp_path / "annotations" / "scan" / ".00.partial").touch()
    FileAnnotationStore(tmp_path).repair()
    assert rows(tmp_path) == [("scan", 4, 6.25)]
    assert [path.name for path in (tmp_path / "annotations" / "scan").iterdir()] == ["000001.json"]
