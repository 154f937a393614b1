"""The DICOM series that a scan was made from, where the hospital keeps it: what SEG and SR refer to.

Only headers are read, whatever the pixels are packed in; a deflated file, whose header could be a bomb, is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom import Dataset
from pydicom.errors import InvalidDicomError

from fedlung.errors import BadScan
from fedlung.imaging.dicom_header import CT_IMAGE, collect_elements
from fedlung.imaging.geometry import Geometry

_MODALITY = {0x00080060: "Modality"}


@dataclass(frozen=True, eq=False)
class DicomSource:
    """Headers of the slices, without pixels, in their order along the normal; slice i is plane i of ``geometry``."""

    slices: tuple[Dataset, ...]
    geometry: Geometry


def read_source(files: Sequence[Path]) -> DicomSource:
    """The CT series in ``files``; localizers among them are passed over.

    Raises:
        BadScan: the files are not the slices of one CT series any more.
    """
    try:
        found = [dataset for path in files if (dataset := _slice_or_none(path)) is not None]
        if len(found) < 2 or len({str(dataset.SeriesInstanceUID) for dataset in found}) != 1:
            raise BadScan(f"the kept DICOM files hold {len(found)} CT slices, expected those of one series")
        return _in_order(found)
    except (AttributeError, TypeError, ValueError, InvalidDicomError) as error:
        raise BadScan(f"the kept DICOM files cannot be used: {type(error).__name__}") from None


def _slice_or_none(path: Path) -> Dataset | None:
    collect_elements(path, _MODALITY)  # walks the header with its own limits, and refuses deflated files
    dataset = pydicom.dcmread(path, stop_before_pixels=True)
    is_slice = dataset.SOPClassUID == CT_IMAGE and "LOCALIZER" not in dataset.get("ImageType", [])
    return dataset if is_slice else None


def _in_order(found: Sequence[Dataset]) -> DicomSource:
    first = found[0]
    x_axis, y_axis = np.array(first.ImageOrientationPatient, dtype=float).reshape(2, 3)
    normal = np.cross(x_axis, y_axis)
    normal /= np.linalg.norm(normal)
    places = np.array([dataset.ImagePositionPatient for dataset in found], dtype=float)
    order = np.argsort(places @ normal)
    step_mm = float((places[order[-1]] - places[order[0]]) @ normal) / (len(found) - 1)
    x, y, z = places[order[0]].tolist()
    row_mm, column_mm = (float(value) for value in first.PixelSpacing)
    geometry = Geometry(
        (len(found), int(first.Rows), int(first.Columns)),
        (step_mm, row_mm, column_mm),
        (x, y, z),
        tuple(np.stack([x_axis, y_axis, normal], axis=1).ravel().tolist()),
    )
    return DicomSource(tuple(found[index] for index in order), geometry)
