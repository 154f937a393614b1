"""The report and the JSON say of a threshold what validation measured there, with its interval, and no more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fedlung.reports.marked_scan import MarkedScan, marked_scan
from fedlung.reports.prediction_export import to_export
from fedlung.stores.prediction_marks import MarkStore
from fedlung.web.predictions.report_words import report_words
from tests.marked_chest import RECORD

pytestmark = pytest.mark.usefixtures("request_context")

POINT = {"threshold": 0.31, "fp_per_scan": 0.6667, "sensitivity": 0.75, "num_scans": 3.0}
COUNTED = {**POINT, "interval": [0.4093, 0.9285], "num_nodules": 8}


def scan_at(content: dict[str, Any], folder: Path, threshold: float, *points: dict[str, Any]) -> MarkedScan:
    record = replace(RECORD, model={**RECORD.model, "operating_points": list(points)})
    return marked_scan(record, content, MarkStore().newest(folder, content["candidates"]), threshold)


def told(scan: MarkedScan) -> str:
    return dict(report_words(scan, "2026-01-02", "li").facts)["Threshold"]


MEANING = "in validation about 0.67 false marks per scan at a sensitivity of "


@pytest.mark.parametrize(
    ("threshold", "point", "words"),
    [
        (0.31, COUNTED, f"0.310: {MEANING}0.75 (95 % interval 0.41 to 0.93), on 3 scans"),
        (
            0.31,
            {**COUNTED, "fp_interval": [0.0808, 2.4082]},
            "0.310: in validation about 0.67 (95 % interval 0.08 to 2.41) false marks per scan at a sensitivity of 0.75"
            " (95 % interval 0.41 to 0.93), on 3 scans",
        ),
        (0.31, POINT, f"0.310: {MEANING}0.75, on 3 scans"),
        (0.5, POINT, f"0.500: at 0.310, {MEANING}0.75, on 3 scans"),
        (0.2, COUNTED, "0.200: not known from the model's validation"),
    ],
)
def test_the_report_says_where_it_was_measured(
    content: dict[str, Any], tmp_path: Path, threshold: float, point: dict[str, Any], words: str
) -> None:
    assert told(scan_at(content, tmp_path, threshold, point)) == words


def test_the_export_has_the_interval_and_the_nodules(content: dict[str, Any], tmp_path: Path) -> None:
    export = to_export(scan_at(content, tmp_path, 0.31, COUNTED), "2026-01-02", "li")
    assert export["operating_point"] == COUNTED
