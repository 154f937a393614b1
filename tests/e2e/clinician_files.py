"""The files that a clinician takes away, checked against one another and against what is kept."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from playwright.sync_api import Page

from tests.e2e.browser import PATIENCE_MS, Visitor

LONG_MS = 14 * PATIENCE_MS
NOTICE = "not for diagnosis"


def taken(page: Page, form: str) -> bytes:
    with page.expect_download(timeout=LONG_MS) as waiting:
        page.get_by_test_id(f"export-{form}").click()
    return Path(waiting.value.path()).read_bytes()


def all_files_say_the_same(clinician: Visitor, prediction: str) -> None:
    page = clinician.page
    files = {form: taken(page, form) for form in ("csv", "json", "pdf", "seg", "sr")}
    content = json.loads(files["json"])
    marks, found = content["marks"], clinician.asks(f"/api/predictions/{prediction}")
    assert NOTICE in content["notice"]
    assert content["threshold"] == found["threshold"]
    kept = {item["id"]: item for item in found["marks"]["items"]}
    assert {mark["id"]: mark["status"] for mark in marks} == {key: item["status"] for key, item in kept.items()}
    rows = list(csv.DictReader(io.StringIO(files["csv"].decode())))
    assert len(rows) == len(marks)
    for row, mark in zip(rows, marks, strict=True):
        place = [float(row[f"coord{axis}"]) for axis in "XYZ"]
        assert np.allclose(place, kept[mark["id"]]["center_xyz_mm"], atol=1e-3)
        assert np.isclose(float(row["diameter_mm"]), mark["diameter_mm"], atol=1e-3)
        assert (row["status"], row["reported"]) == (mark["status"], "yes" if mark["reported"] else "no")
    reported = [mark for mark in marks if mark["reported"]]
    assert len(reported) == content["num_reported"] >= 2
    dicom_says_the_same(files["seg"], files["sr"], reported)
    the_report_says_the_same(files["pdf"], reported)


def dicom_says_the_same(seg: bytes, sr: bytes, reported: list[Any]) -> None:
    segmentation, report = (pydicom.dcmread(io.BytesIO(file)) for file in (seg, sr))
    assert segmentation.Modality == "SEG"
    assert report.Modality == "SR"
    assert len(segmentation.SegmentSequence) == len(reported)
    diameters = sorted(round(value, 1) for value in _measured(report, "mm"))
    assert diameters == sorted(round(mark["diameter_mm"], 1) for mark in reported)


def _measured(item: pydicom.Dataset, unit: str) -> Iterator[float]:
    """Every number with this unit in a structured report."""
    for value in item.get("MeasuredValueSequence", []):
        if value.MeasurementUnitsCodeSequence[0].CodeValue == unit:
            yield float(value.NumericValue)
    for part in item.get("ContentSequence", []):
        yield from _measured(part, unit)


def the_report_says_the_same(pdf: bytes, reported: list[Any]) -> None:
    assert pdf.startswith(b"%PDF-")
    program = shutil.which("pdftotext")
    if program is None:
        return  # its words are read in tests/unit/reports without this program
    text = subprocess.run([program, "-layout", "-", "-"], input=pdf, capture_output=True, check=True).stdout.decode()
    assert NOTICE in text
    for mark in reported:
        assert f"{mark['diameter_mm']:.1f}" in text
