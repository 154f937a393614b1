"""Pictures of a nodule: what lies where is compared with the letters that are drawn at the sides."""

from __future__ import annotations

import numpy as np
import pytest

from fedlung.detection.candidates import Candidate
from fedlung.detection.pictures import FIELD_MM, GAP, HEADER, PIXELS_PER_MM, PLANES, SIDE, draw_nodule
from fedlung.imaging.geometry import Geometry
from fedlung.imaging.preprocessing import PreparedScan

ORIGIN_MM = (-40.0, 110.0, -300.0)
SHAPE = (80, 90, 100)
CENTER_MM = np.array(ORIGIN_MM) + np.array([50.3, 44.7, 39.5])
LUNG = -850
# Letters of LPS: which way a patient's side lies in the world (x, y, z).
WORLD = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "S": (0, 0, 1), "I": (0, 0, -1)}


def _scan(bright_mm: np.ndarray | None = None) -> PreparedScan:
    """Lung everywhere, and a bright ball of 6 mm at a world place."""
    geometry = Geometry(SHAPE, (1.0, 1.0, 1.0), ORIGIN_MM)
    hu = np.full(SHAPE, LUNG, dtype=np.int16)
    if bright_mm is not None:
        index = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
        hu[np.linalg.norm(geometry.index_to_world(index) - bright_mm, axis=-1) <= 3] = 400
    search = np.ones(tuple(count // 2 for count in SHAPE), dtype=bool)
    return PreparedScan("1.2.3", hu, geometry, search, 4.0)


def _nodule(diameter_mm: float = 8.0, center_mm: np.ndarray = CENTER_MM) -> Candidate:
    x, y, z = center_mm.tolist()
    return Candidate((x, y, z), 0.87, diameter_mm, np.pi / 6 * diameter_mm**3, True)


def _panels(scan: PreparedScan, nodule: Candidate) -> list[np.ndarray]:
    """The three planes, gray values."""
    pixels = np.asarray(draw_nodule(scan, nodule, 1))
    lefts = [GAP + position * (SIDE + GAP) for position in range(3)]
    return [pixels[HEADER : HEADER + SIDE, left : left + SIDE].astype(int) for left in lefts]


def _bright_center(panel: np.ndarray) -> np.ndarray | None:
    """Row and column of the middle of what is white, in mm from the middle of the picture; None when there is none."""
    rows, columns = np.nonzero((panel > 250).all(axis=-1))
    if len(rows) < 20 * PIXELS_PER_MM:  # the letters are smaller and not white
        return None
    return (np.array([rows.mean(), columns.mean()]) + 0.5) / PIXELS_PER_MM - FIELD_MM / 2


@pytest.mark.parametrize("letter", WORLD)
def test_every_side_of_the_patient_is_on_the_side_with_its_letter(letter):
    panels = _panels(_scan(CENTER_MM + 18 * np.array(WORLD[letter])), _nodule())
    for panel, (_, _, letters) in zip(panels, PLANES, strict=True):
        found = _bright_center(panel)
        if letter not in letters:
            assert found is None
            continue
        assert found is not None
        # left, right, top, bottom as (row, column)
        expected = {0: (0, -18), 1: (0, 18), 2: (-18, 0), 3: (18, 0)}[letters.index(letter)]
        np.testing.assert_allclose(found, expected, atol=0.8)


def test_the_planes_are_seen_as_radiologists_see_them():
    # Patient's right on the left of the picture; front on top in axial; head on top in coronal and sagittal.
    assert [(name, letters) for name, _, letters in PLANES] == [
        ("axial", "RLAP"), ("coronal", "RLSI"), ("sagittal", "APSI")
    ]  # fmt: skip


def test_the_nodule_is_in_the_middle_with_its_size():
    for panel in _panels(_scan(CENTER_MM), _nodule()):
        found = _bright_center(panel)
        assert found is not None
        np.testing.assert_allclose(found, (0, 0), atol=0.6)
        area_mm2 = (panel > 250).all(axis=-1).sum() / PIXELS_PER_MM**2
        assert area_mm2 == pytest.approx(np.pi * 9, rel=0.2)


def test_the_circle_has_the_diameter_of_the_nodule():
    for diameter_mm in (6.0, 20.0, 40.0):
        for panel in _panels(_scan(), _nodule(diameter_mm)):
            orange = (panel[..., 0] > 200) & (panel[..., 2] < 60)
            rows, columns = np.nonzero(orange)
            for values in (rows, columns):
                assert (values.max() - values.min()) / PIXELS_PER_MM == pytest.approx(diameter_mm, abs=0.5)


def test_a_large_circle_stays_in_its_plane():
    picture = np.asarray(draw_nodule(_scan(), _nodule(90.0), 1)).astype(int)
    orange = (picture[..., 0] > 200) & (picture[..., 2] < 60)
    for position in range(4):
        left = position * (SIDE + GAP)
        assert not orange[HEADER : HEADER + SIDE, left : left + GAP].any()


@pytest.mark.parametrize("corner", [(0.0, 0.0, 0.0), tuple(count - 1.0 for count in SHAPE)])
def test_at_the_border_what_is_outside_the_scan_is_black(corner):
    scan = _scan()
    nodule = _nodule(6.0, scan.geometry.index_to_world(corner))
    for panel in _panels(scan, nodule):
        gray = panel[(panel[..., 0] == panel[..., 1]) & (panel[..., 1] == panel[..., 2])]
        assert 0.6 < (gray == 0).mean() < 0.8  # three of four quarters


def test_the_window_is_the_lung_window():
    scan = _scan()
    values = {panel[5, 5, 0] for panel in _panels(scan, _nodule())}
    assert values == {int((LUNG + 1350) / 1500 * 255)}


def test_the_letters_can_be_read_on_white_tissue():
    scan = _scan()
    scan.hu_zyx[:] = 400
    for panel in _panels(scan, _nodule()):
        for rows, columns in ((slice(140, 156), slice(0, 16)), (slice(2, 18), slice(162, 178))):
            assert panel[rows, columns].min() < 30


def test_the_caption_fits_beside_the_notice():
    far = _nodule(23.45, np.array([-123.4, -223.4, -1234.5]))
    scan = PreparedScan(
        "1.2.3", _scan().hu_zyx, Geometry(SHAPE, (1.0,) * 3, (-160.0, -260.0, -1270.0)), _scan().search_zyx, 4.0
    )
    header = np.asarray(draw_nodule(scan, far, 100))[:HEADER].astype(int)
    gray = (header.min(axis=-1) > 60) & (header.max(axis=-1) - header.min(axis=-1) < 30)
    orange = (header[..., 0] > 120) & (header[..., 2] < 60)
    assert np.nonzero(gray)[1].max() + 5 < np.nonzero(orange)[1].min()
