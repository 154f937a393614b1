"""Is this scan a chest CT that can be trained on? One plain sentence for each thing that was looked at.

"error" is for what would teach a detector nonsense (values that are no HU, a piece of a chest); "warning" for what a
person should know. Limits without a source are wide: they catch mistakes, not unusual patients.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from fedlung.imaging.geometry import Geometry
from fedlung.imaging.intake.scan_facts import Check, ScanFacts, Values
from fedlung.imaging.intake.texts import N_
from fedlung.imaging.lungs import LungMask
from fedlung.imaging.volume import CTVolume

FORMS = {"metaimage": "MetaImage", "nifti": "NIfTI", "dicom": "DICOM", "folder": "MetaImage"}

PIXELS_PER_SIDE = 64
HEIGHT_MM = (100, 200)
"""Below the first a scan is a piece of a chest, below the second it may lack an end of the lungs."""
FIELD_OF_VIEW_MM = (150, 250, 700)
"""Across: too small for lungs; perhaps too small; too large for a scanner's bore."""
PIXEL_MM = (0.3, 1.2, 3.0)
SLICE_DISTANCE_MM = (2.55, 6.0)
"""LUNA16 left out scans above 2.5 mm (Setio et al. 2017), which positions may give as 2.5000001; above 6 mm most
nodules are on one slice or none."""
GAP_SHARE = 0.75
"""Slices thinner than this share of their distance leave tissue between them unseen."""
MAX_TILT_DEGREES = 10.0
SAMPLE_STEP = 4
AIR_HU, TISSUE_HU = -700, (-200, 300)
LEAST_SHARE = 0.01
HIGHEST_HU = 2500
CUT_LUNG_CM2 = 30.0
MOST_NAMED_SLICES = 5


def all_checks(volume_lps: CTVolume, stored: Geometry, lungs: LungMask, facts: ScanFacts) -> tuple[Check, ...]:
    """Every check of a scan that could be read.

    Args:
        volume_lps: in LPS order.
        stored: its geometry as it was sent, before that.
        lungs: of ``volume_lps``.
        facts: what the header said.
    """
    geometry = volume_lps.geometry
    return (
        _form(geometry, facts),
        _height(geometry),
        _field_of_view(geometry),
        _pixel_spacing(geometry),
        _slice_distance(geometry, facts),
        _slices(volume_lps, facts),
        _orientation(stored),
        _hounsfield(volume_lps),
        _lungs(lungs),
        *_cut_lungs(lungs),
        *_burnt_in(facts),
    )


def _form(geometry: Geometry, facts: ScanFacts) -> Check:
    slices, rows, columns = geometry.shape_zyx
    text = N_("Read as %(form)s: %(slices)d slices of %(columns)d x %(rows)d voxels.")
    values: Values = {"form": FORMS[facts.source], "slices": slices, "rows": rows, "columns": columns}
    if min(rows, columns) < PIXELS_PER_SIDE:
        text = N_("Slices of only %(columns)d x %(rows)d voxels (%(form)s, %(slices)d slices); a CT has 512 x 512.")
        return Check("format", "error", text, values)
    return Check("format", "ok", text, values)


def _height(geometry: Geometry) -> Check:
    height_mm = round(geometry.shape_zyx[0] * geometry.spacing_zyx_mm[0])
    values: Values = {"height": height_mm, "slices": geometry.shape_zyx[0]}
    if height_mm < HEIGHT_MM[0]:
        text = N_("The scan is only %(height)d mm high (%(slices)d slices): a piece of a chest, which is about 300 mm.")
        return Check("height", "error", text, values)
    if height_mm < HEIGHT_MM[1]:
        text = N_("The scan is %(height)d mm high (%(slices)d slices); part of the lungs may be missing.")
        return Check("height", "warning", text, values)
    return Check("height", "ok", N_("The scan is %(height)d mm high (%(slices)d slices)."), values)


def _field_of_view(geometry: Geometry) -> Check:
    _, rows, columns = geometry.shape_zyx
    _, spacing_y, spacing_x = geometry.spacing_zyx_mm
    width_mm, depth_mm = round(columns * spacing_x), round(rows * spacing_y)
    values: Values = {"width": width_mm, "depth": depth_mm}
    too_small, small, too_large = FIELD_OF_VIEW_MM
    if width_mm < too_small or max(width_mm, depth_mm) > too_large:
        text = N_("The field of view of %(width)d x %(depth)d mm is not that of a chest; check the spacing.")
        return Check("field_of_view", "error", text, values)
    if width_mm < small:
        text = N_("The field of view of %(width)d x %(depth)d mm is small; the lungs may be cut at the sides.")
        return Check("field_of_view", "warning", text, values)
    return Check("field_of_view", "ok", N_("The field of view is %(width)d x %(depth)d mm."), values)


def _pixel_spacing(geometry: Geometry) -> Check:
    _, spacing_y, spacing_x = geometry.spacing_zyx_mm
    values: Values = {"x": spacing_x, "y": spacing_y}
    fine, coarse, wrong = PIXEL_MM
    if not fine <= min(spacing_x, spacing_y) <= max(spacing_x, spacing_y) <= wrong:
        text = N_("Voxels of %(x).2f x %(y).2f mm in a slice are not those of a chest CT (0.5 to 1 mm).")
        return Check("spacing", "error", text, values)
    if max(spacing_x, spacing_y) > coarse:
        text = N_("Voxels of %(x).2f x %(y).2f mm in a slice are coarse; small nodules may not be seen.")
        return Check("spacing", "warning", text, values)
    return Check("spacing", "ok", N_("Voxels are %(x).2f x %(y).2f mm in a slice."), values)


def _slice_distance(geometry: Geometry, facts: ScanFacts) -> Check:
    distance_mm = geometry.spacing_zyx_mm[0]
    values: Values = {"distance": distance_mm}
    thick, useless = SLICE_DISTANCE_MM
    if distance_mm > useless:
        text = N_("Slices are %(distance).2f mm apart; nodules fall between them. Send a reconstruction below 2.5 mm.")
        return Check("slice_distance", "error", text, values)
    if distance_mm > thick:
        text = N_("Slices are %(distance).2f mm apart; small nodules cannot be seen reliably above 2.5 mm.")
        return Check("slice_distance", "warning", text, values)
    thickness_mm = facts.slice_thickness_mm
    if thickness_mm is not None and thickness_mm < GAP_SHARE * distance_mm:
        text = N_("Slices are %(thickness).2f mm thick and %(distance).2f mm apart: tissue between them was not seen.")
        return Check("slice_distance", "warning", text, {**values, "thickness": thickness_mm})
    return Check("slice_distance", "ok", N_("Slices are %(distance).2f mm apart."), values)


def _slices(volume: CTVolume, facts: ScanFacts) -> Check:
    """Slices without a picture, and slices that repeat the one before: signs of a repaired stack."""
    planes = [plane[::SAMPLE_STEP, ::SAMPLE_STEP] for plane in volume.voxels_zyx]
    blank = {k for k, plane in enumerate(planes) if plane.min() == plane.max()}
    doubled = {k for k, (before, plane) in enumerate(pairwise(planes), 1) if np.array_equal(before, plane)}
    strange = sorted(k + 1 for k in blank | doubled)
    if strange:
        named = ", ".join(str(number) for number in strange[:MOST_NAMED_SLICES])
        text = N_("%(count)d slices are empty or repeat their neighbour (counted from below: %(named)s).")
        more = ", ..." if len(strange) > MOST_NAMED_SLICES else ""
        return Check("slices", "warning", text, {"count": len(strange), "named": named + more})
    if facts.source == "dicom":
        return Check("slices", "ok", N_("No slice is missing or doubled between the first and the last."))
    return Check("slices", "ok", N_("No slice is empty or doubled; whether one is missing, this format does not tell."))


def _orientation(stored: Geometry) -> Check:
    """The world axis nearest to each index axis x, y, z, as a letter: L grows to Left, R to Right..."""
    nearest = np.argmax(np.abs(stored.direction), axis=0)
    cosines = stored.direction[nearest, np.arange(3)]
    letters = "".join(("LPS" if cosine > 0 else "RAI")[axis] for axis, cosine in zip(nearest, cosines, strict=True))
    degrees = float(np.degrees(np.arccos(np.clip(np.abs(cosines), 0, 1))).max())
    values: Values = {"axes": letters, "degrees": degrees}
    if degrees > MAX_TILT_DEGREES:
        text = N_("The scan lies %(degrees).0f degrees oblique to the patient's axes (%(axes)s).")
        return Check("orientation", "warning", text, values)
    if letters == "LPS":
        return Check("orientation", "ok", N_("Stored in the usual order (%(axes)s)."), values)
    return Check("orientation", "ok", N_("Stored turned or mirrored (%(axes)s); this is put right when read."), values)


def _hounsfield(volume: CTVolume) -> Check:
    sample = volume.voxels_zyx[:: SAMPLE_STEP // 2, ::SAMPLE_STEP, ::SAMPLE_STEP]
    low_hu, middle_hu, high_hu = np.percentile(sample, (1, 50, 99)).tolist()
    values: Values = {"low": low_hu, "middle": middle_hu, "high": high_hu}
    if low_hu > AIR_HU:
        text = N_("The values are no HU: the lowest are %(low).0f, and air must be near -1000. Is the rescale missing?")
        return Check("hu", "error", text, values)
    tissue = float(np.mean((sample > TISSUE_HU[0]) & (sample < TISSUE_HU[1])))
    if tissue < LEAST_SHARE or high_hu > HIGHEST_HU:
        text = N_("The values are no HU of a body: hardly any are between -200 and 300 (1 %% are above %(high).0f).")
        return Check("hu", "error", text, values)
    return Check("hu", "ok", N_("The values are plausible HU (1 %% below %(low).0f, 1 %% above %(high).0f)."), values)


def _lungs(lungs: LungMask) -> Check:
    values: Values = {"volume": lungs.volume_l}
    if lungs.warning is not None:
        text = N_("No lungs of a plausible size were found; the whole body is searched instead.")
        return Check("lungs", "warning", text)
    return Check("lungs", "ok", N_("Lungs were found: %(volume).1f litres."), values)


def _cut_lungs(lungs: LungMask) -> list[Check]:
    """A lung that is still wide on the first or last slice goes on outside."""
    if lungs.warning is not None:
        return []
    _, spacing_y, spacing_x = lungs.geometry.spacing_zyx_mm
    areas_cm2 = lungs.mask_zyx.sum(axis=(1, 2)) * (spacing_y * spacing_x / 100)
    texts = {
        0: N_("The lungs go on below the first slice."),
        -1: N_("The lungs go on above the last slice."),
    }
    return [Check("lungs_cut", "warning", text) for end, text in texts.items() if areas_cm2[end] > CUT_LUNG_CM2]


def _burnt_in(facts: ScanFacts) -> list[Check]:
    if not facts.burnt_in:
        return []
    text = N_("The header says that text is drawn into the picture; look whether it names the patient.")
    return [Check("burnt_in", "warning", text)]


def unread_neighbours(count: int) -> Check:
    """For a DICOM series with slices beside it that could not be read: an end of the scan may be missing."""
    text = N_("%(count)d files beside this series could not be read; slices at an end of the scan may be missing.")
    return Check("unread_neighbours", "warning", text, {"count": count})
