"""Annotation tables: what is read, what is refused with its line and column, what is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedlung.errors import BadAnnotations
from fedlung.imaging.annotations import COLUMNS, UNKNOWN_DIAMETER_MM, Finding, read_findings, write_findings

HEADER = ",".join(COLUMNS)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "annotations.csv"


def test_rows_become_findings_in_order(table: Path) -> None:
    table.write_text(f"{HEADER}\n1.3.6.1,-128.6994,-175.3192,-298.3875,5.651\n056,0,1e1,-.5,12\n")
    assert read_findings(table) == [
        Finding("1.3.6.1", (-128.6994, -175.3192, -298.3875), 5.651),
        Finding("056", (0, 10, -0.5), 12),  # text: 056 is not 56
    ]


def test_columns_are_found_by_name(table: Path) -> None:
    table.write_text("diameter_mm,seriesuid,remark,coordZ,coordY,coordX\n4,u,seen,3,2,1\n")
    assert read_findings(table) == [Finding("u", (1, 2, 3), 4)]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + f"{HEADER}\nu,1,2,3,4\n".encode(),
        f"{HEADER}\r\nu,1,2,3,4\r\n".encode(),
        f"{HEADER}\n\nu,1,2,3,4".encode(),
        f'{HEADER}\n"u"," 1","2","3","4"\n'.encode(),
    ],
    ids=["bom", "crlf", "empty line, no last newline", "quotes"],
)
def test_spellings_of_spreadsheet_programs(table: Path, content: bytes) -> None:
    table.write_bytes(content)
    assert read_findings(table) == [Finding("u", (1, 2, 3), 4)]


def test_a_table_without_rows_has_no_findings(table: Path) -> None:
    table.write_text(f"{HEADER}\n")
    assert read_findings(table) == []


@pytest.mark.parametrize("excluded", [False, True])
def test_only_an_excluded_finding_may_have_an_unknown_diameter(table: Path, excluded: bool) -> None:
    table.write_text(f"{HEADER}\nu,1,2,3,-1\n")
    if excluded:
        assert read_findings(table, excluded=True) == [Finding("u", (1, 2, 3), UNKNOWN_DIAMETER_MM)]
    else:
        with pytest.raises(BadAnnotations, match="line 2: diameter_mm must be positive, got -1"):
            read_findings(table)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("u,x,2,3,4", "line 3: coordX must be a number, got 'x'"),
        ("u,1,,3,4", "line 3: coordY must be a number, got ''"),
        ("u,1,2", "line 3: coordZ must be a number, got None"),
        ("u,1,2,nan,4", "line 3: coordZ must be finite, got nan"),
        ("u,1,2,3,inf", "line 3: diameter_mm must be finite, got inf"),
        ("u,1,2,3,0", "line 3: diameter_mm must be positive, got 0"),
        ("u,1,2,3,-2", "line 3: diameter_mm must be positive, got -2"),
        (" ,1,2,3,4", "line 3: seriesuid is empty"),
        ('"u,1,2,3,4', "not a readable CSV table"),
    ],
)
@pytest.mark.parametrize("excluded", [False, True])
def test_a_wrong_cell_is_named(table: Path, row: str, message: str, excluded: bool) -> None:
    table.write_text(f"{HEADER}\nu,1,2,3,4\n{row}\n")
    with pytest.raises(BadAnnotations, match=message) as refusal:
        read_findings(table, excluded=excluded)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("missing", COLUMNS)
def test_a_missing_column_is_named(table: Path, missing: str) -> None:
    table.write_text(",".join(name for name in COLUMNS if name != missing) + "\n")
    with pytest.raises(BadAnnotations, match=f"column {missing} is missing"):
        read_findings(table)


def test_an_empty_file_a_binary_file_and_no_file(table: Path) -> None:
    with pytest.raises(BadAnnotations, match="does not exist"):
        read_findings(table)
    table.write_bytes(b"")
    with pytest.raises(BadAnnotations, match="column seriesuid is missing"):
        read_findings(table)
    table.write_bytes(b"\x89PNG\r\n\xff\xfe")
    with pytest.raises(BadAnnotations, match="not a readable CSV table"):
        read_findings(table)
    with pytest.raises(BadAnnotations, match="not a readable CSV table"):
        read_findings(table.parent)


def test_what_is_written_reads_back(table: Path) -> None:
    findings = [
        Finding("1.3.6.1", (-128.699421965, 1 / 3, -298.0), 5.651470635),
        Finding("056", (1e-9, -1234.5, 100.0), UNKNOWN_DIAMETER_MM),
    ]
    write_findings(table, findings)
    again = read_findings(table, excluded=True)
    assert [item.series_uid for item in again] == ["1.3.6.1", "056"]
    for item, expected in zip(again, findings, strict=True):
        assert item.center_xyz_mm == pytest.approx(expected.center_xyz_mm, abs=5e-10)
        assert item.diameter_mm == pytest.approx(expected.diameter_mm, abs=5e-10)


def test_written_numbers_are_plain_and_short(table: Path) -> None:
    write_findings(table, [Finding("u", (100.0, -0.5, 1e-7), 10.0)])
    assert table.read_text() == f"{HEADER}\nu,100,-0.5,0.0000001,10\n"


def test_the_real_luna16_tables_are_read_whole(real_ct: Path) -> None:
    for name, excluded in (("annotations.csv", False), ("annotations_excluded.csv", True)):
        path = real_ct / "luna16_csv" / name
        findings = read_findings(path, excluded=excluded)
        assert len(findings) == len(path.read_text().splitlines()) - 1
        assert all(item.series_uid.startswith("1.3.6.1.4.1.14519.") for item in findings)
