"""Reading result tables and scan lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedlung.errors import BadAnnotations
from fedlung.evaluation.marks import Mark, read_marks, read_series_uids

HEADER = "seriesuid,coordX,coordY,coordZ,probability\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_bytes(text.encode())
    return path


def test_marks_in_file_order_with_columns_by_name(tmp_path: Path) -> None:
    table = "probability,seriesuid,coordZ,coordX,coordY,diameter_mm\n0.5,056,3,1,-2,7\n1e-3, b ,-.5,0,0,not read\n"
    assert read_marks(written(tmp_path, table)) == [
        Mark("056", (1.0, -2.0, 3.0), 0.5),
        Mark("b", (0.0, 0.0, -0.5), 0.001),
    ]


def test_table_without_rows_is_a_detector_that_found_nothing(tmp_path: Path) -> None:
    assert read_marks(written(tmp_path, HEADER)) == []


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_byte_order_mark_and_line_ends_do_not_matter(tmp_path: Path, newline: str) -> None:
    table = ("\ufeff" + HEADER + "a,1,2,3,0.5\n").replace("\n", newline)
    assert read_marks(written(tmp_path, table)) == [Mark("a", (1.0, 2.0, 3.0), 0.5)]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("seriesuid,coordX,coordY,coordZ\na,1,2,3\n", "column probability is missing"),
        ("", "column seriesuid is missing"),
        (HEADER + "a,1,2,3,0.5\n,1,2,3,0.5\n", "line 3: seriesuid is empty"),
        (HEADER + "a,1,2,3,0.5\na,1,two,3,0.5\n", "line 3: coordY must be a finite number, got 'two'"),
        (HEADER + "a,1,2,3,nan\n", "line 2: probability must be a finite number, got 'nan'"),
        (HEADER + "a,inf,2,3,0.5\n", "line 2: coordX must be a finite number, got 'inf'"),
        (HEADER + "a,1,2,3\n", "line 2: probability must be a finite number, got ''"),
        (HEADER + 'a,1,2,3,"0.5\n', "not a readable CSV table"),
    ],
)
def test_bad_table_is_refused_with_its_place(tmp_path: Path, table: str, message: str) -> None:
    path = written(tmp_path, table)
    with pytest.raises(BadAnnotations) as refusal:
        read_marks(path)
    assert message in str(refusal.value)
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize("read", [read_marks, read_series_uids])
def test_missing_folder_and_binary_file_are_refused(tmp_path: Path, read: object) -> None:
    assert callable(read)
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00\x80")
    for path, message in [(tmp_path / "absent.csv", "does not exist"), (binary, "not a readable CSV table")]:
        with pytest.raises(BadAnnotations, match=message):
            read(path)
    with pytest.raises(BadAnnotations, match="not a readable CSV table"):
        read(tmp_path)


@pytest.mark.parametrize("text", ["1.2.3\n056\n", "seriesuid\r\n1.2.3\r\n056", "\ufeff1.2.3,subset0\n\n 056 ,\n\n"])
def test_scan_list_with_and_without_header(tmp_path: Path, text: str) -> None:
    assert read_series_uids(written(tmp_path, text)) == ["1.2.3", "056"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\nb\na\n", "line 3: a is already listed on line 1"),
        ("seriesuid\n", "lists no scan"),
        ("", "lists no scan"),
    ],
)
def test_bad_scan_list_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadAnnotations, match=message):
        read_series_uids(written(tmp_path, text))
