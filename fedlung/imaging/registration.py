"""Where one scan of a person lies in another: a rigid motion, found by comparing densities.

SimpleITK moves images that we made from arrays; no file and no foreign header ever reaches it (docs/adr/0016). A rigid
motion cannot follow breathing: near the diaphragm a centimetre may be left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import ArrayLike, NDArray

from fedlung.errors import FedLungError
from fedlung.imaging.geometry import Geometry
from fedlung.imaging.lungs import find_lungs
from fedlung.imaging.resampling import reorient_to_lps, resample_isotropic
from fedlung.imaging.volume import CTVolume

WORKING_SPACING_MM = 4.0
WINDOW_HU = (-1000, 200)
"""Lung, vessels and soft tissue; bone and metal no denser than muscle."""
LEVELS = ((2, 8.0), (1, 2.0))
"""Shrunk by, and blurred by so many mm before that: coarse, then fine."""
STEPS = 60
LARGEST_STEP_MM = 4.0
SAMPLED_SHARE = 0.2  # of the voxels
LEAST_CORRELATION = 0.6
"""Below this nothing was aligned. It does not tell persons apart: two strangers' chests reached 0.80."""
DOUBTFUL_CORRELATION = 0.9


@dataclass(frozen=True)
class RigidMotion:
    """From world points of the one scan (fixed) to those of the other (moving).

    Attributes:
        rotation: 3x3, row-major.
        shift_xyz_mm: ``moving = rotation @ fixed + shift``.
        correlation: of densities where the scans overlap, after the motion.
    """

    rotation: tuple[float, ...]
    shift_xyz_mm: tuple[float, float, float]
    correlation: float

    def to_moving(self, points_xyz_mm: ArrayLike) -> NDArray[np.float64]:
        """World points, shape (..., 3), of the fixed scan in the moving one."""
        moved: NDArray[np.float64] = np.asarray(points_xyz_mm, dtype=float) @ self._matrix.T + self.shift_xyz_mm
        return moved

    def to_fixed(self, points_xyz_mm: ArrayLike) -> NDArray[np.float64]:
        """World points, shape (..., 3), of the moving scan in the fixed one."""
        back: NDArray[np.float64] = (np.asarray(points_xyz_mm, dtype=float) - self.shift_xyz_mm) @ self._matrix
        return back

    @property
    def angle_degrees(self) -> float:
        return float(np.degrees(np.arccos(np.clip((np.trace(self._matrix) - 1) / 2, -1, 1))))

    @property
    def _matrix(self) -> NDArray[np.float64]:
        return np.reshape(self.rotation, (3, 3))

    def to_json(self) -> dict[str, Any]:
        return {
            "rotation": list(self.rotation),
            "shift_xyz_mm": list(self.shift_xyz_mm),
            "correlation": self.correlation,
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> RigidMotion:
        """What `to_json` gave."""
        x, y, z = fields["shift_xyz_mm"]
        return cls(tuple(fields["rotation"]), (x, y, z), float(fields["correlation"]))


def align(fixed: CTVolume, moving: CTVolume) -> RigidMotion:
    """The rigid motion that lays ``moving`` over ``fixed``, from the middles of the lungs on.

    Raises:
        FedLungError: the scans cannot be aligned.
    """
    here, there = _Coarse(fixed), _Coarse(moving)
    motion = sitk.Euler3DTransform()
    motion.SetCenter(here.lungs_xyz_mm.tolist())
    motion.SetTranslation((there.lungs_xyz_mm - here.lungs_xyz_mm).tolist())
    for shrink, blur_mm in LEVELS:
        fixed_image, moving_image = (sitk.Shrink(scan.image(blur_mm), [shrink] * 3) for scan in (here, there))
        motion = _improved(motion, fixed_image, moving_image)
    rotation = np.array(motion.GetMatrix()).reshape(3, 3)
    x, y, z = (np.array(motion.TransformPoint((0.0, 0.0, 0.0)))).tolist()
    found = RigidMotion(tuple(rotation.ravel().tolist()), (x, y, z), _correlation(motion, here, there))
    if found.correlation < LEAST_CORRELATION:
        raise FedLungError(
            f"the two scans cannot be aligned: a correlation of {found.correlation:.2f}, expected at least"
            f" {LEAST_CORRELATION}"
        )
    return found


class _Coarse:
    """A scan at 4 mm, and the middle of its lungs."""

    def __init__(self, volume: CTVolume) -> None:
        volume = reorient_to_lps(volume)
        lungs = find_lungs(volume.voxels_zyx, volume.geometry)
        middle = np.argwhere(lungs.mask_zyx).mean(axis=0)
        self.lungs_xyz_mm = lungs.geometry.index_to_world(middle)
        clipped = np.clip(volume.voxels_zyx, *WINDOW_HU)
        self.hu_zyx, self.geometry = resample_isotropic(clipped, volume.geometry, WORKING_SPACING_MM)

    def image(self, blur_mm: float = 0.0) -> sitk.Image:
        image = sitk.GetImageFromArray(self.hu_zyx.astype(np.float32))
        image.SetSpacing(self.geometry.spacing_zyx_mm[::-1])
        image.SetOrigin(self.geometry.origin_xyz_mm)
        image.SetDirection(_orthonormal(self.geometry))
        return sitk.DiscreteGaussian(image, [blur_mm**2] * 3) if blur_mm else image


def _orthonormal(geometry: Geometry) -> list[float]:
    """The nearest exact rotation or reflection: headers are rounded, and ITK is strict."""
    left, _, right = np.linalg.svd(geometry.direction)
    return [float(value) for value in (left @ right).ravel()]


def _improved(motion: sitk.Euler3DTransform, fixed: sitk.Image, moving: sitk.Image) -> sitk.Euler3DTransform:
    """Gradient descent on the correlation; the same voxels count each time, so the same scans give the same motion."""
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsCorrelation()
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(SAMPLED_SHARE, seed=1)
    method.SetInterpolator(sitk.sitkLinear)
    # Steps are measured in the millimetres that voxels move: a plain rate of 4 could mean four radians.
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=1.0,
        minStep=1e-4,
        numberOfIterations=STEPS,
        gradientMagnitudeTolerance=1e-8,
        estimateLearningRate=method.Once,
        maximumStepSizeInPhysicalUnits=LARGEST_STEP_MM,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(motion, inPlace=False)
    try:
        found = method.Execute(fixed, moving)
    except RuntimeError as error:  # no overlap at all, say
        reason = str(error).strip().splitlines()[-1]
        raise FedLungError(f"the two scans cannot be aligned: {reason:.200}") from None
    return sitk.Euler3DTransform(found.GetNthTransform(0) if found.GetName() == "CompositeTransform" else found)


def _correlation(motion: sitk.Transform, here: _Coarse, there: _Coarse) -> float:
    """Pearson's, over the voxels of the fixed scan that lie in the moving one."""
    outside = float(np.finfo(np.float32).min)
    moved = sitk.GetArrayFromImage(sitk.Resample(there.image(), here.image(), motion, sitk.sitkLinear, outside))
    overlap = moved > outside / 2
    if overlap.sum() < 2:
        return 0.0
    found = float(np.corrcoef(here.hu_zyx[overlap], moved[overlap])[0, 1])
    return found if np.isfinite(found) else 0.0
