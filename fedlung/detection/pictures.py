"""One picture per nodule: axial, coronal and sagittal plane through its centre, with crosshair and scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fedlung.detection.candidates import Candidate
from fedlung.detection.prediction import RESEARCH_USE
from fedlung.imaging.preprocessing import PreparedScan

FIELD_MM = 64
PIXELS_PER_MM = 5
SIDE = FIELD_MM * PIXELS_PER_MM
GAP = 8
HEADER, FOOTER = 26, 22
LUNG_WINDOW_HU = (-1350, 150)
"""Width 1500, level -600."""
BACKGROUND = (16, 18, 22)
CROSSHAIR = (0, 200, 220)
CIRCLE = (255, 170, 0)
TEXT = (235, 235, 235)
Font = ImageFont.ImageFont | ImageFont.FreeTypeFont
# (name, axis that is cut, letters at left/right/top/bottom). Axial and coronal are seen as radiologists do:
# the patient's right is on the left. Rows of coronal and sagittal are flipped so that the head is up.
PLANES = (("axial", 0, "RLAP"), ("coronal", 1, "RLSI"), ("sagittal", 2, "APSI"))


def draw_nodule(scan: PreparedScan, nodule: Candidate, number: int) -> Image.Image:
    """The nodule in three planes of 64 mm, true size, with a circle of its diameter; what is known stands above."""
    planes = draw_planes(scan, nodule.center_xyz_mm, nodule.diameter_mm)
    picture = Image.new("RGB", (planes.width, HEADER + planes.height), BACKGROUND)
    picture.paste(planes, (0, HEADER))
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=14)
    x, y, z = nodule.center_xyz_mm
    caption = (
        f"Nodule {number}: probability {nodule.probability:.2f}, diameter {nodule.diameter_mm:.1f} mm, "
        f"volume {nodule.volume_mm3:.0f} mm3, at ({x:.1f}, {y:.1f}, {z:.1f}) mm LPS"
    )
    draw.text((GAP, 5), caption, fill=TEXT, font=font)
    draw.text((picture.width - GAP, 5), RESEARCH_USE, fill=CIRCLE, font=font, anchor="ra")
    return picture


def draw_planes(scan: PreparedScan, center_xyz_mm: tuple[float, float, float], diameter_mm: float) -> Image.Image:
    """Three planes of 64 mm through a place, true size, with a circle of ``diameter_mm``, letters and a scale bar."""
    width = 3 * SIDE + 4 * GAP
    picture = Image.new("RGB", (width, SIDE + FOOTER), BACKGROUND)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=14)
    center = scan.geometry.world_to_index(center_xyz_mm)
    for position, (name, axis, letters) in enumerate(PLANES):
        left = GAP + position * (SIDE + GAP)
        plane = Image.fromarray(_plane(scan, center, axis))
        _mark(ImageDraw.Draw(plane), diameter_mm)
        _letter(ImageDraw.Draw(plane), letters, font)
        picture.paste(plane, (left, 0))
        draw.text((left + 4, SIDE + 3), name, fill=TEXT, font=font)
    _scale_bar(draw, width, font)
    return picture


def _plane(scan: PreparedScan, center_zyx: NDArray[np.float64], axis: int) -> NDArray[np.uint8]:
    """The cut through the nearest slice, centred to a fraction of a pixel; black outside the prepared scan.

    Pixel p of the picture shows voxel ``center + (p + 0.5) / PIXELS_PER_MM - FIELD_MM / 2`` (nearest).
    """
    # The nearest slice that there is: a piece of a scan may end half a voxel before the place.
    cut = min(max(round(float(center_zyx[axis])), 0), scan.hu_zyx.shape[axis] - 1)
    plane = np.take(scan.hu_zyx, cut, axis=axis)
    rows_center, columns_center = np.delete(center_zyx, axis)
    offsets = (np.arange(SIDE) + 0.5) / PIXELS_PER_MM - FIELD_MM / 2
    row_offsets = offsets if axis == 0 else offsets[::-1]
    rows, columns = np.rint(rows_center + row_offsets).astype(int), np.rint(columns_center + offsets).astype(int)
    values = plane[np.ix_(rows.clip(0, plane.shape[0] - 1), columns.clip(0, plane.shape[1] - 1))]
    low, high = LUNG_WINDOW_HU
    gray = np.clip((values.astype(np.float32) - low) * (255 / (high - low)), 0, 255)
    gray[(rows < 0) | (rows >= plane.shape[0])] = 0
    gray[:, (columns < 0) | (columns >= plane.shape[1])] = 0
    return np.repeat(gray.astype(np.uint8)[:, :, None], 3, axis=2)


def _mark(draw: ImageDraw.ImageDraw, diameter_mm: float) -> None:
    """Crosshair that leaves the nodule free, and a circle of its diameter."""
    middle = SIDE / 2
    radius = diameter_mm / 2 * PIXELS_PER_MM
    free = min(radius + 10, middle - 6)
    for sign in (-1, 1):
        draw.line((middle + sign * free, middle, middle + sign * middle, middle), fill=CROSSHAIR)
        draw.line((middle, middle + sign * free, middle, middle + sign * middle), fill=CROSSHAIR)
    draw.ellipse((middle - radius, middle - radius, middle + radius, middle + radius), outline=CIRCLE)


def _letter(draw: ImageDraw.ImageDraw, letters: str, font: Font) -> None:
    """Which side of the patient is at the left, right, top and bottom."""
    middle = SIDE / 2
    places = ((8, middle - 12), (SIDE - 8, middle - 12), (middle + 10, 10), (middle + 10, SIDE - 10))
    for letter, place in zip(letters, places, strict=True):
        # The black edge keeps a letter readable on soft tissue and bone.
        draw.text(place, letter, fill=TEXT, font=font, anchor="mm", stroke_width=2, stroke_fill=(0, 0, 0))


def _scale_bar(draw: ImageDraw.ImageDraw, width: int, font: Font) -> None:
    right, y = width - GAP, SIDE + 11
    draw.line((right - 10 * PIXELS_PER_MM, y, right, y), fill=TEXT, width=3)
    draw.text((right - 10 * PIXELS_PER_MM - 6, y), "10 mm", fill=TEXT, font=font, anchor="rm")
