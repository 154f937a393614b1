"""What every export is made of: the marks of one prediction as people left them, at one threshold.

All formats are written from `MarkedScan`, so that they say the same. *Reported* are the marks that a person accepted
or added, and those nobody has judged that reach the threshold; CSV and JSON hold the others, too, and say so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from fedlung.detection.categories import category_of
from fedlung.detection.description import slice_number
from fedlung.detection.diameter_agreement import agreement_at
from fedlung.detection.position import LungMap
from fedlung.imaging.geometry import Geometry
from fedlung.stores.prediction_marks import ACCEPTED, MODEL, REJECTED, Mark, MarkVersion
from fedlung.stores.predictions import PredictionRecord

RESEARCH_USE = "Research use, not for diagnosis."


@dataclass(frozen=True)
class ReportedMark:
    """One mark, ready to be written down.

    Attributes:
        number: its row, from 1: reported marks first, then by falling probability.
        name: what the page calls it, whatever was judged: its place among the model's marks, or R1, R2 for a reader's.
        probability: the model's; None for a mark that a reader added.
        volume_mm3: of the model's mask, or of the ball where a reader moved, resized or added the mark.
        label: its number in the model's mask; None where that does not show this mark as it is now.
        is_as_found: place and size are the model's; a reader's own measure is not the model's to vouch for.
        position: codes of `fedlung.detection.position`.
        attenuation: code of `fedlung.detection.attenuation`; None for a ball that is not the model's.
    """

    number: int
    name: str
    mark: Mark
    probability: float | None
    volume_mm3: float
    slice_number: int
    position: Mapping[str, str]
    attenuation: str | None
    category: Mapping[str, str]
    label: int | None
    is_as_found: bool
    is_reported: bool


@dataclass(frozen=True)
class MarkedScan:
    """One prediction with its marks at one threshold.

    Attributes:
        scan_label: what people call the scan.
        content: what `fedlung.stores.predictions.PredictionStore.content` gives.
        marks: reported ones first.
    """

    record: PredictionRecord
    scan_label: str
    content: Mapping[str, Any]
    threshold: float
    version: MarkVersion
    marks: tuple[ReportedMark, ...]

    @property
    def reported(self) -> tuple[ReportedMark, ...]:
        return tuple(mark for mark in self.marks if mark.is_reported)

    @property
    def viewed(self) -> Geometry:
        """Grid of the scan in the viewer's order."""
        return Geometry.from_json(self.content["viewed"])

    def diameter_agreement(self, item: ReportedMark) -> dict[str, Any] | None:
        """What the model's validation says of diameters of this size; None: nothing, or a reader measured it."""
        validation = self.record.model.get("validation") or {}
        return agreement_at(validation, item.mark.diameter_mm) if item.is_as_found else None

    @property
    def operating_point(self) -> Mapping[str, Any] | None:
        """What the model's validation says about the threshold, or about the nearest one below it."""
        points = self.record.model.get("operating_points", [])
        below = [point for point in points if point["threshold"] <= self.threshold + 1e-9]
        return max(below, key=lambda point: float(point["threshold"]), default=None)


def marked_scan(
    record: PredictionRecord,
    content: Mapping[str, Any],
    version: MarkVersion,
    threshold: float | None = None,
    scan_label: str = "",
) -> MarkedScan:
    """The marks of a finished prediction at ``threshold``; None takes the model's own."""
    limit = threshold if threshold is not None else record.threshold if record.threshold is not None else 0.0
    viewed = Geometry.from_json(content["viewed"])
    candidates = {item["id"]: (number, item) for number, item in enumerate(content["candidates"], start=1)}
    lungs = LungMap.from_json(content["lungs"], Geometry.from_json(content["prepared"]))
    names = _names(version.items, candidates)
    found = [_reported(names[mark.id], mark, candidates.get(mark.id), limit, viewed, lungs) for mark in version.items]
    return MarkedScan(record, scan_label or record.scan_id, content, limit, version, tuple(_numbered(found)))


def ball_volume_mm3(diameter_mm: float) -> float:
    return math.pi / 6 * diameter_mm**3


def _names(marks: Sequence[Mark], candidates: Mapping[str, tuple[int, Any]]) -> dict[str, str]:
    """As `rowsOf` of the page's marks.js has them."""
    readers = [mark.id for mark in marks if mark.id not in candidates]
    found = {mark_id: str(number) for mark_id, (number, _) in candidates.items()}
    return found | {mark_id: f"R{number}" for number, mark_id in enumerate(readers, start=1)}


def _reported(
    name: str, mark: Mark, found: tuple[int, Mapping[str, Any]] | None, limit: float, viewed: Geometry, lungs: LungMap
) -> ReportedMark:
    label, candidate = found if found is not None else (None, {})
    probability = float(candidate["probability"]) if candidate else None
    is_as_found = bool(candidate) and (
        list(mark.center_xyz_mm) == list(candidate["center_xyz_mm"]) and mark.diameter_mm == candidate["diameter_mm"]
    )
    category = category_of(mark.diameter_mm)
    judged = mark.status == ACCEPTED or mark.source != MODEL
    reaches = probability is not None and probability >= limit
    return ReportedMark(
        number=0,
        name=name,
        mark=mark,
        probability=probability,
        volume_mm3=float(candidate["volume_mm3"]) if is_as_found else ball_volume_mm3(mark.diameter_mm),
        slice_number=slice_number(viewed, mark.center_xyz_mm),
        position=asdict(lungs.position(mark.center_xyz_mm, mark.diameter_mm)),
        attenuation=candidate["attenuation"] if is_as_found else None,
        category={"occasion": category.occasion, "rule": category.rule, "value": category.value},
        label=label if is_as_found else None,
        is_as_found=is_as_found,
        is_reported=mark.status != REJECTED and (judged or reaches),
    )


def _numbered(found: Iterable[ReportedMark]) -> list[ReportedMark]:
    ordered = sorted(found, key=lambda item: (not item.is_reported, -(item.probability or 0.0)))
    return [replace(item, number=number) for number, item in enumerate(ordered, start=1)]
