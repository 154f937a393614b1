"""The sentences of a report: counts that add up, names as on the page, and which marks have a picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fedlung.reports.marked_scan import MarkedScan
from fedlung.reports.prediction_pdf import MOST_PICTURES
from fedlung.web.predictions.report_words import report_words, summary
from tests.marked_chest import judged, reading, scan_of

pytestmark = pytest.mark.usefixtures("request_context")


@pytest.fixture
def scan(tmp_path: Path) -> MarkedScan:
    """m1 accepted, m2 rejected, m3 (below the threshold) untouched, and one of a reader's own."""
    content, _ = reading()
    return scan_of(content, judged(content, tmp_path))


def test_every_mark_is_counted_once(scan: MarkedScan) -> None:
    text = summary(scan)
    assert text.startswith("2 marks are reported")
    for words in ("1 of the model accepted", "0 of the model not judged", "1 added by readers", "1 were rejected"):
        assert words in text
    assert text.endswith("1 are below the threshold.")


def test_marks_are_called_as_on_the_page(scan: MarkedScan) -> None:
    words = report_words(scan, "2026-01-02", "li")
    assert [row[0] for row in words.rows] == ["1", "R1"]
    assert [caption.split(":")[0] for caption in words.captions] == ["Mark 1", "Mark R1"]


def test_where_not_every_mark_has_a_picture_the_title_says_so(scan: MarkedScan) -> None:
    many = replace(scan, marks=scan.reported[:1] * (MOST_PICTURES + 1))
    assert f"first {MOST_PICTURES}" in report_words(many, "2026-01-02", "li").pictures_title
    assert "first" not in report_words(scan, "2026-01-02", "li").pictures_title
