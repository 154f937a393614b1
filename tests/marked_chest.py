"""A finished prediction of `tests.fake_reader.chest` with judged marks, and its scan as a DICOM series."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from fedlung.detection.description import describe, label_grid
from fedlung.detection.position import LungMap
from fedlung.detection.prediction import ModelOrigin, Prediction
from fedlung.events import FINISHED
from fedlung.imaging.preprocessing import prepare
from fedlung.imaging.resampling import reorient_to_lps
from fedlung.reports.marked_scan import MarkedScan, marked_scan
from fedlung.stores.prediction_marks import ACCEPTED, READER, REJECTED, Mark, MarkStore, MarkVersion
from fedlung.stores.predictions import PredictionRecord
from tests.fake_reader import PROBABILITIES, THRESHOLD, chest, marked

MODEL = {
    "id": "one",
    "name": "Model 一",
    "sha256": "a" * 64,
    "hospitals": 3,
    "round": 12,
    "created": "2026-01-01",
    "operating_points": [{"threshold": 0.5, "fp_per_scan": 1.0, "sensitivity": 0.75, "num_scans": 3.0}],
}
RECORD = PredictionRecord(
    id="0123456789abcdef" * 2,
    hospital_id="hospital_a",
    scan_id="chest0",
    scan_sha256="v",
    model=MODEL,
    by="li",
    created="2026-01-01T00:00:00.000+00:00",
    state=FINISHED,
    started="2026-01-01T00:00:01.000+00:00",
    finished="2026-01-01T00:00:11.000+00:00",
    threshold=THRESHOLD,
    seconds={"read": 0.5, "network": 7.25},
    uncertainty=0.25,
    num_candidates=3,
)
READERS = Mark("r1", READER, (-60.0, 10.0, 20.0), 7.0, ACCEPTED, "=added, 边界清楚 <b>", "li", "2026-01-01")


def reading() -> tuple[dict[str, Any], NDArray[np.uint8]]:
    """What the store keeps of the prediction: content and labels."""
    scan = prepare(chest())
    mask, candidates = marked(scan, PROBABILITIES)
    origin = ModelOrigin("a" * 64, "model.pth", {}, {})
    prediction = Prediction(scan, chest().geometry, candidates, THRESHOLD, mask, origin, {})
    viewed = reorient_to_lps(chest()).geometry
    content = {
        "candidates": describe(prediction, viewed),
        "lungs": LungMap.of(scan).to_json(),
        "lung_volume_l": 1.2,
        "viewed": viewed.to_json(),
        "original": chest().geometry.to_json(),
        "prepared": scan.geometry.to_json(),
    }
    return content, label_grid(prediction)


def judged(content: dict[str, Any], folder: Path) -> MarkVersion:
    """m1 accepted, m2 rejected, m3 (below the threshold) untouched, and one of a reader's own."""
    store, candidates = MarkStore(), content["candidates"]
    one, two, three = store.newest(folder, candidates).items
    items = [replace(one, status=ACCEPTED), replace(two, status=REJECTED), three, READERS]
    return store.save(folder, candidates, 0, items, first_read_declared=True, author="li")


def scan_of(content: dict[str, Any], version: MarkVersion, threshold: float | None = None) -> MarkedScan:
    return marked_scan(RECORD, content, version, threshold, "病人 07")


def save_dicom(folder: Path) -> list[Path]:
    """The chest as a series of CT slices, in files with names in no order."""
    folder.mkdir(parents=True, exist_ok=True)
    volume, geometry = chest(), chest().geometry
    for z, plane in enumerate(volume.voxels_zyx):
        dataset = _slice(z, geometry.direction, geometry.index_to_world((z, 0, 0)), geometry.spacing_zyx_mm)
        dataset.Rows, dataset.Columns = plane.shape
        dataset.PixelData = plane.astype("<i2").tobytes()
        pydicom.dcmwrite(folder / f"IM{(z * 37) % 101:04}", dataset, enforce_file_format=True)
    return sorted(folder.iterdir())


def _slice(z: int, direction: NDArray[Any], position: NDArray[Any], spacing: tuple[float, ...]) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID = pydicom.uid.CTImageStorage
    dataset.SOPInstanceUID = f"1.2.826.0.1.3680043.8.498.7.{z + 1}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.826.0.1.3680043.8.498.5", "1.2.826.0.1.3680043.8.498.6"
    dataset.FrameOfReferenceUID = "1.2.826.0.1.3680043.8.498.8"
    dataset.Modality, dataset.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate, dataset.PatientSex = "Zhang^San", "P7", "", ""
    dataset.StudyDate, dataset.StudyTime, dataset.StudyID, dataset.AccessionNumber = "20260101", "120000", "1", ""
    dataset.ReferringPhysicianName, dataset.SeriesNumber, dataset.InstanceNumber = "", 1, z + 1
    dataset.ImagePositionPatient = [f"{value:.9f}"[:16] for value in position]
    dataset.ImageOrientationPatient = [f"{value:.9f}"[:16] for value in direction.T[:2].ravel()]
    dataset.PixelSpacing, dataset.SliceThickness = [spacing[1], spacing[2]], spacing[0]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
    dataset.RescaleIntercept, dataset.RescaleSlope = 0, 1
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset
