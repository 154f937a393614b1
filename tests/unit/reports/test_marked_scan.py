"""What is reported and what not, and that CSV and JSON say the same; pictures of places in a flipped scan."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedlung.evaluation.marks import read_marks
from fedlung.imaging.volume import CTVolume
from fedlung.reports.marked_scan import RESEARCH_USE, MarkedScan, ball_volume_mm3
from fedlung.reports.nodule_pictures import picture_of
from fedlung.reports.prediction_csv import COLUMNS, NOTICE_COLUMN, to_csv
from fedlung.reports.prediction_export import FORMAT, to_export
from fedlung.stores.prediction_marks import MarkStore, MarkVersion
from tests.fake_reader import chest
from tests.marked_chest import READERS, judged, reading, scan_of


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    return reading()[0]


@pytest.fixture
def version(content: dict[str, Any], tmp_path: Path) -> MarkVersion:
    return judged(content, tmp_path)


@pytest.fixture
def scan(content: dict[str, Any], version: MarkVersion) -> MarkedScan:
    return scan_of(content, version)


def rows(scan: MarkedScan) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(scan))))


def test_accepted_and_added_ones_are_reported_rejected_and_weak_ones_not(scan: MarkedScan) -> None:
    assert [item.mark.id for item in scan.reported] == ["m1", "r1"]
    assert [item.mark.id for item in scan.marks if not item.is_reported] == ["m2", "m3"]
    assert [item.number for item in scan.marks] == [1, 2, 3, 4]
    assert [item.name for item in scan.marks] == ["1", "R1", "2", "3"]  # as on the page, whatever was judged


def test_a_lower_threshold_reports_what_nobody_rejected(content: dict[str, Any], version: MarkVersion) -> None:
    assert {item.mark.id for item in scan_of(content, version, 0.1).reported} == {"m1", "m3", "r1"}


def test_untouched_the_threshold_alone_decides(content: dict[str, Any], tmp_path: Path) -> None:
    untouched = MarkStore().newest(tmp_path, content["candidates"])
    assert [len(scan_of(content, untouched, limit).reported) for limit in (0.95, 0.9, 0.6, 0.0)] == [0, 1, 2, 3]


def test_a_readers_mark_is_a_ball_and_claims_nothing_else(scan: MarkedScan) -> None:
    (own,) = [item for item in scan.marks if item.mark.id == "r1"]
    assert own.volume_mm3 == ball_volume_mm3(READERS.diameter_mm) == pytest.approx(math.pi / 6 * 7.0**3)
    assert (own.probability, own.label, own.attenuation) == (None, None, None)
    assert own.position == {"side": "right", "height": "middle", "near": "inside"}  # a place is known without a model


def test_csv_is_in_luna16s_form_and_carries_the_notice(scan: MarkedScan) -> None:
    header = to_csv(scan).splitlines()[0].split(",")
    assert tuple(header[: len(COLUMNS)]) == COLUMNS
    assert header[-1] == NOTICE_COLUMN
    assert [row["reported"] for row in rows(scan)] == ["yes", "yes", "no", "no"]


def test_csv_is_judged_by_our_own_rules(scan: MarkedScan, tmp_path: Path) -> None:
    (tmp_path / "results.csv").write_text(to_csv(scan))
    marks = read_marks(tmp_path / "results.csv")
    assert [mark.probability for mark in marks] == [0.9, 1.0, 0.6, 0.2]
    assert {mark.series_uid for mark in marks} == {scan.record.scan_id}


def test_csv_and_json_say_the_same(scan: MarkedScan) -> None:
    export = json.loads(json.dumps(to_export(scan, "2026-01-02", "li"), allow_nan=False))
    assert (export["format"], export["notice"], export["num_reported"]) == (FORMAT, RESEARCH_USE, 2)
    assert len(rows(scan)) == len(export["marks"]) == 4
    for row, mark in zip(rows(scan), export["marks"], strict=True):
        center = [float(row[name]) for name in ("coordX", "coordY", "coordZ")]
        assert center == pytest.approx(mark["center_xyz_mm"], abs=1e-4)
        assert float(row["diameter_mm"]) == pytest.approx(mark["diameter_mm"], abs=1e-3)
        assert float(row["volume_mm3"]) == pytest.approx(mark["volume_mm3"], abs=0.1)
        assert (row["status"], row["source"]) == (mark["status"], mark["source"])
        assert (row["reported"] == "yes") is mark["reported"]
    assert export["marks"][1]["probability"] is None
    assert rows(scan)[1]["probability"] == "1.000000"


def test_a_name_that_is_a_formula_stays_text(content: dict[str, Any], version: MarkVersion) -> None:
    scan = scan_of(content, version)
    record = type(scan.record)(**{**vars(scan.record), "scan_id": "=cmd|' /C calc'!A0"})
    assert rows(MarkedScan(record, "", content, 0.5, version, scan.marks))[0]["seriesuid"].startswith("'=")


def test_the_operating_point_is_that_of_the_threshold_or_the_one_below(
    content: dict[str, Any], version: MarkVersion
) -> None:
    assert scan_of(content, version, 0.4).operating_point is None
    point = scan_of(content, version, 0.8).operating_point
    assert point is not None
    assert point["fp_per_scan"] == 1.0


def bright(volume: CTVolume, center_xyz_mm: tuple[float, float, float]) -> CTVolume:
    voxels = volume.voxels_zyx.copy()
    index = np.rint(volume.geometry.world_to_index(center_xyz_mm)).astype(int)
    voxels[tuple(slice(i - 1, i + 2) for i in index)] = 400
    return CTVolume(volume.series_uid, voxels, volume.geometry)


@pytest.mark.parametrize("center", [(-60.0, 10.0, 20.0), (55.0, -20.0, -40.0)])
def test_pictures_show_the_place_in_the_middle(center: tuple[float, float, float]) -> None:
    pixels = np.asarray(picture_of(bright(chest(), center), center, 20.0)).astype(int)
    empty = np.asarray(picture_of(chest(), center, 20.0)).astype(int)
    assert pixels.shape == empty.shape
    changed = np.abs(pixels - empty).max(axis=-1) > 100
    rows_changed = np.flatnonzero(changed.any(axis=1))
    assert rows_changed.mean() == pytest.approx(320 / 2, abs=2.5 * 5)  # within a voxel, at 5 pixels per mm


def test_a_place_at_the_border_has_a_picture_too() -> None:
    corner = tuple(chest().geometry.index_to_world((0, 0, 0)).tolist())
    assert picture_of(chest(), corner, 5.0).size == picture_of(chest(), (0.0, 0.0, 0.0), 5.0).size
