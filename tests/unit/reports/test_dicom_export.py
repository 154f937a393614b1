"""DICOM SEG and SR, read back with pydicom and highdicom: places, sizes, patient, and the notice."""

from __future__ import annotations

import io
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
from highdicom import sr
from numpy.typing import NDArray

from fedlung.errors import BadScan, Conflict, FedLungError
from fedlung.imaging.geometry import Geometry
from fedlung.reports import dicom_export
from fedlung.reports.dicom_export import DIAMETER, MOST_SEGMENTS, VOLUME, to_seg, to_sr
from fedlung.reports.dicom_source import DicomSource, read_source
from fedlung.reports.label_volume import label_volume
from fedlung.reports.marked_scan import RESEARCH_USE, MarkedScan
from fedlung.stores.prediction_marks import MarkVersion
from tests.fake_reader import chest
from tests.marked_chest import judged, reading, save_dicom, scan_of


@pytest.fixture(scope="module")
def found() -> tuple[dict[str, Any], NDArray[np.uint8]]:
    return reading()


@pytest.fixture(scope="module")
def version(found: Any, tmp_path_factory: pytest.TempPathFactory) -> MarkVersion:
    return judged(found[0], tmp_path_factory.mktemp("marks"))


@pytest.fixture(scope="module")
def scan(found: Any, version: MarkVersion) -> MarkedScan:
    return scan_of(found[0], version)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return save_dicom(tmp_path_factory.mktemp("dicom") / "series")


@pytest.fixture(scope="module")
def source(files: list[Path]) -> DicomSource:
    return read_source(files)


@pytest.fixture(scope="module")
def seg(scan: MarkedScan, source: DicomSource, found: Any) -> bytes:
    return to_seg(scan, source, found[1])


@pytest.fixture(scope="module")
def report(scan: MarkedScan, source: DicomSource, found: Any) -> bytes:
    return to_sr(scan, source, found[1])


def test_the_source_is_the_scan(source: DicomSource) -> None:
    assert source.geometry.shape_zyx == chest().geometry.shape_zyx
    corners = [(0, 0, 0), tuple(n - 1 for n in chest().geometry.shape_zyx)]
    np.testing.assert_allclose(
        source.geometry.index_to_world(corners), chest().geometry.index_to_world(corners), atol=1e-3
    )


def test_every_segment_lies_where_its_mark_is(seg: bytes, scan: MarkedScan, source: DicomSource) -> None:
    read = hd.seg.segread(io.BytesIO(seg))
    assert read.number_of_segments == len(scan.reported) == 2
    for number, item in enumerate(scan.reported, start=1):
        world = np.array(_world_of_segment(read, number, source))
        distance_mm = np.linalg.norm(world.mean(axis=0) - item.mark.center_xyz_mm)
        assert distance_mm < 1.5  # voxels of 2.5 mm
        volume = len(world) * np.prod(source.geometry.spacing_zyx_mm)
        assert volume == pytest.approx(item.volume_mm3, rel=0.35)


def _world_of_segment(read: hd.seg.Segmentation, number: int, source: DicomSource) -> list[NDArray[np.float64]]:
    """World points of a segment's voxels, from the frames' own positions."""
    points = []
    _, y_mm, x_mm = source.geometry.spacing_zyx_mm
    for frame, groups in zip(read.pixel_array, read.PerFrameFunctionalGroupsSequence, strict=True):
        if groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber == number:
            origin = np.array(groups.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
            along_x, along_y = source.geometry.direction.T[:2]
            points += [origin + x * x_mm * along_x + y * y_mm * along_y for y, x in np.argwhere(frame)]
    return points


def test_the_report_measures_the_same_marks_and_names_their_segments(
    report: bytes, seg: bytes, scan: MarkedScan
) -> None:
    groups = sr.srread(io.BytesIO(report)).content.get_volumetric_roi_measurement_groups()
    seg_uid = pydicom.dcmread(io.BytesIO(seg)).SOPInstanceUID
    assert len(groups) == len(scan.reported)
    for number, (group, item) in enumerate(zip(groups, scan.reported, strict=True), start=1):
        (diameter,), (volume,) = group.get_measurements(name=DIAMETER), group.get_measurements(name=VOLUME)
        assert diameter.value == pytest.approx(item.mark.diameter_mm, abs=1e-3)
        assert volume.value == pytest.approx(item.volume_mm3, abs=0.06)
        assert group.referenced_segment.referenced_segment_numbers == [number]
        assert group.referenced_segment.referenced_sop_instance_uid == seg_uid


def test_both_belong_to_the_patient_and_study_and_carry_the_notice(seg: bytes, report: bytes) -> None:
    for content in (seg, report):
        dataset = pydicom.dcmread(io.BytesIO(content))
        assert (dataset.PatientID, dataset.StudyInstanceUID) == ("P7", "1.2.826.0.1.3680043.8.498.5")
        assert RESEARCH_USE in dataset.SeriesDescription
    assert RESEARCH_USE in pydicom.dcmread(io.BytesIO(seg)).ContentDescription


def test_the_same_marks_have_the_same_identifiers_and_others_do_not(
    seg: bytes, found: Any, version: MarkVersion, source: DicomSource
) -> None:
    again = to_seg(scan_of(found[0], version), source, found[1])
    other = to_seg(scan_of(found[0], version, 0.1), source, found[1])
    uids = [pydicom.dcmread(io.BytesIO(content)).SOPInstanceUID for content in (seg, again, other)]
    assert uids[0] == uids[1] != uids[2]


def test_one_mark_alone_is_written_and_read_back(found: Any, source: DicomSource, tmp_path: Path) -> None:
    alone = judged({**found[0], "candidates": found[0]["candidates"]}, tmp_path)
    kept = MarkVersion(2, "li", "2026", (), tuple(mark for mark in alone.items if mark.id == "m1"))
    scan = scan_of(found[0], kept)
    assert hd.seg.segread(io.BytesIO(to_seg(scan, source, found[1]))).number_of_segments == 1
    assert len(to_sr(scan, source, found[1])) > 1000


def test_nothing_reported_is_no_empty_object(found: Any, source: DicomSource) -> None:
    nothing = scan_of(found[0], MarkVersion(1, "li", "2026", (), ()))
    for write in (to_seg, to_sr):
        with pytest.raises(Conflict, match="nothing to write"):
            write(nothing, source, found[1])


def test_more_marks_than_dicom_holds_are_refused_in_words(found: Any, scan: MarkedScan, source: DicomSource) -> None:
    many = replace(scan, marks=scan.reported[:1] * (MOST_SEGMENTS + 1))
    for write in (to_seg, to_sr):
        with pytest.raises(Conflict, match="at most 255"):
            write(many, source, found[1])


def test_segments_are_called_as_the_marks_on_the_page(seg: bytes) -> None:
    labels = [str(item.SegmentLabel) for item in pydicom.dcmread(io.BytesIO(seg)).SegmentSequence]
    assert labels == ["Nodule 1", "Nodule R1"]


def test_what_reads_back_wrong_is_not_given_away(
    scan: MarkedScan, source: DicomSource, found: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = dicom_export._segmentation
    # Everything in the first segment.
    monkeypatch.setattr(
        dicom_export, "_segmentation", lambda s, slices, labels: write(s, slices, np.minimum(labels, 1))
    )
    with pytest.raises(FedLungError, match="reads back"):
        to_seg(scan, source, found[1])


def test_files_of_two_series_or_torn_ones_are_refused(files: list[Path], tmp_path: Path) -> None:
    for name in ("two", "torn"):
        shutil.copytree(files[0].parent, tmp_path / name)
    first = next((tmp_path / "two").iterdir())
    dataset = pydicom.dcmread(first)
    dataset.SeriesInstanceUID = "1.2.3"
    dataset.save_as(first)
    torn = next((tmp_path / "torn").iterdir())
    torn.write_bytes(torn.read_bytes()[:200])
    for name in ("two", "torn"):
        with pytest.raises(BadScan):
            read_source(sorted((tmp_path / name).iterdir()))


def test_a_mark_between_two_slices_has_a_voxel(scan: MarkedScan, found: Any) -> None:
    thick = Geometry((8, 70, 110), (25.0, 2.5, 2.5), chest().geometry.origin_xyz_mm, chest().geometry.direction_xyz)
    labels = label_volume(scan.reported, found[1], Geometry.from_json(found[0]["prepared"]), thick)
    assert set(np.unique(labels)) == {0, 1, 2}


def test_on_an_oblique_grid_every_label_lies_where_its_mark_is(scan: MarkedScan, found: Any) -> None:
    turn = np.radians(25.0)
    direction = (np.cos(turn), 0.0, np.sin(turn), 0.0, 1.0, 0.0, -np.sin(turn), 0.0, np.cos(turn))
    grid = Geometry((220, 180, 260), (1.5, 1.2, 1.2), (-225.0, -105.0, -35.0), tuple(map(float, direction)))
    labels = label_volume(scan.reported, found[1], Geometry.from_json(found[0]["prepared"]), grid)
    for number, item in enumerate(scan.reported, start=1):
        world = grid.index_to_world(np.argwhere(labels == number))
        assert np.linalg.norm(world.mean(axis=0) - item.mark.center_xyz_mm) < 0.8
        volume_mm3 = len(world) * np.prod(grid.spacing_zyx_mm)
        assert volume_mm3 == pytest.approx(item.volume_mm3, rel=0.15)


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is not installed on this machine")
@pytest.mark.parametrize("kind", ["seg", "report"])
def test_dciodvfy_finds_no_error(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    (tmp_path / "x.dcm").write_bytes(request.getfixturevalue(kind))
    said = subprocess.run(["dciodvfy", str(tmp_path / "x.dcm")], capture_output=True, text=True, check=False).stderr
    assert [line for line in said.splitlines() if line.startswith(("Error", "Abort"))] == []
