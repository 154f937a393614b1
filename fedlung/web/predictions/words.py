"""Words for the codes of a prediction, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import gettext, lazy_gettext

from fedlung.detection.attenuation import GROUND_GLASS, PART_SOLID, SOLID
from fedlung.detection.categories import BASELINE, NEW
from fedlung.detection.position import LEFT, LOWER, MIDDLE, PLEURA, RIGHT, UPPER
from fedlung.stores.prediction_marks import ACCEPTED, MODEL, OPEN, READER, REJECTED
from fedlung.web.error_answers import ANSWERS
from fedlung.web.i18n import locale
from fedlung.web.predictions import reading
from fedlung.web.predictions.service import SERVER

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


def warning_words(warning: Mapping[str, Any]) -> str:
    sentence: str = str(WARNINGS[warning["code"]]) % warning["values"]
    return sentence


def error_words(error: Mapping[str, str]) -> str:
    """Why a prediction failed: the plain sentence in the reader's language, then what was found exactly."""
    text = str(ANSWERS.get(error["code"], ANSWERS["failed"])[1])
    if error["code"] == "failed":
        text = gettext("The scan could not be read to the end.")
    return error["message"] if locale() == "en" else f"{text} ({error['message']})"
