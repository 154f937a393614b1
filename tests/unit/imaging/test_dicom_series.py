"""DICOM series, written by pydicom: the right voxels in the right place, whatever the order of the files, their
orientation and coding. What is refused: ``test_dicom_refusals``; hostile files: ``tests/faults``.
"""

from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from fedlung.imaging.dicom_series import read_dicom_series
from fedlung.imaging.metaimage import read_metaimage
from fedlung.imaging.resampling import reorient_to_lps
from tests.dicom_slices import (
    COLUMNS,
    DICOMDIR,
    INTERCEPT,
    ORIENTATIONS,
    PATIENT,
    ROWS,
    SECONDARY_CAPTURE,
    SLICES,
    SPACING_ZYX_MM,
    STORED_ZYX,
    assert_is_the_series,
    ct_slice,
    move,
    reason,
    save,
    save_series,
)


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_every_pixel_lies_where_the_standard_puts_it(tmp_path: Path, name: str) -> None:
    """Slow twin: equation C.7.6.2.1-1 of DICOM PS3.3 for each file, straight from what pydicom reads."""
    volume = read_dicom_series(save_series(tmp_path, orientation=ORIENTATIONS[name]))
    assert_is_the_series(volume)
    for path in tmp_path.iterdir():
        dataset = pydicom.dcmread(path)
        along_row, down_column = np.reshape(dataset.ImageOrientationPatient, (2, 3)).astype(float)
        between_rows, between_columns = dataset.PixelSpacing
        for row, column in [(0, 0), (0, 7), (11, 0), (ROWS - 1, COLUMNS - 1)]:
            world = np.array(dataset.ImagePositionPatient, dtype=float)
            world = world + along_row * between_columns * column + down_column * between_rows * row
            z, y, x = volume.geometry.world_to_index(world)
            assert (z, y, x) == pytest.approx((round(z), row, column), abs=1e-5)
            assert volume.voxels_zyx[round(z), row, column] == int(dataset.pixel_array[row, column]) + INTERCEPT


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_simpleitk_reads_the_same(tmp_path: Path, name: str) -> None:
    volume = read_dicom_series(save_series(tmp_path, orientation=ORIENTATIONS[name]))
    image = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path)))
    assert np.array_equal(sitk.GetArrayFromImage(image), volume.voxels_zyx)
    assert image.GetSpacing() == pytest.approx(volume.geometry.spacing_zyx_mm[::-1], abs=1e-6)
    assert image.GetOrigin() == pytest.approx(volume.geometry.origin_xyz_mm, abs=1e-6)
    assert image.GetDirection() == pytest.approx(volume.geometry.direction_xyz, abs=1e-6)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, RLELossless, JPEG2000Lossless])
@pytest.mark.parametrize("signed", [False, True])
def test_codings(tmp_path: Path, syntax: UID, signed: bool) -> None:
    # Signed values that use all 16 bits; their HU leave int16 with any other intercept.
    stored = STORED_ZYX * 15 - 2**15 if signed else STORED_ZYX
    for z in range(SLICES):
        dataset = ct_slice(z, PixelData=stored[z].astype("<i2" if signed else "<u2").tobytes())
        if signed:
            dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation, dataset.RescaleIntercept = 16, 15, 1, 0
        if syntax == RLELossless:
            dataset.file_meta = FileMetaDataset()
            dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            dataset.compress(syntax, encoding_plugin="pydicom", generate_instance_uid=False)
        elif syntax == JPEG2000Lossless:
            dataset.PixelData = encapsulate([jpeg_2000(stored[z], signed)])
            dataset["PixelData"].VR = "OB"
        save(dataset, tmp_path / str(z), syntax)
    assert np.array_equal(read_dicom_series(tmp_path).voxels_zyx, stored + (0 if signed else INTERCEPT))


def jpeg_2000(stored: Any, signed: bool) -> bytes:
    """A lossless codestream by Pillow, which only writes unsigned ones: signed, they are the same, less 32768."""
    stream = BytesIO()
    Image.fromarray((stored + (2**15 if signed else 0)).astype(np.uint16)).save(stream, "JPEG2000", no_jp2=True)
    content = bytearray(stream.getvalue())
    content[42] |= 0x80 * signed  # the sign bit of Ssiz, ISO/IEC 15444-1 table A.11
    return bytes(content)


def test_jpeg_2000_of_a_vendor_that_calls_signed_values_unsigned(tmp_path: Path) -> None:
    """The bit patterns count: pydicom carries such a file, a CT of 13 bits."""
    source = pydicom.dcmread(get_testdata_file("J2K_pixelrep_mismatch.dcm"))
    for z in range(2):
        dataset = ct_slice(z)
        for keyword in ("Rows", "Columns", "BitsStored", "HighBit", "PixelRepresentation", "PixelData"):
            dataset[keyword] = source[keyword]
        save(dataset, tmp_path / str(z), JPEG2000Lossless)
    volume = read_dicom_series(tmp_path)
    assert (source.BitsStored, source.PixelRepresentation) == (13, 1)
    assert np.array_equal(volume.voxels_zyx[0], source.pixel_array.astype(np.int32) + INTERCEPT)


def test_each_slice_is_rescaled_by_its_own_header(tmp_path: Path) -> None:
    slopes, intercepts = [1, 2, 0.5, 1, 1.5], [-1024, -1000, 0, 0.25, -3000]

    def rescale(dataset: Dataset, z: int) -> None:
        dataset.RescaleSlope, dataset.RescaleIntercept = slopes[z], intercepts[z]

    expected = [np.rint(STORED_ZYX[z] * slopes[z] + intercepts[z]) for z in range(SLICES)]
    assert np.array_equal(read_dicom_series(save_series(tmp_path, rescale)).voxels_zyx, expected)


def test_padding_is_rescaled_and_stays_in_int16(tmp_path: Path) -> None:
    stored = np.full((ROWS, COLUMNS), -900, dtype="<i2")
    stored[0], stored[1] = -(2**15), -2000

    def pad(dataset: Dataset, z: int) -> None:
        dataset.PixelRepresentation, dataset.PixelData = 1, stored.tobytes()
        dataset.add_new("PixelPaddingValue", "SS", -(2**15) if z else -2000)

    message = reason(save_series(tmp_path / "two kinds", pad))
    assert "stored values must be -2048 to 2047 (BitsStored), got -32768" in message

    stored[1] = -900
    volume = read_dicom_series(save_series(tmp_path / "one kind", lambda dataset, z: pad(dataset, 1)))
    assert (volume.voxels_zyx[:, 0] == -(2**15)).all()
    assert (volume.voxels_zyx[:, 1:] == -900 + INTERCEPT).all()


def test_what_stands_beside_the_slices_is_passed_over(tmp_path: Path) -> None:
    save_series(tmp_path)
    save(ct_slice(0, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], SeriesInstanceUID="1.9"), tmp_path / "scout")
    save(ct_slice(0, SOPClassUID=SECONDARY_CAPTURE, Modality="OT", SeriesInstanceUID="1.8"), tmp_path / "dose.dcm")
    save(ct_slice(0, SOPClassUID=DICOMDIR, Modality=None, PixelData=None), tmp_path / "DICOMDIR")
    save(ct_slice(0, Modality="PT", SeriesInstanceUID="1.7"), tmp_path / "pet")
    (tmp_path / "README.txt").write_text("about this CD")
    (tmp_path / "._IM0001.dcm").write_text("a Mac was here")
    (tmp_path / "sub-folder").mkdir()
    save(ct_slice(1), tmp_path / "sub-folder/IM0001")
    assert_is_the_series(read_dicom_series(tmp_path))


def test_nested_sequences_are_stepped_over(tmp_path: Path) -> None:
    """With defined and undefined lengths, of known and unknown VR, holding elements that the slice has, too."""

    def nested(depth: int) -> Dataset:
        item = Dataset()
        item.Rows, item.RescaleSlope, item.PatientName = 1, 1000, PATIENT
        if depth:
            item.ReferencedImageSequence = [Dataset(), nested(depth - 1)]
            item["ReferencedImageSequence"].is_undefined_length = bool(depth % 2)
            item.ReferencedImageSequence[1].is_undefined_length_sequence_item = depth > 2
        return item

    def change(dataset: Dataset, z: int) -> None:
        dataset.ReferencedImageSequence = [nested(4), Dataset()]
        dataset["ReferencedImageSequence"].is_undefined_length = True
        block = dataset.private_block(0x29, "SOMEBODY", create=True)
        block.add_new(0x10, "OB", bytes(range(256)) * 400)  # longer than a short VR can say
        block.add_new(0x11, "SQ", [nested(3)])

    assert_is_the_series(read_dicom_series(save_series(tmp_path / "explicit", change)))
    for path in (tmp_path / "explicit").iterdir():
        save(pydicom.dcmread(path), tmp_path / "implicit" / path.name, ImplicitVRLittleEndian)
    assert_is_the_series(read_dicom_series(tmp_path / "implicit"))


def test_two_slices_are_a_series(tmp_path: Path) -> None:
    for z in (0, 3):
        save(ct_slice(z), tmp_path / str(z))
    volume = read_dicom_series(tmp_path)
    assert volume.geometry.spacing_zyx_mm == pytest.approx((3 * SPACING_ZYX_MM[0], *SPACING_ZYX_MM[1:]))


def test_a_tilt_below_the_tolerance_is_read(tmp_path: Path) -> None:
    shear = np.tan(np.radians(0.4)) * SPACING_ZYX_MM[0]
    assert_is_the_series(read_dicom_series(save_series(tmp_path, lambda dataset, z: move(dataset, 0, shear * z, 0))))


def test_the_real_series_is_the_scan_of_luna16(real_ct: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(real_ct / "dicom/LIDC-IDRI-0005.zip") as archive:
        archive.extractall(tmp_path)
    volume = read_dicom_series(tmp_path)
    (path,) = (real_ct / "scans/LIDC-IDRI-0005").glob("*.mhd")
    ours, luna16 = reorient_to_lps(volume), reorient_to_lps(read_metaimage(path))
    assert ours.series_uid == luna16.series_uid
    assert np.array_equal(ours.voxels_zyx, luna16.voxels_zyx)
    last = np.subtract(ours.geometry.shape_zyx, 1)
    for index in [np.zeros(3), last]:
        difference_mm = ours.geometry.index_to_world(index) - luna16.geometry.index_to_world(index)
        assert np.abs(difference_mm).max() < 1e-3
