"""The report on paper: its text as a PDF reader finds it, in Latin letters and in Chinese, with hostile comments."""

from __future__ import annotations

import re
import zlib
from base64 import a85decode
from dataclasses import replace
from pathlib import Path

import pytest

from fedlung.reports.marked_scan import MarkedScan
from fedlung.reports.nodule_pictures import picture_of
from fedlung.reports.pdf_text import plain
from fedlung.reports.prediction_pdf import COLUMNS, PdfWords, to_pdf
from tests.fake_reader import chest
from tests.marked_chest import judged, reading, scan_of

NOTICE = "Research use, not for diagnosis."
WORDS = PdfWords(
    language="en",
    title="Marks of one scan",
    notice=NOTICE,
    facts=[("Scan", "病人 07"), ("Model", "one")],
    warnings_title="Quality",
    warnings=["Thick slices"],
    marks_title="Marks",
    summary="2 marks are reported",
    columns=COLUMNS,
    rows=[["1", "accepted", *["-"] * 7, "<b>&amp; 边界清楚\x00\u202e"], ["2", *["-"] * 9]],
    pictures_title="Pictures",
    captions=["the first", "the second"],
    no_pictures="There are no pictures",
    notes_title="Notes",
    notes=["Diameters are of balls"],
    page="Page %(page)s",
)


@pytest.fixture
def scan(tmp_path: Path) -> MarkedScan:
    content, _ = reading()
    return scan_of(content, judged(content, tmp_path))


def latin_text(pdf: bytes) -> str:
    """What is shown in Latin letters, page after page."""
    found = []
    for stream in re.findall(rb"/ASCII85Decode /FlateDecode.*?stream\r?\n(.*?)endstream", pdf, flags=re.DOTALL):
        content = zlib.decompress(a85decode(stream.strip().removesuffix(b"~>")))
        found += [part.decode("latin-1") for part in re.findall(rb"\((.*?)(?<!\\)\) Tj", content, flags=re.DOTALL)]
    return " ".join(found)


def test_everything_stands_in_it_and_the_notice_on_every_page(scan: MarkedScan) -> None:
    pictures = {item.number: picture_of(chest(), item.mark.center_xyz_mm, 8.0) for item in scan.reported}
    pdf = to_pdf(scan, WORDS, pictures)
    assert pdf.startswith(b"%PDF-")
    text = latin_text(pdf)
    pages = pdf.count(b"/Type /Page\n") or len(re.findall(rb"/Type /Page\b(?!s)", pdf))
    assert text.count(NOTICE) == 2 * pages >= 2
    for words in ("Marks of one scan", "Thick slices", "reported", "the first", "the second", "Diameters", "Page 1"):
        assert words in text
    assert WORDS.no_pictures not in text
    assert pdf.count(b"/Subtype /Image") == len(scan.reported)


def test_chinese_is_set_in_the_chinese_font_and_markup_stays_text(scan: MarkedScan) -> None:
    pdf = to_pdf(scan, WORDS, {})
    assert b"/STSong-Light" in pdf
    assert "<b>&amp;" in latin_text(pdf).replace(" ", "")
    assert WORDS.no_pictures in latin_text(pdf)


def test_the_same_report_has_the_same_bytes(scan: MarkedScan) -> None:
    assert to_pdf(scan, WORDS, {}) == to_pdf(scan, WORDS, {})


def test_a_report_without_marks_says_its_sentence(scan: MarkedScan) -> None:
    nothing = replace(scan, marks=())
    words = replace(WORDS, rows=[], captions=[], summary="No mark is reported; this does not mean no nodules")
    text = latin_text(to_pdf(nothing, words, {}))
    assert "this does not mean no nodules" in text
    assert "the first" not in text


@pytest.mark.parametrize("comment", ["W" * 1000, "结" * 1000, "three words and " * 62])
def test_the_longest_comment_of_each_mark_is_printed(scan: MarkedScan, comment: str) -> None:
    rows = [[str(number), *["-"] * 8, comment] for number in range(1, 31)]
    text = latin_text(to_pdf(replace(scan, marks=()), replace(WORDS, rows=rows, captions=[]), {}))
    assert text.count("comment:") == len(rows)
    assert text.count("W") >= comment.count("W") * len(rows)


def test_what_nobody_can_see_is_not_printed() -> None:
    assert plain("a\x00b\u202ec\ud800d") == "a b c d"


def test_what_the_fonts_lack_is_a_box_and_never_another_character() -> None:
    assert plain("结节 ½ Ω ж → \U0001f600\u0e01") == "结节 ½ Ω ж → □□"
