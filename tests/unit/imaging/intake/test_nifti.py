"""NIfTI files as SimpleITK writes them, in every pose; and headers that would put a scan in the wrong place."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from fedlung.errors import BadScan
from fedlung.imaging.intake.nifti import read_nifti
from fedlung.imaging.intake.nifti_header import parse_nifti_header
from tests.intake_world import VOXELS_ZYX, nifti

ROTATED = np.array(sitk.VersorTransform((0.3, -0.5, 0.2), 0.7).GetMatrix()).reshape(3, 3)
POSES = {
    "lps": np.eye(3),
    "flipped as in LUNA16": np.diag([-1.0, -1.0, 1.0]),
    "feet first": np.diag([1.0, 1.0, -1.0]),
    "mirrored": np.diag([1.0, -1.0, 1.0]),
    "axes exchanged": np.eye(3)[:, [1, 2, 0]],
    "oblique": ROTATED,
}
OFFSETS = {"dim": 40, "datatype": 70, "bitpix": 72, "pixdim": 76, "vox_offset": 108, "slope": 112, "qform": 252}
OFFSETS |= {"units": 123, "quatern": 256, "sform": 254, "srow": 280, "magic": 344, "descrip": 148}


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", ["int16", "uint8", "float32", "float64", "int32"])
def test_it_reads_what_simpleitk_writes(tmp_path: Path, pose: str, suffix: str, dtype: str) -> None:
    stored = (VOXELS_ZYX % 200).astype(dtype)
    image = sitk.GetImageFromArray(stored)
    image.SetSpacing((0.7, 0.8, 2.5))
    image.SetOrigin((-100.25, 33.5, -240.0))
    image.SetDirection(POSES[pose].ravel().tolist())
    path = tmp_path / f"scan{suffix}"
    sitk.WriteImage(image, str(path))
    volume, _ = read_nifti(path)
    assert volume.series_uid == "scan"
    assert np.array_equal(volume.voxels_zyx, stored)
    corner = tuple(count - 1 for count in image.GetSize())
    for index_xyz in ((0, 0, 0), corner):
        world = volume.geometry.index_to_world(index_xyz[::-1])
        assert np.allclose(world, image.TransformIndexToPhysicalPoint(index_xyz), atol=1e-3)


def changed(field: str, form: str, *values: float | bytes, at: int = 0) -> bytes:
    content = bytearray(nifti())
    struct.pack_into(form, content, OFFSETS[field] + at, *values)
    return bytes(content)


def reason(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(BadScan) as refusal:
        read_nifti(path)
    assert str(refusal.value).isprintable()
    return str(refusal.value).removeprefix(f"{path.name}: ")


NAN = float("nan")
REFUSED = {
    "two axes": (changed("dim", "<h", 2), "dim must be a single volume"),
    "a series in time": (changed("dim", "<5h", 4, 18, 16, 2, 2), "dim must be a single volume"),
    "no voxels": (changed("dim", "<h", 0, at=2), "dim must be 1 to 2048"),
    "negative size": (changed("dim", "<h", -18, at=2), "dim must be 1 to 2048"),
    "spacing 0": (changed("pixdim", "<f", 0, at=4), "pixdim must be 0.05 to 20 mm"),
    "spacing nan": (changed("pixdim", "<f", NAN, at=4), "pixdim must be 0.05 to 20 mm"),
    "metres": (changed("units", "<B", 1), "xyzt_units must be millimetres"),
    "complex voxels": (changed("datatype", "<h", 32), "datatype must be a plain number type"),
    "wrong bitpix": (changed("bitpix", "<h", 8), "bitpix must be 16 for datatype 4"),
    "voxels before the header's end": (changed("vox_offset", "<f", 0), "vox_offset must be"),
    "vox_offset nan": (changed("vox_offset", "<f", NAN), "vox_offset must be"),
    "no place": (changed("sform", "<h", 0), "qform_code and sform_code are 0"),
    "two places": (changed("qform", "<h", 1), "qform must be|qform and sform place the scan"),
    "shear": (changed("srow", "<f", 0.3, at=4), "sform must be a rotation"),
    "another step": (changed("srow", "<f", -0.8), "sform must be a rotation"),
    "far away": (changed("srow", "<f", 1e30, at=12), "sform must be finite"),
    "nowhere": (changed("srow", "<f", NAN, at=12), "sform must be finite"),
    "slope infinite": (changed("slope", "<f", float("inf")), "scl_slope and scl_inter"),
    "slope negative": (changed("slope", "<f", -1), "scl_slope and scl_inter"),
    "half of a pair": (changed("magic", "4s", b"ni1\0"), "the header of a pair"),
    "another magic": (changed("magic", "4s", b"n+2\0"), "magic must be n+1"),
    "one byte short": (nifti()[:-1], "dim and datatype ask for"),
    "one byte more": (nifti() + b"\0", "dim and datatype ask for"),
    "half a header": (nifti()[:200], "the file is cut off"),
    "too bright": (changed("slope", "<2f", 100, 0), "voxels must be HU of -32768 to 32767"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(tmp_path: Path, case: str) -> None:
    content, sentence = REFUSED[case]
    message = reason(tmp_path / "scan.nii", content)
    assert any(part in message for part in sentence.split("|")), message


def test_nan_in_float_voxels_is_refused(tmp_path: Path) -> None:
    voxels = np.full(VOXELS_ZYX.size, np.nan, "<f4").tobytes()
    head = bytearray(nifti()[:352])
    struct.pack_into("<2h", head, OFFSETS["datatype"], 16, 32)
    assert reason(tmp_path / "scan.nii", bytes(head) + voxels).startswith("voxels must be HU of")


def test_a_rescale_is_applied(tmp_path: Path) -> None:
    path = tmp_path / "scan.nii.gz"
    path.write_bytes(gzip.compress(changed("slope", "<2f", 2, -24)))
    assert np.array_equal(read_nifti(path)[0].voxels_zyx, VOXELS_ZYX * 2 - 24)


def test_big_endian_is_read(tmp_path: Path) -> None:
    little = nifti()
    swapped = bytearray(little)
    for form, start, count in (("i", 0, 1), ("h", 40, 8), ("h", 68, 4), ("f", 76, 12), ("h", 252, 2), ("f", 280, 12)):
        struct.pack_into(f">{count}{form}", swapped, start, *struct.unpack_from(f"<{count}{form}", little, start))
    swapped[352:] = VOXELS_ZYX.astype(">i2").tobytes()
    (tmp_path / "scan.nii").write_bytes(swapped)
    volume, _ = read_nifti(tmp_path / "scan.nii")
    assert np.array_equal(volume.voxels_zyx, VOXELS_ZYX)


def test_texts_are_told_by_the_names_of_their_fields(tmp_path: Path) -> None:
    content = bytearray(changed("descrip", "20s", b"Zhang San 1970-01-01"))
    extended = content[:352] + bytes(16) + content[352:]
    struct.pack_into("<f", extended, OFFSETS["vox_offset"], 368)
    (tmp_path / "scan.nii").write_bytes(extended)
    volume, header = read_nifti(tmp_path / "scan.nii")
    assert header.texts == ("descrip", "extensions")
    assert np.array_equal(volume.voxels_zyx, VOXELS_ZYX)


def test_quaternion_and_matrix_say_the_same() -> None:
    content = bytearray(nifti()[:352])
    by_matrix = parse_nifti_header(bytes(content)).geometry
    # 180 degrees around z: -x, -y, z, which is what the matrix of the file says.
    struct.pack_into("<2h", content, OFFSETS["qform"], 1, 0)
    struct.pack_into("<6f", content, OFFSETS["quatern"], 0, 0, 1, 100, 120, -300)
    by_quaternion = parse_nifti_header(bytes(content)).geometry
    assert np.allclose(by_quaternion.direction, by_matrix.direction, atol=1e-6)
    assert by_quaternion.origin_xyz_mm == by_matrix.origin_xyz_mm
