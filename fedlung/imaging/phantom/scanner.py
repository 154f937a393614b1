"""What a hospital's scanner and its reconstruction do to a chest.

Hospitals of a federation are not alike: slice thickness, kernel, noise, HU calibration and patient
orientation differ. A profile depends on the number of the hospital only, never on the seed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fedlung.imaging.geometry import FloatArray, Geometry
from fedlung.imaging.phantom.drawing import Field, Grid
from fedlung.imaging.volume import HounsfieldArray

ROWS = 256
"""Pixels along both edges of a slice of an adult."""
LOWEST_HU, HIGHEST_HU = -1024, 3071


@dataclass(frozen=True)
class ScannerProfile:
    """One scanner with its protocol.

    Attributes:
        pixel_mm: in-plane spacing.
        slice_spacing_mm: distance between slices.
        slice_thickness_mm: width of the slice profile (a box); larger than the spacing means overlap.
        slices_per_step: how many thin planes are drawn and averaged per slice spacing.
        blur_mm: standard deviation of the in-plane reconstruction kernel.
        sharpening: edge enhancement of the kernel, 0 is none.
        noise_hu: standard deviation of the noise in the finished scan.
        offset_hu: calibration error added everywhere.
        flipped: rows and columns run the other way (``direction`` -1 0 0 0 -1 0 0 0 1).
        world_shift_xyz_mm: where the middle of a chest lies in world coordinates.
        table: whether the table is in the field of view.
    """

    pixel_mm: float
    slice_spacing_mm: float
    slice_thickness_mm: float
    slices_per_step: int
    blur_mm: float
    sharpening: float
    noise_hu: float
    offset_hu: float
    flipped: bool
    world_shift_xyz_mm: tuple[float, float, float]
    table: bool


SCANNER_PROFILES = (
    ScannerProfile(1.19, 1.0, 1.0, 1, 0.55, 0.0, 18.0, 0.0, False, (0.0, 0.0, -180.0), True),
    ScannerProfile(1.25, 2.5, 3.0, 2, 1.15, 0.0, 11.0, 18.0, True, (-12.0, 150.0, 640.0), True),
    ScannerProfile(1.20, 1.5, 2.0, 1, 0.55, 0.28, 38.0, -14.0, False, (6.0, -35.0, -1210.0), False),
)


def scanner_profile(hospital_index: int) -> ScannerProfile:
    """Profile of a hospital: the first three are ``SCANNER_PROFILES``; later ones vary them, always alike."""
    base = SCANNER_PROFILES[hospital_index % len(SCANNER_PROFILES)]
    if hospital_index < len(SCANNER_PROFILES):
        return base
    rng = np.random.default_rng(hospital_index)
    shift = np.asarray(base.world_shift_xyz_mm) + rng.uniform(-60, 60, 3)
    return replace(
        base,
        pixel_mm=round(base.pixel_mm + rng.uniform(-0.01, 0.05), 3),
        blur_mm=base.blur_mm * rng.uniform(0.8, 1.25),
        noise_hu=base.noise_hu * rng.uniform(0.75, 1.2),
        offset_hu=base.offset_hu + rng.uniform(-6, 6),
        world_shift_xyz_mm=(round(shift[0], 1), round(shift[1], 1), round(shift[2], 1)),
    )


def drawing_grid(profile: ScannerProfile, half_height_mm: float, scale: float) -> Grid:
    """Thin planes to draw on: ``slices_per_step`` for each slice from -half_height to +half_height."""
    slices = int(2 * half_height_mm / profile.slice_spacing_mm)
    rows = round(ROWS * scale)
    thin = profile.slice_spacing_mm / profile.slices_per_step
    planes = slices * profile.slices_per_step
    start_xy = -(rows - 1) / 2 * profile.pixel_mm
    return Grid(
        (planes, rows, rows),
        (thin, profile.pixel_mm, profile.pixel_mm),
        (start_xy, start_xy, -(planes - 1) / 2 * thin),
    )


def slice_weights(profile: ScannerProfile) -> tuple[list[int], FloatArray]:
    """Planes (offsets from the first plane of a slice's step) that a slice averages, and their weights.

    ::

        spacing 2.5, 2 planes of 1.25 per step, thickness 3.0:   planes   -1 |  0  |  1 |  2
                                                                 mm      0.25 1.25 1.25 0.25   (sum 3.0)
    """
    thin = profile.slice_spacing_mm / profile.slices_per_step
    offsets = np.arange(-profile.slices_per_step, 2 * profile.slices_per_step)
    centre = (profile.slices_per_step - 1) / 2
    low = np.maximum((offsets - centre - 0.5) * thin, -profile.slice_thickness_mm / 2)
    high = np.minimum((offsets - centre + 0.5) * thin, profile.slice_thickness_mm / 2)
    overlap = np.maximum(high - low, 0)
    used = overlap > 0
    weights: FloatArray = overlap[used] / overlap.sum()
    return offsets[used].tolist(), weights


def kernel_taps(profile: ScannerProfile) -> FloatArray:
    """The in-plane kernel along one axis, odd length, sum 1: a Gaussian, then edge enhancement."""
    sigma = profile.blur_mm / profile.pixel_mm
    reach = max(1, round(2.5 * sigma))
    gauss = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sigma, 1e-6)) ** 2)
    sharpen = np.array([-profile.sharpening, 1 + 2 * profile.sharpening, -profile.sharpening])
    taps: FloatArray = np.trim_zeros(np.convolve(gauss / gauss.sum(), sharpen))
    return taps


def acquire(hounsfield: Field, profile: ScannerProfile, rng: np.random.Generator) -> HounsfieldArray:
    """Average thin planes into slices, add noise, apply the kernel and the calibration error.

    The kernel shapes the noise as it shapes the chest; white noise is scaled so that what comes out has
    ``noise_hu``.
    """
    offsets, weights = slice_weights(profile)
    taps = kernel_taps(profile)
    white_hu = np.float32(profile.noise_hu / (taps**2).sum())
    planes, rows, columns = hounsfield.shape
    scan = np.empty((planes // profile.slices_per_step, rows, columns), dtype=np.int16)
    for number in range(len(scan)):
        first = number * profile.slices_per_step
        image = rng.standard_normal((rows, columns), dtype=np.float32) * white_hu
        for offset, weight in zip(offsets, weights, strict=True):
            image += hounsfield[min(max(first + offset, 0), planes - 1)] * np.float32(weight)
        image = _filtered(_filtered(image, taps).T, taps).T + np.float32(profile.offset_hu)
        scan[number] = np.rint(np.clip(image, LOWEST_HU, HIGHEST_HU))
    return scan


def _filtered(image: Field, taps: FloatArray) -> Field:
    """Convolution of the rows of an image with symmetric taps; the border pixel is repeated."""
    reach, width = len(taps) // 2, image.shape[1]
    padded = np.pad(image, ((0, 0), (reach, reach)), mode="edge")
    total = padded[:, reach : reach + width] * np.float32(taps[reach])
    for step in range(1, reach + 1):
        pair = padded[:, reach - step : reach - step + width] + padded[:, reach + step : reach + step + width]
        total += pair * np.float32(taps[reach + step])
    return total


def scan_geometry(profile: ScannerProfile, grid: Grid) -> Geometry:
    """Geometry of the scan that ``acquire`` makes from planes on ``grid`` (before flipping, if any).

    A slice lies in the middle of its planes. Flipped scans start at the opposite corner of the plane, so
    that every tissue keeps its world position.
    """
    planes, rows, columns = grid.shape_zyx
    x, y, z = np.asarray(grid.start_xyz_mm) + np.asarray(profile.world_shift_xyz_mm)
    z += (profile.slices_per_step - 1) / 2 * grid.spacing_zyx_mm[0]
    sign = -1.0 if profile.flipped else 1.0
    if profile.flipped:
        x, y = x + (columns - 1) * profile.pixel_mm, y + (rows - 1) * profile.pixel_mm
    return Geometry(
        (planes // profile.slices_per_step, rows, columns),
        (profile.slice_spacing_mm, profile.pixel_mm, profile.pixel_mm),
        (float(x), float(y), float(z)),
        (sign, 0.0, 0.0, 0.0, sign, 0.0, 0.0, 0.0, 1.0),
    )
