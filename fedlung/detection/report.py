"""Writing a prediction down: nodules.csv (LUNA16 form), nodules.json, mask.mhd, one picture per nodule."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedlung.detection.candidates import Candidate
from fedlung.detection.pictures import draw_nodule
from fedlung.detection.prediction import RESEARCH_USE, Prediction
from fedlung.imaging.metaimage import write_metaimage
from fedlung.imaging.volume import CTVolume

CSV_COLUMNS = ("seriesuid", "coordX", "coordY", "coordZ", "probability", "diameter_mm")


def write_report(prediction: Prediction, folder: Path) -> list[Path]:
    """Write all files into ``folder`` (made when missing); pictures of an earlier report in it are removed.

    Returns:
        The pictures, best nodule first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("nodule_*.png"):
        old.unlink()
    pictures = []
    for number, nodule in enumerate(prediction.shown, start=1):
        picture = folder / f"nodule_{number:02d}.png"
        draw_nodule(prediction.scan, nodule, number).save(picture)
        pictures.append(picture)
    _write_csv(prediction, folder / "nodules.csv")
    (folder / "nodules.json").write_text(json.dumps(to_json(prediction), indent=2) + "\n", encoding="utf-8")
    labels = CTVolume(f"{prediction.scan.series_uid}", label_map(prediction), prediction.original)
    write_metaimage(folder / "mask.mhd", labels, compress=True)
    return pictures


def _write_csv(prediction: Prediction, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(CSV_COLUMNS)
        for item in prediction.candidates:
            coordinates = [f"{value:.4f}" for value in item.center_xyz_mm]
            writer.writerow(
                [prediction.scan.series_uid, *coordinates, f"{item.probability:.6f}", f"{item.diameter_mm:.3f}"]
            )


def to_json(prediction: Prediction) -> dict[str, Any]:
    """The whole prediction but for the voxels, as values that ``json`` writes."""
    scan = prediction.scan
    return {
        "format": "fedlung-prediction-1",
        "notice": RESEARCH_USE,
        "series_uid": scan.series_uid,
        "coordinates": "world millimetres, LPS",
        "threshold": prediction.threshold,
        "num_shown": len(prediction.shown),
        "warnings": list(scan.warnings),
        "lung_volume_l": round(scan.lung_volume_l, 3),
        "seconds": {name: round(value, 3) for name, value in prediction.seconds.items()},
        "model": {
            "version": prediction.model.version,
            "file": prediction.model.file_name,
            "architecture": prediction.model.architecture,
            "metadata": prediction.model.metadata,
        },
        "nodules": [_nodule_json(prediction, item, n) for n, item in enumerate(prediction.candidates, start=1)],
    }


def _nodule_json(prediction: Prediction, item: Candidate, number: int) -> dict[str, Any]:
    index_zyx = prediction.original.world_to_index(item.center_xyz_mm)
    return {
        "number": number,
        "center_xyz_mm": [round(value, 4) for value in item.center_xyz_mm],
        "index_zyx": [round(value, 2) for value in index_zyx.tolist()],
        "probability": round(item.probability, 6),
        "diameter_mm": round(item.diameter_mm, 3),
        "volume_mm3": round(item.volume_mm3, 1),
        "measured": "mask" if item.measured else "size head",
        "shown": item.probability >= prediction.threshold,
    }


def label_map(prediction: Prediction) -> NDArray[np.int16]:
    """Labels 1, 2, ... of the shown nodules on the voxels of the scan as it was given, 0 elsewhere.

    Each nodule is its part of the mask; where the mask has none, its ball. Label i is row i of the table.
    """
    labels = np.zeros(prediction.original.shape_zyx, dtype=np.int16)
    # The best nodule is drawn last: where two touch, it keeps its voxels.
    for number, item in reversed(list(enumerate(prediction.shown, start=1))):
        _draw_label(labels, prediction, item, number)
    return labels


def _draw_label(labels: NDArray[np.int16], prediction: Prediction, item: Candidate, number: int) -> None:
    """Look up the voxels of the scan around one nodule in the mask, nearest voxel."""
    spacing = np.asarray(prediction.original.spacing_zyx_mm)
    reach = np.ceil(item.diameter_mm / spacing).astype(int) + 1
    middle = np.rint(prediction.original.world_to_index(item.center_xyz_mm)).astype(int)
    low, high = np.maximum(middle - reach, 0), np.minimum(middle + reach + 1, labels.shape)
    grid = np.stack(np.meshgrid(*map(np.arange, low, high), indexing="ij"), axis=-1)
    world = prediction.original.index_to_world(grid)
    inside = _in_component(prediction, item, world) if item.measured else _in_ball(item, world)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    labels[box][inside] = number
    if not inside.any():  # a small nodule between two thick slices
        labels[tuple(np.clip(middle, 0, np.asarray(labels.shape) - 1))] = number


def _in_ball(item: Candidate, world: NDArray[np.float64]) -> NDArray[np.bool_]:
    distances_mm = np.linalg.norm(world - np.asarray(item.center_xyz_mm), axis=-1)
    return np.asarray(distances_mm <= item.diameter_mm / 2)


def _in_component(prediction: Prediction, item: Candidate, world: NDArray[np.float64]) -> NDArray[np.bool_]:
    geometry = prediction.scan.geometry
    component, start = item.outline(prediction.mask, geometry)
    if component is None:
        return _in_ball(item, world)
    index = np.rint(geometry.world_to_index(world)).astype(int) - start
    known = ((index >= 0) & (index < component.shape)).all(axis=-1)
    inside = np.zeros(known.shape, dtype=bool)
    inside[known] = component[tuple(index[known].T)]
    return inside
