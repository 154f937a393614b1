"""Annotations that come along: what is matched, what is left out, and what is said about strange coordinates."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from fedlung.errors import BadAnnotations
from fedlung.imaging.annotations import read_findings
from fedlung.imaging.geometry import FloatArray, Geometry
from fedlung.imaging.intake.annotation_import import AnnotationReport, ScanPlace, read_annotation_file
from fedlung.imaging.lungs import LungMask, find_lungs
from fedlung.imaging.metaimage import read_metaimage
from fedlung.imaging.metaimage_header import read_header
from fedlung.imaging.resampling import reorient_to_lps
from tests.intake_world import REMAP

UID = "1.2.3.4"
GRID = Geometry((100, 160, 160), (2.5, 2.0, 2.0), (-170.0, -150.0, -200.0))
CENTERS = np.array([[-80.0, 20.0, -50.0], [-75.0, 30.0, -100.0], [70.0, 40.0, -120.0], [90.0, 10.0, -60.0]])
REAL = Path(__file__).resolve().parents[4] / "../shared/data/real_ct"


def lungs() -> LungMask:
    """Two boxes around the points, on the grid of the scan; not in the middle, so that RAS misses them."""
    mask = np.zeros(GRID.shape_zyx, bool)
    for index in GRID.world_to_index(CENTERS).astype(int).tolist():
        mask[tuple(slice(i - 4, i + 5) for i in index)] = True
    return LungMask(mask, GRID, 1.0)


SCANS = {REMAP(UID): ScanPlace(GRID, lungs()), "copied by hand": ScanPlace(GRID)}


def table(folder: Path, rows: Sequence[tuple[object, ...]]) -> Path:
    path = folder / "annotations.csv"
    lines = ["seriesuid,coordX,coordY,coordZ,diameter_mm", *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def imported(path: Path, scans: dict[str, ScanPlace] | None = None, **options: bool) -> AnnotationReport:
    return read_annotation_file(path, path.name, scans=SCANS if scans is None else scans, remap=REMAP, **options)


def test_rows_find_their_scans_by_either_uid(tmp_path: Path) -> None:
    rows = [(UID, *CENTERS[0], 6.5), (REMAP(UID), *CENTERS[1], 4), ("copied by hand", 0, 0, 0, 9), ("9.9", 0, 0, 0, 5)]
    report = imported(table(tmp_path, rows))
    assert (report.origin, report.rows, report.matched, report.unknown_uids) == ("csv", 4, 3, ("9.9",))
    first, second = report.findings[REMAP(UID)]
    assert (first.kind, first.center_xyz_mm, first.diameter_mm) == ("nodule", tuple(CENTERS[0]), 6.5)
    assert second.diameter_mm == 4
    assert report.in_lungs_share == 1  # of the scan whose lungs are known
    assert report.hints == ()


def test_what_may_not_be_stored_is_counted(tmp_path: Path) -> None:
    edge = GRID.index_to_world((-0.4, 0, 0)), GRID.index_to_world((-0.6, 0, 0))
    rows = [(UID, *place, 5) for place in edge] + [(UID, *CENTERS[0], size) for size in (0.9, 1, 100, 101)]
    report = imported(table(tmp_path, rows))
    assert (report.outside, report.wrong_size, report.matched) == (1, 2, 3)
    assert {hint.code for hint in report.hints} >= {"outside", "wrong_size"}


def test_what_has_no_size_is_to_be_ignored(tmp_path: Path) -> None:
    path = table(tmp_path, [(UID, *CENTERS[0], -1), (UID, *CENTERS[1], 7)])
    assert [(found.kind, found.diameter_mm) for found in imported(path).findings[REMAP(UID)]] == [
        ("ignore", 10),
        ("nodule", 7),
    ]
    assert {found.kind for found in imported(path, as_ignored=True).findings[REMAP(UID)]} == {"ignore"}


MISTAKES: dict[str, Callable[[FloatArray], FloatArray]] = {
    "ras": lambda points: points * (-1, -1, 1),
    "voxel_indices": lambda points: GRID.world_to_index(points)[:, ::-1],
    "voxel_indices_zyx": lambda points: GRID.world_to_index(points),
    "few_in_lungs": lambda points: points + np.array([0, 120, 0]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_coordinates_of_another_kind_are_noticed(tmp_path: Path, mistake: str) -> None:
    rows = [(UID, *point, 6) for point in MISTAKES[mistake](CENTERS)]
    report = imported(table(tmp_path, rows))
    assert mistake in [hint.code for hint in report.hints]
    assert report.in_lungs_share is not None
    assert report.in_lungs_share < 0.5


def test_points_that_fit_either_way_are_taken_as_they_are(tmp_path: Path) -> None:
    """Real lungs lie on both sides, so RAS often fits as well; that alone says nothing."""
    everywhere = LungMask(np.ones(GRID.shape_zyx, bool), GRID, 5.0)
    report = imported(table(tmp_path, [(UID, *CENTERS[0], 6)]), {REMAP(UID): ScanPlace(GRID, everywhere)})
    assert report.hints == ()


def test_voxel_indices_are_noticed_without_lungs(tmp_path: Path) -> None:
    rows = [(UID, *point, 6) for point in GRID.world_to_index(CENTERS)[:, ::-1] + 30]
    report = imported(table(tmp_path, rows), {REMAP(UID): ScanPlace(GRID)})
    assert report.in_lungs_share is None
    assert [hint.code for hint in report.hints] == ["outside", "voxel_indices"]


REFUSED = {
    "notes.txt": (b"x", "annotations come as .csv"),
    "empty.csv": (b"", "column seriesuid is missing"),
    "columns.csv": (b"a,b\n1,2\n", "column seriesuid is missing"),
    "text.csv": (
        b"seriesuid,coordX,coordY,coordZ,diameter_mm\n1.2,x,0,0,5\n",
        "text.csv: line 2: coordX must be a number",
    ),
    "nan.csv": (
        b"seriesuid,coordX,coordY,coordZ,diameter_mm\n1.2,nan,0,0,5\n",
        "nan.csv: line 2: coordX must be finite",
    ),
    "binary.csv": (b"\xff\xfe\x00", "is not a readable CSV table"),
    "no.xml": (b"seriesuid", "is no readable XML"),
    "empty.xml": (b"", "is no readable XML"),
    "other.xml": (b"<html/>", "SeriesInstanceUid is missing"),
    "entities.xml": (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "declares entities"),
    "utf16.xml": ("<a/>".encode("utf-16"), "is no readable XML"),
    "deep.xml": (b"<a>" * 200_000 + b"</a>" * 200_000, "SeriesInstanceUid is missing"),
    "long.xml": (b"<a>" + b"<b/>" * 500_000 + b"</a>", "at most 500000 tags"),
    "session.xml": (b"<a><SeriesInstanceUid>1.2</SeriesInstanceUid></a>", "1 to 20 reading sessions, got 0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_annotation_file(tmp_path: Path, name: str) -> None:
    content, sentence = REFUSED[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadAnnotations, match=sentence) as refusal:
        imported(tmp_path / name)
    assert str(tmp_path) not in str(refusal.value)


def square(center_xy: tuple[int, int], half: int) -> str:
    """An outline around (2 * half - 1) ** 2 pixels, one point at each corner and every pixel between."""
    x, y = center_xy
    steps = range(-half, half)
    corners = [(x + s, y - half) for s in steps] + [(x + half, y + s) for s in steps]
    corners += [(x - s, y + half) for s in steps] + [(x - half, y - s) for s in steps]
    return "".join(f"<edgeMap><xCoord>{px}</xCoord><yCoord>{py}</yCoord></edgeMap>" for px, py in corners)


def outlined(center_xyz: tuple[int, int, int], half: int, slices: int) -> str:
    """A nodule of so many slices around a voxel, square in each."""
    x, y, z = center_xyz
    regions = ""
    for k in range(z - slices // 2, z + slices // 2 + 1):
        z_mm = GRID.origin_xyz_mm[2] + GRID.spacing_zyx_mm[0] * k
        place = f"<imageZposition>{z_mm:.6f} </imageZposition><inclusion>TRUE</inclusion>"
        regions += f"<roi>{place}{square((x, y), half)}</roi>"
    return f"<unblindedReadNodule>{regions}</unblindedReadNodule>"


def speck(center_xyz: tuple[int, int, int]) -> str:
    x, y, z = center_xyz
    z_mm = GRID.origin_xyz_mm[2] + GRID.spacing_zyx_mm[0] * z
    place = f"<xCoord>{x}</xCoord><yCoord>{y}</yCoord>"
    return f"<nonNodule><imageZposition>{z_mm}</imageZposition><locus>{place}</locus></nonNodule>"


def message(folder: Path, sessions: Sequence[str]) -> Path:
    body = "".join(f"<readingSession>{session}</readingSession>" for session in sessions)
    uid = f"<ResponseHeader><SeriesInstanceUid>{UID}</SeriesInstanceUid></ResponseHeader>"
    path = folder / "069.xml"
    path.write_text(f'<?xml version="1.0"?><LidcReadMessage xmlns="http://www.nih.gov">{uid}{body}</LidcReadMessage>')
    return path


def test_three_readers_of_four_make_a_nodule(tmp_path: Path) -> None:
    seen = (60, 80, 50)
    other = (20, 30, 20)
    sessions = [
        outlined(seen, 3, 3) + outlined(other, 3, 3),
        outlined(seen, 3, 3) + outlined(other, 3, 3),
        outlined((61, 80, 50), 3, 3) + speck((10, 10, 10)),
        speck(seen),
    ]
    report = imported(message(tmp_path, sessions), {REMAP(UID): ScanPlace(GRID)})
    found = report.findings[REMAP(UID)]
    assert [item.kind for item in found] == ["nodule", "ignore", "ignore"]  # the speck inside the nodule is no more
    mean_index = np.array([50, 80, (60 + 60 + 61) / 3])
    assert np.allclose(found[0].center_xyz_mm, GRID.index_to_world(mean_index))
    # 5 x 5 pixels of 2 x 2 mm in each of 3 slices of 2.5 mm.
    assert found[0].diameter_mm == pytest.approx((6 * 5 * 5 * 3 * 2 * 2 * 2.5 / math.pi) ** (1 / 3))
    assert np.allclose(found[1].center_xyz_mm, GRID.index_to_world(other[::-1]))
    assert np.allclose(found[2].center_xyz_mm, GRID.index_to_world((10, 10, 10)))
    assert found[2].diameter_mm == 10
    assert report.hints[0].values["readers"] == 4


def test_two_close_nodules_of_one_reader_stay_two(tmp_path: Path) -> None:
    """A reader counts once in a nodule, however close his own are."""
    session = outlined((60, 80, 50), 3, 3) + outlined((63, 80, 50), 3, 3)
    report = imported(message(tmp_path, [session] * 3), {REMAP(UID): ScanPlace(GRID)})
    assert [item.kind for item in report.findings[REMAP(UID)]] == ["nodule", "nodule"]


def test_outlines_follow_a_scan_that_is_stored_turned(tmp_path: Path) -> None:
    """The pixels were drawn on LPS slices; the scan came as NIfTI with y stored backwards."""
    seen = (60, 30, 50)
    lungs_mask = np.zeros(GRID.shape_zyx, bool)
    lungs_mask[45:56, 25:36, 55:66] = True
    far_end = GRID.index_to_world((0, GRID.shape_zyx[1] - 1, 0)).tolist()
    mirrored = Geometry(GRID.shape_zyx, GRID.spacing_zyx_mm, tuple(far_end), (1, 0, 0, 0, -1, 0, 0, 0, 1))
    place = ScanPlace(mirrored, LungMask(lungs_mask, GRID, 1.0))
    report = imported(message(tmp_path, [outlined(seen, 3, 3)] * 4), {REMAP(UID): place})
    (found,) = report.findings[REMAP(UID)]
    assert np.allclose(found.center_xyz_mm, GRID.index_to_world(seen[::-1]))
    assert "other_axes" in [hint.code for hint in report.hints]


def test_a_message_about_another_scan_or_an_oblique_one(tmp_path: Path) -> None:
    path = message(tmp_path, [outlined((60, 80, 50), 3, 3)])
    report = imported(path, {})
    assert (report.unknown_uids, report.matched, report.rows) == ((UID,), 0, 1)
    cos, sin = math.cos(0.3), math.sin(0.3)
    oblique = Geometry(GRID.shape_zyx, GRID.spacing_zyx_mm, (0, 0, 0), (1, 0, 0, 0, cos, -sin, 0, sin, cos))
    with pytest.raises(BadAnnotations, match="oblique"):
        imported(path, {REMAP(UID): ScanPlace(oblique)})


def test_a_read_scan_without_nodules_is_told(tmp_path: Path) -> None:
    report = imported(message(tmp_path, ["", "", ""]), {REMAP(UID): ScanPlace(GRID)})
    assert report.findings == {REMAP(UID): ()}


@pytest.mark.skipif(not REAL.is_dir(), reason="real scans are not here")
@pytest.mark.parametrize("patient", ["LIDC-IDRI-0001", "LIDC-IDRI-0005", "LIDC-IDRI-0181"])
def test_the_consensus_of_real_readings_is_the_reference_of_luna16(patient: str) -> None:
    """Same rule, same readings: the same nodules, none more; centres and sizes to less than half a voxel."""
    mhd = next((REAL / "scans" / patient).glob("*.mhd"))
    reference = [row for row in read_findings(REAL / "luna16_csv/annotations.csv") if row.series_uid == mhd.stem]
    xml = next((REAL / "scans" / patient).glob("*.xml"))
    report = imported(xml, {mhd.stem: ScanPlace(read_header(mhd).geometry)})
    nodules = [item for item in report.findings[mhd.stem] if item.kind == "nodule"]
    assert len(nodules) == len(reference)
    for row in reference:
        distances = [math.dist(row.center_xyz_mm, item.center_xyz_mm) for item in nodules]
        nearest = nodules[int(np.argmin(distances))]
        assert min(distances) < 0.5
        assert abs(nearest.diameter_mm - row.diameter_mm) < 0.5


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="real scans are not here")
def test_real_annotations_lie_in_real_lungs() -> None:
    mhd = next((REAL / "scans/LIDC-IDRI-0005").glob("*.mhd"))
    volume = read_metaimage(mhd)
    in_lps = reorient_to_lps(volume)
    scans = {mhd.stem: ScanPlace(volume.geometry, find_lungs(in_lps.voxels_zyx, in_lps.geometry))}
    report = imported(REAL / "luna16_csv/annotations.csv", scans)
    assert (report.matched, report.in_lungs_share, report.hints) == (2, 1, ())
