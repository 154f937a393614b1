"""Our MetaImage files read by SimpleITK, and SimpleITK's read by us: the same voxels in the same place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from fedlung.imaging.geometry import Geometry
from fedlung.imaging.metaimage import read_metaimage, write_metaimage
from fedlung.imaging.volume import CTVolume

SHAPE_ZYX = (4, 3, 5)
VOXELS_ZYX = np.random.default_rng(0).integers(-32768, 32768, SHAPE_ZYX, dtype=np.int16)

DIRECTIONS = {
    "identity": np.eye(3),
    "luna16 flipped": np.diag([-1.0, -1.0, 1.0]),
    "mirrored": np.diag([1.0, 1.0, -1.0]),
    "sagittal": np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]),
    "oblique": np.array(sitk.VersorTransform((0.3, -0.5, 0.2), 0.7).GetMatrix()).reshape(3, 3),
    "oblique mirrored": np.array(sitk.VersorTransform((0.1, 0.9, -0.4), 2.1).GetMatrix()).reshape(3, 3)
    @ np.diag([1.0, -1.0, 1.0]),
}
SUFFIXES = [(".mhd", False), (".mhd", True), (".mha", False), (".mha", True)]


def volume_in(direction: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> CTVolume:
    # Thirds and sevenths have no short decimal form: only full precision survives.
    geometry = Geometry(SHAPE_ZYX, (2.5, 0.1 + 0.2, 1 / 3), (-1 / 7, 1e-5, -1395.1), tuple(direction.ravel().tolist()))
    return CTVolume("scan", VOXELS_ZYX, geometry)


def assert_same(image: sitk.Image, volume: CTVolume) -> None:
    assert image.GetPixelID() == sitk.sitkInt16
    assert np.array_equal(sitk.GetArrayFromImage(image), volume.voxels_zyx)
    assert image.GetSpacing() == volume.geometry.spacing_zyx_mm[::-1]
    assert image.GetOrigin() == volume.geometry.origin_xyz_mm
    assert image.GetDirection() == volume.geometry.direction_xyz


@pytest.mark.parametrize(("suffix", "compress"), SUFFIXES)
@pytest.mark.parametrize("name", DIRECTIONS)
def test_simpleitk_reads_what_we_write(tmp_path: Path, name: str, suffix: str, compress: bool) -> None:
    volume = volume_in(DIRECTIONS[name])
    path = tmp_path / f"scan{suffix}"
    write_metaimage(path, volume, compress=compress)
    assert_same(sitk.ReadImage(str(path)), volume)


@pytest.mark.parametrize(("suffix", "compress"), SUFFIXES)
@pytest.mark.parametrize("name", DIRECTIONS)
def test_we_read_what_simpleitk_writes(tmp_path: Path, name: str, suffix: str, compress: bool) -> None:
    image = sitk.GetImageFromArray(VOXELS_ZYX)
    image.SetSpacing((1 / 3, 0.1 + 0.2, 2.5))
    image.SetOrigin((-1 / 7, 1e-5, -1395.1))
    image.SetDirection(DIRECTIONS[name].ravel().tolist())
    path = tmp_path / f"scan{suffix}"
    sitk.WriteImage(image, str(path), compress)
    assert_same(image, read_metaimage(path))


def test_metadata_that_simpleitk_carries_from_file_to_file_is_read_past(tmp_path: Path) -> None:
    first, second = tmp_path / "first.mha", tmp_path / "second.mhd"
    sitk.WriteImage(sitk.GetImageFromArray(VOXELS_ZYX), str(first))
    again = sitk.ReadImage(str(first))
    again.SetMetaData("Modality", "MET_MOD_CT")
    again.SetMetaData("0008|0060", "CT")
    sitk.WriteImage(again, str(second))
    text = second.read_text()
    assert "ITK_InputFilterName" in text
    assert "0008|0060" in text
    assert_same(again, read_metaimage(second))


def test_nifti_metadata_is_read_past(tmp_path: Path) -> None:
    nifti, path = tmp_path / "scan.nii", tmp_path / "scan.mhd"
    sitk.WriteImage(sitk.GetImageFromArray(VOXELS_ZYX), str(nifti))
    sitk.WriteImage(sitk.ReadImage(str(nifti)), str(path))
    assert "pixdim[1]" in path.read_text()
    assert np.array_equal(read_metaimage(path).voxels_zyx, VOXELS_ZYX)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.uint16, np.int32, np.float32])
def test_other_pixel_types_of_simpleitk(tmp_path: Path, dtype: type[np.generic]) -> None:
    ramp = np.arange(24).reshape(2, 3, 4).astype(dtype)
    path = tmp_path / "scan.mha"
    sitk.WriteImage(sitk.GetImageFromArray(ramp), str(path), True)
    assert np.array_equal(read_metaimage(path).voxels_zyx, ramp)


def test_a_real_scan_reads_as_simpleitk_reads_it(real_ct: Path) -> None:
    (path,) = (real_ct / "scans/LIDC-IDRI-0001").glob("*.mhd")
    assert_same(sitk.ReadImage(str(path)), read_metaimage(path))
