"""What a page sends as the annotations of a scan, checked finding by finding."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from flask_babel import gettext

from fedlung.errors import InvalidInput
from fedlung.imaging.annotations import MARKED_DIAMETERS_MM, UNKNOWN_DIAMETER_MM
from fedlung.imaging.geometry import Geometry
from fedlung.stores.annotation_versions import KINDS, ORIGINS, ScanFinding
from fedlung.web.json_bodies import only_fields
from fedlung.web.scans.own_scans import flag

LONGEST_COMMENT = 500
MOST_FINDINGS = 1000
FIELDS = ("id", "kind", "center_xyz_mm", "diameter_mm", "origin", "author", "time", "comment")
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class AnnotationRequest:
    """``version`` is the one that was read."""

    version: int
    is_read: bool
    origin: str
    findings: tuple[ScanFinding, ...]


def parse_annotations(payload: Mapping[str, Any], geometry: Geometry) -> AnnotationRequest:
    """The body of ``PUT /api/scans/<id>/annotations``, for a scan that lies at ``geometry``.

    Raises:
        InvalidInput: with a sentence for the first thing that is wrong in each finding.
    """
    only_fields(payload, "version", "is_read", "origin", "findings")
    version, findings = payload.get("version"), payload.get("findings")
    if not isinstance(version, int) or isinstance(version, bool) or version < 0:
        raise InvalidInput(fields={"version": gettext("A whole number is needed.")})
    if not isinstance(findings, list) or len(findings) > MOST_FINDINGS:
        raise InvalidInput(fields={"findings": gettext("A list is needed.")})
    origin = payload.get("origin", "click")
    if origin not in ORIGINS:
        raise InvalidInput(fields={"origin": gettext("Must be one of %(expected)s.", expected=", ".join(ORIGINS))})
    wrong: dict[str, str] = {}
    parsed = [_finding(each, f"findings.{number}", origin, geometry, wrong) for number, each in enumerate(findings)]
    kept = tuple(finding for finding in parsed if finding is not None)
    if len({finding.id for finding in kept}) < len(kept):
        wrong["findings"] = gettext("Each finding needs an id of its own.")
    if wrong:
        raise InvalidInput(next(iter(wrong.values())), wrong)
    return AnnotationRequest(version, bool(flag(payload, "is_read")), origin, kept)


def _finding(each: object, where: str, origin: str, geometry: Geometry, wrong: dict[str, str]) -> ScanFinding | None:
    """None, and a sentence in ``wrong``, for one that makes no sense."""
    if not isinstance(each, dict) or not set(each) <= set(FIELDS):
        wrong[where] = gettext("A finding has the fields %(names)s.", names=", ".join(FIELDS))
        return None
    center, diameter = _numbers(each.get("center_xyz_mm")), each.get("diameter_mm")
    kind, comment, came = each.get("kind", "nodule"), each.get("comment", ""), each.get("origin", origin)
    if kind not in KINDS:
        wrong[f"{where}.kind"] = gettext("Must be one of %(expected)s.", expected=", ".join(KINDS))
    elif center is None:
        wrong[f"{where}.center_xyz_mm"] = gettext("Three numbers are needed, in millimetres.")
    elif not geometry.contains(center):
        wrong[f"{where}.center_xyz_mm"] = gettext("This point lies outside the scan.")
    elif not _is_diameter(diameter, kind):
        wrong[f"{where}.diameter_mm"] = gettext(
            "The diameter must be %(low)s to %(high)s mm.",
            low=int(MARKED_DIAMETERS_MM[0]),
            high=int(MARKED_DIAMETERS_MM[1]),
        )
    elif not isinstance(comment, str) or len(comment) > LONGEST_COMMENT:
        wrong[f"{where}.comment"] = gettext("At most %(number)s characters.", number=LONGEST_COMMENT)
    elif came not in ORIGINS:
        wrong[f"{where}.origin"] = gettext("Must be one of %(expected)s.", expected=", ".join(ORIGINS))
    else:
        known = each.get("id")
        identity = known if isinstance(known, str) and _ID.fullmatch(known) else uuid4().hex
        return ScanFinding(identity, kind, center, float(diameter or 0), came, comment=comment.strip())
    return None


def _is_diameter(value: object, kind: str) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return MARKED_DIAMETERS_MM[0] <= value <= MARKED_DIAMETERS_MM[1] or (
        kind == "ignore" and value == UNKNOWN_DIAMETER_MM
    )


def _numbers(value: object) -> tuple[float, float, float] | None:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 3:
        return None
    if not all(isinstance(each, int | float) and not isinstance(each, bool) and math.isfinite(each) for each in value):
        return None
    x, y, z = (float(each) for each in value)
    return x, y, z
