"""A reading beside one of an earlier scan of the same person: what is new, what has grown, what is gone.

What the other scan does not show is neither new nor gone: that scan says nothing about it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

import numpy as np
from flask_babel import gettext
from numpy.typing import ArrayLike

from fedlung.detection.categories import NEW, category_of
from fedlung.detection.comparison import MATCHED_WITHIN_MM, Pair, Seen, match
from fedlung.errors import FedLungError, InvalidInput
from fedlung.imaging.geometry import Geometry
from fedlung.imaging.metaimage import read_metaimage
from fedlung.imaging.registration import DOUBTFUL_CORRELATION, RigidMotion, align
from fedlung.imaging.volume import CTVolume
from fedlung.reports.marked_scan import MarkedScan, ReportedMark
from fedlung.web.predictions.scan_files import ScanFile
from fedlung.web.predictions.service import PredictionService
from fedlung.web.predictions.words import agreement_words, category_words

logger = logging.getLogger(__name__)
Json = dict[str, Any]
Point = tuple[float, float, float]
_ONE_AT_A_TIME = threading.Lock()  # two whole scans are in memory


def compare(service: PredictionService, current: MarkedScan, prior: MarkedScan) -> Json:
    """Reported marks of both, matched after the prior scan was laid over the current one.

    Raises:
        InvalidInput: they are one scan, of two persons, cannot be aligned, or the prior one is newer.
        NotFound, BadScan: a scan is gone or cannot be read.
    """
    here = service.scans.find(current.record.hospital_id, current.record.scan_id)
    there = service.scans.find(prior.record.hospital_id, prior.record.scan_id)
    days = _days_between(here, there)
    motion, seconds = _motion(service, current, prior, here, there)
    found = match(_seen(current.reported), [_moved(seen, motion) for seen in _seen(prior.reported)])
    # What one scan reports may be marked in the other, too, and not reported there: then it is no news.
    left_out = match(found.new, [_moved(seen, motion) for seen in _seen(_unreported(prior))]).pairs
    left_out_now = match(_seen(_unreported(current)), found.gone).pairs
    was_weak = {pair.now.id: asdict(pair.prior) for pair in left_out}
    is_weak = {pair.prior.id: asdict(pair.now) for pair in left_out_now}
    new, not_in_prior = _covered(found.new, was_weak, prior.viewed, motion.to_moving)
    gone, not_in_current = _covered(found.gone, is_weak, current.viewed, np.asarray)
    return {
        "prediction_id": current.record.id,
        "prior_id": prior.record.id,
        "threshold": current.threshold,
        "prior_threshold": prior.threshold,
        "same_model": current.record.model["sha256"] == prior.record.model["sha256"],
        "matched_within_mm": MATCHED_WITHIN_MM,
        "days": days,
        "same_patient": True if here.patient_key and here.patient_key == there.patient_key else None,
        "alignment": {
            "shift_xyz_mm": [round(value, 2) for value in motion.shift_xyz_mm],
            "rotation_degrees": round(motion.angle_degrees, 2),
            "correlation": round(motion.correlation, 4),
            "is_doubtful": motion.correlation < DOUBTFUL_CORRELATION,
            "seconds": seconds,
        },
        "pairs": [_pair(pair, days) for pair in found.pairs],
        "new": [
            {**asdict(seen), "category": _category_of_new(seen), "unreported": was_weak.get(seen.id)} for seen in new
        ],
        "gone": [{**asdict(seen), "unreported": is_weak.get(seen.id)} for seen in gone],
        "not_in_prior": [asdict(seen) for seen in not_in_prior],
        "not_in_current": [asdict(seen) for seen in not_in_current],
        "diameter_texts": _diameter_texts(current, prior, found.pairs),
    }


def _days_between(here: ScanFile, there: ScanFile) -> int | None:
    if here.scan_id == there.scan_id:
        raise InvalidInput(fields={"prior": gettext("That is the same scan.")})
    if here.patient_key and there.patient_key and here.patient_key != there.patient_key:
        raise InvalidInput(fields={"prior": gettext("The two scans are of different persons.")})
    try:
        days = (date.fromisoformat(here.study_date) - date.fromisoformat(there.study_date)).days
    except ValueError:
        return None  # not both dates are known
    if days < 0:
        raise InvalidInput(fields={"prior": gettext("That scan is newer, not a prior one.")})
    return days


def _motion(
    service: PredictionService, current: MarkedScan, prior: MarkedScan, here: ScanFile, there: ScanFile
) -> tuple[RigidMotion, float]:
    """Computed once for two predictions; with the seconds that it took now."""
    kept = service.store.registration(current.record, prior.record)
    if kept is not None:
        return RigidMotion.from_json(kept), 0.0
    with _ONE_AT_A_TIME:
        started = time.perf_counter()
        motion = _aligned(read_metaimage(here.path), read_metaimage(there.path))
        seconds = round(time.perf_counter() - started, 2)
    service.store.keep_registration(current.record, prior.record, motion.to_json())
    return motion, seconds


def _aligned(fixed: CTVolume, moving: CTVolume) -> RigidMotion:
    try:
        return align(fixed, moving)
    except FedLungError as error:
        logger.info("%s", error)
        sentence = gettext("The two scans cannot be laid upon each other: they show too little of the same.")
        raise InvalidInput(fields={"prior": sentence}) from None


def _unreported(scan: MarkedScan) -> list[ReportedMark]:
    return [item for item in scan.marks if not item.is_reported]


def _covered(
    marks: Sequence[Seen], weak: Mapping[str, Json], other: Geometry, to_other: Callable[[Point], ArrayLike]
) -> tuple[list[Seen], list[Seen]]:
    """Those that the other scan would show whole, or has marked weakly; and those outside it or cut by its border."""
    shown = [
        seen.id in weak or float(other.depth_mm(to_other(seen.center_xyz_mm))) >= seen.diameter_mm / 2 for seen in marks
    ]
    inside = [seen for seen, is_shown in zip(marks, shown, strict=True) if is_shown]
    return inside, [seen for seen, is_shown in zip(marks, shown, strict=True) if not is_shown]


def _diameter_texts(current: MarkedScan, prior: MarkedScan, pairs: Iterable[Pair]) -> list[str]:
    """How far off the diameters of which a change is said may be, each sentence once; nothing for a reader's own."""
    paired = [(current, pair.now.id) for pair in pairs] + [(prior, pair.prior.id) for pair in pairs]
    measured = [(scan, item) for scan, mark_id in paired for item in scan.reported if item.mark.id == mark_id]
    as_found = sorted(
        ((scan, item) for scan, item in measured if item.is_as_found), key=lambda one: one[1].mark.diameter_mm
    )
    return list(dict.fromkeys(agreement_words(scan.diameter_agreement(item)) for scan, item in as_found))


def _seen(marks: Iterable[ReportedMark]) -> list[Seen]:
    return [
        Seen(item.mark.id, item.mark.center_xyz_mm, item.mark.diameter_mm, round(item.volume_mm3, 1)) for item in marks
    ]


def _moved(seen: Seen, motion: RigidMotion) -> Seen:
    x, y, z = motion.to_fixed(seen.center_xyz_mm).round(3).tolist()
    return Seen(seen.id, (x, y, z), seen.diameter_mm, seen.volume_mm3)


def _pair(pair: Pair, days: int | None) -> Json:
    doubling = pair.doubling_time_days(days)
    return {
        "now": asdict(pair.now),
        "prior": asdict(pair.prior),
        "distance_mm": round(pair.distance_mm, 1),
        "diameter_change_mm": round(pair.diameter_change_mm, 1),
        "volume_change_percent": round(pair.volume_change_percent, 1),
        "has_grown": pair.has_grown,
        "doubling_time_days": None if doubling is None else round(doubling),
    }


def _category_of_new(seen: Seen) -> Json:
    category = category_of(seen.diameter_mm, NEW)
    return category_words({"occasion": category.occasion, "value": category.value})
