"""Every format of one judged prediction says the same; and two scans of a person side by side."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
from highdicom import sr

from fedlung.imaging.metaimage import write_metaimage
from fedlung.reports.dicom_export import DIAMETER
from fedlung.settings import Settings
from fedlung.stores.scan_records import ScanRecord
from fedlung.stores.scans import FileScanStore
from fedlung.web.services import Services
from tests.fake_reader import LONG, SHAPE_ZYX, SPACING_ZYX_MM, FakeReader, chest
from tests.marked_chest import save_dicom
from tests.web.conftest import SignedIn
from tests.web.fake_launcher import FakeLauncher
from tests.web.reading_people import Person, reading_services

RECORD = ScanRecord("scan", "病人 07", "", "dicom", "2026-01-01", "x", "v0", SHAPE_ZYX, SPACING_ZYX_MM)


@pytest.fixture
def services(settings: Settings, launcher: FakeLauncher) -> Iterator[Services]:
    with reading_services(settings, launcher, FakeReader()) as made:
        yield made


@pytest.fixture
def folder(settings: Settings) -> Path:
    return settings.data / "hospital_a"


@pytest.fixture
def staff(signed_in: SignedIn) -> Person:
    return Person(signed_in("staff_a"))


@pytest.fixture
def read(staff: Person, services: Services) -> Callable[[str], str]:
    """Have a scan of hospital_a read; returns the id of the prediction."""

    def read_scan(scan_id: str = "scan") -> str:
        asked = staff.ask(scan_id)
        assert services.predictions.wait_until_idle(LONG)
        return str(asked["id"])

    return read_scan


def with_originals(folder: Path) -> None:
    """What the intake keeps where a hospital wants it."""
    save_dicom(folder / "originals" / "scan")
    describe(folder, replace(RECORD, has_original_dicom=True))


def describe(folder: Path, record: ScanRecord) -> None:
    FileScanStore(folder).describe(record, folder)


def pdf_of(staff: Person, prediction_id: str, query: str = "") -> bytes:
    answer = staff.get(f"/api/predictions/{prediction_id}/export.pdf{query}")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/pdf")
    return answer.data


def test_all_formats_say_the_same(staff: Person, read: Callable[[str], str], folder: Path, services: Services) -> None:
    with_originals(folder)
    prediction_id = read("scan")
    staff.judge(prediction_id, m1="accepted", m2="rejected")
    path = f"/api/predictions/{prediction_id}/export"
    export = staff.get(f"{path}.json?threshold=0.15").get_json()
    rows = list(csv.DictReader(io.StringIO(staff.get(f"{path}.csv?threshold=0.15").text)))
    reported = [mark for mark in export["marks"] if mark["reported"]]
    assert [mark["id"] for mark in reported] == ["m1", "m3"]
    assert [(row["reported"], float(row["diameter_mm"])) for row in rows] == [
        ("yes" if mark["reported"] else "no", mark["diameter_mm"]) for mark in export["marks"]
    ]
    seg = hd.seg.segread(io.BytesIO(staff.get(f"{path}/seg.dcm?threshold=0.15").data))
    assert seg.number_of_segments == len(reported)
    report = sr.srread(io.BytesIO(staff.get(f"{path}/sr.dcm?threshold=0.15").data))
    groups = report.content.get_volumetric_roi_measurement_groups()
    assert [group.get_measurements(name=DIAMETER)[0].value for group in groups] == pytest.approx(
        [mark["diameter_mm"] for mark in reported], abs=1e-3
    )
    assert groups[0].referenced_segment.referenced_sop_instance_uid == seg.SOPInstanceUID
    assert pdf_of(staff, prediction_id, "?threshold=0.15").count(b"/Subtype /Image") == len(reported)
    assert export["scan"]["label"] == "病人 07"
    files = [deed["details"]["file"] for deed in services.audit.page(action="prediction_exported")]
    assert files == ["pdf", "sr.dcm", "seg.dcm", "csv", "json"]


def test_every_export_carries_the_notice_and_is_kept_by_nobody(
    staff: Person, read: Callable[[str], str], folder: Path
) -> None:
    with_originals(folder)
    prediction_id = read("scan")
    for ending in (".csv", ".json", ".pdf", "/seg.dcm", "/sr.dcm"):
        answer = staff.get(f"/api/predictions/{prediction_id}/export{ending}")
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"
        assert re.fullmatch(
            r'attachment; filename="fedlung-[0-9a-f]{12}\.[a-z.]+"', answer.headers["Content-Disposition"]
        )
        if ending.endswith(".dcm"):
            assert "not for diagnosis" in pydicom.dcmread(io.BytesIO(answer.data)).SeriesDescription
        elif ending != ".pdf":  # see tests/unit/reports
            assert "not for diagnosis" in answer.text.replace("_", " ")


def test_the_json_is_as_documented(staff: Person, read: Callable[[str], str]) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/reference/prediction-json.md").read_text(encoding="utf-8")
    path = f"/api/predictions/{read('scan')}"
    declared = {"version": 0, "items": [], "first_read_declared": True}
    assert staff.send("PUT", f"{path}/marks", declared).status_code == 200
    export = staff.get(f"{path}/export.json").get_json()
    documented = set(re.findall(r"^\| `([a-z_.\[\]0-9]+)` \|", page, flags=re.MULTILINE))
    assert documented == set(fields_of(export))


def fields_of(value: dict[str, Any], above: str = "") -> Iterator[str]:
    """``model.sha256``, ``marks[].id``; what stands in tables of names and numbers is not looked into."""
    for name, below in value.items():
        path = f"{above}{name}"
        yield path
        if isinstance(below, dict) and path not in ("model.validation", "reading.seconds", "operating_point"):
            yield from fields_of(below, f"{path}.")
        if isinstance(below, list) and path in ("marks", "first_reads"):
            yield from fields_of(below[0], f"{path}[].")


def test_dicom_needs_the_original_series(staff: Person, read: Callable[[str], str]) -> None:
    prediction_id = read("scan")
    for ending in ("seg.dcm", "sr.dcm"):
        answer = staff.get(f"/api/predictions/{prediction_id}/export/{ending}")
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (409, "conflict")
        assert "original series" in answer.get_json()["error"]["message"]


def test_without_its_scan_the_report_has_no_pictures(staff: Person, read: Callable[[str], str], folder: Path) -> None:
    prediction_id = read("scan")
    assert b"/Subtype /Image" in pdf_of(staff, prediction_id)
    for file in (folder / "scans").iterdir():
        file.unlink()
    assert b"/Subtype /Image" not in pdf_of(staff, prediction_id)


def test_the_report_speaks_the_readers_language(staff: Person, read: Callable[[str], str]) -> None:
    prediction_id = read("scan")
    english = pdf_of(staff, prediction_id)
    staff.browser.set_cookie("fedlung_language", "zh")
    assert b"/Lang (zh-CN)" in pdf_of(staff, prediction_id)
    assert b"/Lang (en)" in english


@pytest.mark.parametrize("threshold", ["x", "-0.1", "1.1", "nan", ""])
def test_a_threshold_that_makes_no_sense_is_refused(staff: Person, read: Callable[[str], str], threshold: str) -> None:
    answer = staff.get(f"/api/predictions/{read('scan')}/export.csv?threshold={threshold}")
    assert (answer.status_code, list(answer.get_json()["error"]["fields"])) == (422, ["threshold"])


def prior_scan(folder: Path, shift_mm: float, **facts: str) -> None:
    """The same chest, lying elsewhere in its world, a hundred days before."""
    x, y, z = chest().geometry.origin_xyz_mm
    elsewhere = replace(chest().geometry, origin_xyz_mm=(x + shift_mm, y, z))
    write_metaimage(folder / "scans" / "prior.mhd", replace(chest(), geometry=elsewhere))
    known = {"patient_key": "p", "study_date": "2025-09-23", **facts}
    describe(folder, replace(RECORD, scan_id="prior", voxels_sha256="v1", label="prior", **known))
    describe(folder, replace(RECORD, patient_key="p", study_date="2026-01-01"))


def test_a_prior_scan_is_laid_over_and_its_marks_are_matched(
    staff: Person, read: Callable[[str], str], folder: Path
) -> None:
    prior_scan(folder, shift_mm=30.0)
    now, before = read("scan"), read("prior")
    staff.judge(before, m2="rejected")
    found = staff.get(f"/api/predictions/{now}/comparison?prior={before}").get_json()
    assert (found["days"], found["same_patient"], found["matched_within_mm"]) == (100, True, 10.0)
    assert found["alignment"]["shift_xyz_mm"] == pytest.approx([30.0, 0.0, 0.0], abs=0.5)
    assert found["alignment"]["is_doubtful"] is False
    (pair,) = found["pairs"]
    assert (pair["now"]["id"], pair["prior"]["id"]) == ("m1", "m1")
    assert pair["distance_mm"] < 1.0
    assert (pair["volume_change_percent"], pair["doubling_time_days"], pair["has_grown"]) == (0.0, None, False)
    (new,) = found["new"]
    assert (new["id"], new["category"]["value"]) == ("m2", "3")
    assert new["unreported"]["id"] == "m2", "it was there, and somebody rejected it"
    assert found["gone"] == []
    assert found["same_model"] is True
    again = staff.get(f"/api/predictions/{now}/comparison?prior={before}").get_json()
    assert again["alignment"].pop("seconds") == 0.0, "the motion was kept"
    assert {**again, "alignment": None} == {**found, "alignment": None}


WRONG_PRIORS = {
    "another person": {"patient_key": "somebody else"},
    "newer": {"study_date": "2026-05-01"},
}


@pytest.mark.parametrize("name", WRONG_PRIORS)
def test_what_is_no_prior_scan_is_refused(staff: Person, read: Callable[[str], str], folder: Path, name: str) -> None:
    prior_scan(folder, 0.0, **WRONG_PRIORS[name])
    now, before = read("scan"), read("prior")
    answer = staff.get(f"/api/predictions/{now}/comparison?prior={before}")
    assert (answer.status_code, list(answer.get_json()["error"]["fields"])) == (422, ["prior"])


def test_what_one_reading_leaves_out_is_told_beside_what_is_gone(
    staff: Person, read: Callable[[str], str], folder: Path
) -> None:
    prior_scan(folder, shift_mm=0.0)
    now, before = read("scan"), read("prior")
    staff.judge(now, m1="rejected")
    found = staff.get(f"/api/predictions/{now}/comparison?prior={before}").get_json()
    (gone,) = found["gone"]
    assert (gone["id"], gone["unreported"]["id"]) == ("m1", "m1")


def test_scans_that_cannot_be_aligned_are_refused_in_words(
    staff: Person, read: Callable[[str], str], folder: Path
) -> None:
    noise = np.random.default_rng(0).integers(-1000, 200, chest().voxels_zyx.shape, dtype=np.int16)
    write_metaimage(folder / "scans" / "prior.mhd", replace(chest(), voxels_zyx=noise))
    answer = staff.get(f"/api/predictions/{read('scan')}/comparison?prior={read('prior')}")
    assert (answer.status_code, list(answer.get_json()["error"]["fields"])) == (422, ["prior"])


def test_a_scan_is_no_prior_of_itself(staff: Person, read: Callable[[str], str]) -> None:
    now = read("scan")
    assert staff.get(f"/api/predictions/{now}/comparison?prior={now}").status_code == 422
    assert staff.get(f"/api/predictions/{now}/comparison").status_code == 404
