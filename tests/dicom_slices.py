"""A small CT series in files, written by pydicom: random voxels, unequal spacing, names in no order."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from fedlung.errors import BadScan
from fedlung.imaging.dicom_series import read_dicom_series
from fedlung.imaging.volume import CTVolume

CT, SECONDARY_CAPTURE, DICOMDIR = (f"1.2.840.10008.{tail}" for tail in ("5.1.4.1.1.2", "5.1.4.1.1.7", "1.3.10"))
SERIES = "1.2.826.0.1.3680043.8.498.1"
PATIENT = "Zhang^San"

SLICES, ROWS, COLUMNS = 5, 18, 20
SPACING_ZYX_MM = (1.25, 0.7, 0.5)
ORIGIN = np.array([-101.5, 33.25, -240.0])
STORED_ZYX = np.random.default_rng(0).integers(0, 4096, (SLICES, ROWS, COLUMNS))
INTERCEPT = -1024

# Direction along a row, then down a column (LPS).
ORIENTATIONS = {
    "axial, head first supine": (1, 0, 0, 0, 1, 0),
    "axial, head first prone": (-1, 0, 0, 0, -1, 0),
    "axial, from above": (-1, 0, 0, 0, 1, 0),
    "coronal": (1, 0, 0, 0, 0, -1),
    "sagittal": (0, 1, 0, 0, 0, -1),
    "oblique": tuple(
        np.array(sitk.VersorTransform((0.3, -0.5, 0.2), 0.7).GetMatrix()).reshape(3, 3).T[:2].ravel().tolist()
    ),
}
AXIAL = ORIENTATIONS["axial, head first supine"]


def ct_slice(z: int, orientation: tuple[float, ...] = AXIAL, **changes: Any) -> Dataset:
    """Slice ``z`` of the series; ``changes`` sets elements by keyword, None removes one."""
    normal = np.cross(orientation[:3], orientation[3:])
    position = ORIGIN + z * SPACING_ZYX_MM[0] * normal
    elements = {
        "SpecificCharacterSet": "GB18030",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "SOPClassUID": CT,
        "SOPInstanceUID": f"{SERIES}.{z + 1}",
        "Modality": "CT",
        "PatientName": PATIENT,
        "PatientID": PATIENT,
        "SeriesInstanceUID": SERIES,
        "InstanceNumber": SLICES - z,  # descending: it may not decide about the order
        "ImagePositionPatient": [f"{value:.9f}"[:16] for value in position],
        "ImageOrientationPatient": [f"{value:.12f}"[:16] for value in orientation],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": ROWS,
        "Columns": COLUMNS,
        "PixelSpacing": list(SPACING_ZYX_MM[1:]),
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "RescaleIntercept": INTERCEPT,
        "RescaleSlope": 1,
        "PixelData": STORED_ZYX[z % SLICES].astype("<u2").tobytes(),
    }
    dataset = Dataset()
    for keyword, value in (elements | changes).items():
        if value is not None:
            setattr(dataset, keyword, value)
    return dataset


def save(dataset: Dataset, path: Path, syntax: UID = ExplicitVRLittleEndian) -> None:
    path.parent.mkdir(exist_ok=True)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = syntax
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)


def save_series(
    folder: Path, change: Callable[[Dataset, int], None] = lambda dataset, z: None, orientation: Any = AXIAL
) -> Path:
    """All slices under random names, each changed by ``change(dataset, z)`` before it is written."""
    for z, number in enumerate(random.sample(range(1000), SLICES)):
        dataset = ct_slice(z, orientation)
        change(dataset, z)
        save(dataset, folder / f"IM{number:04}")
    return folder


def reason(folder: Path) -> str:
    with pytest.raises(BadScan) as refusal:
        read_dicom_series(folder)
    message = str(refusal.value)
    assert message.isprintable()
    assert PATIENT not in message
    return message


def move(dataset: Dataset, *offset_xyz_mm: float) -> None:
    dataset.ImagePositionPatient = (np.array(dataset.ImagePositionPatient, dtype=float) + offset_xyz_mm).tolist()


def assert_is_the_series(volume: CTVolume) -> None:
    assert volume.series_uid == SERIES
    assert np.array_equal(volume.voxels_zyx, STORED_ZYX + INTERCEPT)
