"""Law: index -> world -> index is the identity, on any grid and on all 888 grids of LUNA16, and world is ITK's."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from fedlung.imaging.geometry import Geometry
from fedlung.imaging.metaimage_header import parse_header

TOLERANCE = 1e-6
"""Of a voxel, or of a millimetre: far below what a reader can see, far above rounding at 1e5 mm."""


def sample_indices_zyx(geometry: Geometry) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Both outer corners and points between and beyond."""
    fractions = np.array([[0, 0, 0], [1, 1, 1], [0.25, 0.5, 0.75], [0.9, 0.1, 0.3], [-0.2, 1.3, 0.5]])
    return fractions * (np.array(geometry.shape_zyx) - 1)


def assert_round_trip(geometry: Geometry) -> None:
    index_zyx = sample_indices_zyx(geometry)
    world = geometry.index_to_world(index_zyx)
    assert np.abs(geometry.world_to_index(world) - index_zyx).max() < TOLERANCE
    assert np.abs(geometry.index_to_world(geometry.world_to_index(world)) - world).max() < TOLERANCE


def assert_same_world_as_itk(geometry: Geometry) -> None:
    """Compare with an image that we construct (one voxel is enough: the map does not depend on the size)."""
    image = sitk.Image([1, 1, 1], sitk.sitkUInt8)
    image.SetSpacing(geometry.spacing_zyx_mm[::-1])
    image.SetOrigin(geometry.origin_xyz_mm)
    image.SetDirection(geometry.direction_xyz)
    for index_zyx in sample_indices_zyx(geometry):
        expected = image.TransformContinuousIndexToPhysicalPoint(index_zyx[::-1].tolist())
        assert np.abs(geometry.index_to_world(index_zyx) - expected).max() < TOLERANCE
        back_xyz = image.TransformPhysicalPointToContinuousIndex(expected)
        assert np.abs(geometry.world_to_index(expected) - back_xyz[::-1]).max() < TOLERANCE


@pytest.fixture(scope="module")
def luna16_geometries(real_ct: Path) -> list[Geometry]:
    with zipfile.ZipFile(real_ct / "mhd_headers_888.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".mhd")]
        return [parse_header(archive.read(name)).geometry for name in names]


def test_all_888_luna16_grids_round_trip(luna16_geometries: list[Geometry]) -> None:
    assert len(luna16_geometries) == 888
    for geometry in luna16_geometries:
        assert_round_trip(geometry)


def test_fourteen_luna16_grids_are_flipped(luna16_geometries: list[Geometry]) -> None:
    flipped = [item for item in luna16_geometries if np.allclose(item.direction, np.diag([-1, -1, 1]))]
    upright = [item for item in luna16_geometries if np.allclose(item.direction, np.eye(3))]
    assert (len(flipped), len(upright)) == (14, 888 - 14)


def test_luna16_grids_lie_where_itk_puts_them(luna16_geometries: list[Geometry]) -> None:
    for geometry in luna16_geometries:
        assert_same_world_as_itk(geometry)


@st.composite
def geometries(draw: st.DrawFn) -> Geometry:
    """Any size, anisotropic spacing, any rotation, with or without a reflection.

    Written with twelve decimals, as in a header: ITK's own inverse is NaN for entries such as 2e-309.
    """
    sizes, steps = st.integers(1, 2048), st.floats(0.05, 20)
    coordinates, parts = st.floats(-1e5, 1e5), st.floats(-1, 1)
    axis = draw(st.tuples(parts, parts, parts).filter(lambda v: np.linalg.norm(v) > 0.1))
    rotation = np.array(sitk.VersorTransform(axis, draw(st.floats(-3, 3))).GetMatrix()).reshape(3, 3)
    direction = np.round(rotation, 12) @ np.diag([1, 1, draw(st.sampled_from([1, -1]))])
    return Geometry(
        draw(st.tuples(sizes, sizes, sizes)),
        draw(st.tuples(steps, steps, steps)),
        draw(st.tuples(coordinates, coordinates, coordinates)),
        tuple(direction.ravel().tolist()),
    )


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(geometries())
def test_any_grid_round_trips_and_agrees_with_itk(geometry: Geometry) -> None:
    assert_round_trip(geometry)
    assert_same_world_as_itk(geometry)
