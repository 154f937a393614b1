"""Rigid registration: a chest that was moved by a known motion, and scans that cannot be aligned."""

from __future__ import annotations

import numpy as np
import pytest

from fedlung.errors import FedLungError
from fedlung.imaging.geometry import Geometry
from fedlung.imaging.registration import RigidMotion, align
from fedlung.imaging.volume import CTVolume
from tests.fake_reader import LUNGS_XYZ_MM, chest

TURN = np.radians(4.0)
ROTATION = np.array([[np.cos(TURN), -np.sin(TURN), 0], [np.sin(TURN), np.cos(TURN), 0], [0, 0, 1]])
SHIFT = np.array([12.0, -7.0, 20.0])
PLACES = np.array(
    [(x + dx, dy, dz) for x, _, _ in LUNGS_XYZ_MM for dx in (-15, 15) for dy in (0, 20) for dz in (-40, 40)]
)


def moved(volume: CTVolume) -> CTVolume:
    """The same voxels somewhere else: every point p of the chest is at ROTATION p + SHIFT."""
    geometry = volume.geometry
    x, y, z = (ROTATION @ np.asarray(geometry.origin_xyz_mm) + SHIFT).tolist()
    direction = tuple((ROTATION @ geometry.direction).ravel().tolist())
    elsewhere = Geometry(geometry.shape_zyx, geometry.spacing_zyx_mm, (x, y, z), direction)
    return CTVolume("moved", volume.voxels_zyx, elsewhere)


def test_a_known_motion_is_found() -> None:
    motion = align(chest(), moved(chest()))
    expected = PLACES @ ROTATION.T + SHIFT
    errors_mm = np.linalg.norm(motion.to_moving(PLACES) - expected, axis=1)
    assert errors_mm.max() < 2.0
    assert motion.correlation > 0.95
    assert motion.angle_degrees == pytest.approx(np.degrees(TURN), abs=1.0)
    np.testing.assert_allclose(motion.to_fixed(motion.to_moving(PLACES)), PLACES, atol=1e-9)
    assert RigidMotion.from_json(motion.to_json()) == motion


def test_noise_cannot_be_aligned() -> None:
    noise = np.random.default_rng(1).integers(-1000, 400, chest().voxels_zyx.shape).astype(np.int16)
    with pytest.raises(FedLungError, match="cannot be aligned"):
        align(chest(), CTVolume("noise", noise, chest().geometry))
