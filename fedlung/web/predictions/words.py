"""Words for the codes of a prediction, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import gettext, lazy_gettext

from fedlung.detection.attenuation import GROUND_GLASS, PART_SOLID, SOLID
from fedlung.detection.categories import BASELINE, NEW
from fedlung.detection.diameter_agreement import FEWEST_NODULES
from fedlung.detection.position import LEFT, LOWER, MIDDLE, PLEURA, RIGHT, UPPER
from fedlung.stores.prediction_marks import ACCEPTED, MODEL, OPEN, READER, REJECTED
from fedlung.web.error_answers import ANSWERS
from fedlung.web.i18n import locale
from fedlung.web.predictions import reading
from fedlung.web.predictions.service import CANCELLED, SERVER
from fedlung.web.scans.refusal_words import in_words

RESEARCH_USE = lazy_gettext("Research use, not for diagnosis.")
SIDES: Mapping[str, Any] = {
    LEFT: lazy_gettext("left lung"),
    RIGHT: lazy_gettext("right lung"),
    MIDDLE: lazy_gettext("between the lungs"),
}
HEIGHTS: Mapping[str, Any] = {
    UPPER: lazy_gettext("upper third"),
    MIDDLE: lazy_gettext("middle third"),
    LOWER: lazy_gettext("lower third"),
}
NEAR_PLEURA = lazy_gettext("near the pleura")
ATTENUATIONS: Mapping[str, Any] = {
    SOLID: lazy_gettext("solid"),
    PART_SOLID: lazy_gettext("part-solid"),
    GROUND_GLASS: lazy_gettext("ground glass"),
}
CATEGORY_RULES: Mapping[str, Any] = {  # as `fedlung.detection.categories.RULES`; a test compares
    BASELINE: lazy_gettext(
        "Lung-RADS 1.1 and 2022, if solid, baseline: below 6 mm: 2; 6 to below 8 mm: 3; 8 to below 15 mm: 4A;"
        " from 15 mm: 4B"
    ),
    NEW: lazy_gettext(
        "Lung-RADS 1.1 and 2022, if solid, new: below 4 mm: 2; 4 to below 6 mm: 3; 6 to below 8 mm: 4A; from 8 mm: 4B"
    ),
}
STAGES: Mapping[str, Any] = {
    reading.MODEL: lazy_gettext("loading the model"),
    reading.READ: lazy_gettext("reading the scan"),
    reading.PREPARE: lazy_gettext("finding the lungs, resampling"),
    reading.NETWORK: lazy_gettext("running the network"),
    reading.CANDIDATES: lazy_gettext("collecting the marks"),
    reading.DESCRIBE: lazy_gettext("measuring and describing"),
    SERVER: lazy_gettext("server"),
}
STATUSES: Mapping[str, Any] = {
    OPEN: lazy_gettext("open"),
    ACCEPTED: lazy_gettext("accepted"),
    REJECTED: lazy_gettext("rejected"),
}
SOURCES: Mapping[str, Any] = {MODEL: lazy_gettext("model"), READER: lazy_gettext("reader")}
WARNINGS: Mapping[str, Any] = {
    "thick_slices": lazy_gettext(
        "Thick slices: %(thickness_mm)s mm, more than %(limit_mm)s mm. Small nodules may be missed and sizes be wrong."
    ),
    "unusual_spacing": lazy_gettext(
        "Voxels of %(spacing_mm)s mm (x, y, z) are unlike those of the scans that such models are trained on."
    ),
    "lungs_cut_below": lazy_gettext(
        "The lungs go on below the first slice. What lies there was not read: nothing is known about nodules in it."
    ),
    "lungs_cut_above": lazy_gettext(
        "The lungs go on above the last slice. What lies there was not read: nothing is known about nodules in it."
    ),
    "lungs_not_found": lazy_gettext(
        "The lungs were not found, so the whole body was searched; expect more false marks. (%(reason)s)"
    ),
}


def position_words(position: Mapping[str, str]) -> str:
    """``left lung, upper third, near the pleura``; empty when nothing is known."""
    words = [SIDES.get(position["side"]), HEIGHTS.get(position["height"])]
    words.append(NEAR_PLEURA if position["near"] == PLEURA else None)
    comma: str = gettext(", ")
    return comma.join(str(word) for word in words if word is not None)


def category_words(category: Mapping[str, str]) -> dict[str, str]:
    """The category with its rule in the reader's language."""
    return {**category, "rule": str(CATEGORY_RULES[category["occasion"]])}


def agreement_words(agreement: Mapping[str, Any] | None) -> str:
    """How far off diameters of one size were in validation (`fedlung.detection.diameter_agreement`)."""
    if agreement is None:
        unknown: str = gettext("How far off the diameter may be is not known: the model's validation has no diameters.")
        return unknown
    size, count = _size_words(*agreement["bounds_mm"]), agreement["num_nodules"]
    if count < FEWEST_NODULES:
        few: str = gettext(
            "How far off diameters %(size)s may be is not known: the model's validation has too few nodules measured"
            " at this size (%(count)s).",
            size=size,
            count=count,
        )
        return few
    text: str = gettext(
        "In validation, measured diameters %(size)s were %(limits)s (95%% limits of agreement, %(count)s nodules).",
        size=size,
        limits=_limit_words(*agreement["limits_of_agreement_mm"]),
        count=count,
    )
    return text


def _size_words(low_mm: float, high_mm: float | None) -> str:
    text: str
    if high_mm is None:
        text = gettext("of %(low)s mm or more", low=f"{low_mm:g}")
    elif low_mm == 0:
        text = gettext("below %(high)s mm", high=f"{high_mm:g}")
    else:
        text = gettext("of %(low)s to below %(high)s mm", low=f"{low_mm:g}", high=f"{high_mm:g}")
    return text


def _limit_words(low_mm: float, high_mm: float) -> str:
    """Signs as words; what is shown as 0.0 has none."""
    low, high = round(low_mm, 1), round(high_mm, 1)
    values = {"low": f"{abs(low):.1f}", "high": f"{abs(high):.1f}"}
    text: str
    if low >= 0:
        text = gettext("%(low)s to %(high)s mm too large", **values)
    elif high <= 0:
        text = gettext("%(low)s to %(high)s mm too small", **values)
    else:
        text = gettext("between %(low)s mm too small and %(high)s mm too large", **values)
    return text


def warning_words(warning: Mapping[str, Any]) -> str:
    values = {name: in_words(value) if isinstance(value, str) else value for name, value in warning["values"].items()}
    sentence: str = str(WARNINGS[warning["code"]]) % values
    return sentence


def error_words(error: Mapping[str, str]) -> str:
    """Why a prediction failed: the plain sentence in the reader's language, then what was found exactly."""
    if error["code"] == CANCELLED:
        cancelled: str = gettext("Cancelled by %(name)s.", name=error["by"])
        return cancelled
    text = str(ANSWERS.get(error["code"], ANSWERS["failed"])[1])
    if error["code"] == "failed":
        text = gettext("The scan could not be read to the end.")
    return error["message"] if locale() == "en" else f"{text} ({in_words(error['message'])})"
