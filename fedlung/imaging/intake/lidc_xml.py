"""LIDC-IDRI's XML: what up to four radiologists drew on one CT series, slice by slice, in pixels.

The message is parsed without entities and within bounds. Contours are the outermost pixels *outside* a nodule, so a
slice of it is what lies strictly inside (Armato et al. 2011, "The Lung Image Database Consortium (LIDC) and Image
Database Resource Initiative (IDRI)", Med Phys 38(2); schema at https://wiki.cancerimagingarchive.net/x/fIBs).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np

from fedlung.errors import BadAnnotations
from fedlung.imaging.geometry import FloatArray

MAX_READERS = 20
MAX_TAGS = 500_000
"""The longest message of LIDC-IDRI has about 100 000; every tag costs memory."""
MAX_PIXEL = 4096
_DECLARATION = re.compile(r"<!(DOCTYPE|ENTITY)", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?\d{1,6}(\.\d{0,9})?", re.ASCII)


@dataclass(frozen=True, eq=False)
class Contour:
    """One slice of a nodule: its outline as pixel columns and rows, (n, 2), and where the slice lies (world z, mm)."""

    z_mm: float
    pixels_xy: FloatArray
    is_hole: bool


@dataclass(frozen=True)
class Reading:
    """What one radiologist marked: ``nodules`` of 3 mm and more with outlines; ``points`` are all other marks."""

    nodules: tuple[tuple[Contour, ...], ...]
    points: tuple[Contour, ...]


@dataclass(frozen=True)
class LidcMessage:
    """One XML file."""

    series_uid: str
    readings: tuple[Reading, ...]


def parse_lidc(content: bytes) -> LidcMessage:
    """Parse a message.

    Raises:
        BadAnnotations: no such XML, entities in it, or a number that is missing or out of range.
    """
    try:
        text = content.decode("utf-8-sig")
        if _DECLARATION.search(text):
            raise BadAnnotations("the XML declares entities or a document type, which an LIDC message never does")
        if text.count("<") > MAX_TAGS:
            raise BadAnnotations(f"an LIDC message has at most {MAX_TAGS} tags, got {text.count('<')}")
        root = ElementTree.fromstring(text)
    except (UnicodeDecodeError, ElementTree.ParseError, ValueError, RecursionError):
        raise BadAnnotations("the file is no readable XML in UTF-8") from None
    uid = next((element.text for element in _all(root, "SeriesInstanceUid", "SeriesInstanceUID") if element.text), None)
    if uid is None or not re.fullmatch(r"[0-9.]{1,64}", uid.strip()):
        raise BadAnnotations("the XML is no LIDC message about a CT series: SeriesInstanceUid is missing")
    sessions = list(_all(root, "readingSession"))
    if not 1 <= len(sessions) <= MAX_READERS:
        raise BadAnnotations(f"an LIDC message holds 1 to {MAX_READERS} reading sessions, got {len(sessions)}")
    return LidcMessage(uid.strip(), tuple(_reading(session) for session in sessions))


def _all(element: ElementTree.Element, *names: str) -> Iterator[ElementTree.Element]:
    """Elements of these names in any namespace."""
    return (found for found in element.iter() if found.tag.rpartition("}")[2] in names)


def _reading(session: ElementTree.Element) -> Reading:
    nodules: list[tuple[Contour, ...]] = []
    points: list[Contour] = []
    for nodule in _all(session, "unblindedReadNodule"):
        contours = tuple(_contour(roi, "edgeMap") for roi in _all(nodule, "roi"))
        # Below 3 mm a reader only clicks on the centre: one outline of one point.
        if sum(len(contour.pixels_xy) for contour in contours) > 1:
            nodules.append(contours)
        else:
            points += contours
    points += [_contour(mark, "locus") for mark in _all(session, "nonNodule")]
    return Reading(tuple(nodules), tuple(points))


def _contour(region: ElementTree.Element, point_name: str) -> Contour:
    pixels = [(_pixel(point, "xCoord"), _pixel(point, "yCoord")) for point in _all(region, point_name)]
    if not pixels:
        raise BadAnnotations(f"the XML holds a region without {point_name}")
    if len(pixels) > 1 and pixels[0] == pixels[-1]:  # closed outlines repeat their first point
        pixels.pop()
    inclusion = next((element.text for element in _all(region, "inclusion")), None)
    is_hole = (inclusion or "TRUE").strip().upper() == "FALSE"
    return Contour(_number(region, "imageZposition"), np.array(pixels, dtype=float), is_hole)


def _pixel(point: ElementTree.Element, name: str) -> float:
    value = _number(point, name)
    if not 0 <= value < MAX_PIXEL:
        raise BadAnnotations(f"{name} must be a pixel of 0 to {MAX_PIXEL - 1}, got {value:g}")
    return value


def _number(element: ElementTree.Element, name: str) -> float:
    text = next((found.text or "" for found in _all(element, name)), "").strip()
    if not _NUMBER.fullmatch(text):
        raise BadAnnotations(f"{name} must be a number, got {text!r:.40}")
    return float(text)


def inner_pixels(pixels_xy: FloatArray) -> float:
    """How many pixels lie strictly inside an outline of n pixels: Pick's theorem, inside = area - n / 2 + 1."""
    x, y = pixels_xy.T
    area = 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))
    return max(area - len(pixels_xy) / 2 + 1, 0.0)


def equivalent_diameter_mm(volume_mm3: float) -> float:
    """Diameter of the ball of that volume."""
    return 2 * math.cbrt(3 * volume_mm3 / (4 * math.pi))
