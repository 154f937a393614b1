"""The shape of one patient's chest: body, lungs, heart, great vessels and diaphragm as distance fields.

Every organ is an implicit function on a coarse grid (4 mm for an adult), turned into a signed distance (mm,
negative inside) by dividing through its gradient; interpolating such a field linearly gives a smooth surface
on any finer grid. Lengths here are those of a reference adult; ``Anatomy.size`` makes the patient.

Axes: x to the patient's left, y to the back, z to the head; the origin is in the middle of the chest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from fedlung.imaging.geometry import FloatArray
from fedlung.imaging.phantom.drawing import Field, Tubes, joined, polyline

STEP_MM = 4.0
HALF_EXTENT_ZYX_MM = (128.0, 160.0, 160.0)
PLEURA_MM = 1.5
"""The lung ends this far inside the rib cage."""
HALF_HEIGHT_MM = 114.0
"""A scan of the reference adult covers z from -114 to 114 mm; the lungs end inside."""
FIELDS = ("body", "muscle", "cage", "organs", "lung", "fissure", "lung_hu", "soft_hu")


@dataclass(frozen=True)
class Anatomy:
    """One patient.

    Attributes:
        size: patient millimetres per millimetre of the reference adult.
        fields: by name (``FIELDS``), shape (nz, ny, nx), on the reference grid; distances in reference mm,
            negative inside, HU for the two tissue textures.
        trachea: lumen of the trachea and the main bronchi, reference mm.
        hila_xyz_mm: where the lung vessels enter, right and left, shape (2, 3), reference mm.
        spine_bow_mm: how far the middle of the spine lies behind its ends.
    """

    size: float
    fields: dict[str, Field]
    trachea: Tubes
    hila_xyz_mm: FloatArray
    spine_bow_mm: float

    def sample(self, name: str, points_xyz_mm: FloatArray) -> FloatArray:
        """Value of a field at patient points, shape (..., 3); distances are patient mm."""
        points = np.asarray(points_xyz_mm, dtype=float) / self.size
        index = [(np.ravel(points[..., 2 - axis]) + HALF_EXTENT_ZYX_MM[axis]) / STEP_MM for axis in range(3)]
        values: FloatArray = ndimage.map_coordinates(self.fields[name], index, order=1, mode="nearest", output=float)
        values = values.reshape(points.shape[:-1])
        return values if name.endswith("_hu") else values * self.size

    def outward(self, name: str, point_xyz_mm: FloatArray) -> FloatArray:
        """Unit vector along which a distance field grows at one patient point."""
        steps = np.concatenate([np.eye(3), -np.eye(3)]) * (0.75 * STEP_MM * self.size)
        values = self.sample(name, np.asarray(point_xyz_mm) + steps)
        gradient = values[:3] - values[3:]
        unit: FloatArray = gradient / max(float(np.linalg.norm(gradient)), 1e-9)
        return unit


def spine_y_mm(z_mm: FloatArray, bow_mm: float) -> FloatArray:
    """y of the middle of the vertebral bodies at height z (kyphosis: the middle lies further back)."""
    y: FloatArray = 50.0 - bow_mm * (np.asarray(z_mm) / 110.0) ** 2
    return y


def make_anatomy(rng: np.random.Generator, scale: float = 1.0) -> Anatomy:
    """Draw a patient. ``scale`` shrinks the whole chest (0.5 makes a quick one for tests)."""
    size = scale * rng.uniform(0.90, 1.0)
    axes = [np.arange(-half, half + 1, STEP_MM) for half in HALF_EXTENT_ZYX_MM]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    bow = rng.uniform(4, 14)
    slow, slower = _smooth_noise(rng, 2.0), _smooth_noise(rng, 5.0)
    body = _body(x, y, z, rng) + 2.0 * slower
    cage = np.maximum(_cage(x, y, z, rng) + 1.0 * slower, body + 15)
    muscle = _muscle(x, y, z, cage, rng) + 2.5 * slow
    spine = _spine_sheath(x, y, z, bow)
    dome, abdomen = _diaphragm(x, y, z, rng)
    heart, great_vessels = _heart(x, y, z, rng), _great_vessels(rng)
    vessels = _distance_to_tubes(x, y, z, great_vessels)
    blood = np.minimum(heart, vessels)
    # Where ribs and diaphragm come together the lung ends before it is too thin for the grid.
    recess = 2 * (cage + PLEURA_MM + dome + STEP_MM)
    lungs = [
        _smooth_max([cage + PLEURA_MM, side, dome, recess, 2.5 - heart, 2.5 - vessels, 1 - spine], 2.5)
        for side in _mediastinal_surfaces(x, y, z, rng)
    ]
    lung = np.minimum(*lungs)
    gullet = _distance_to_tubes(x, y, z, polyline(np.array([[4, 30, 130.0], [5, 36, 0], [14, 28, -80]]), 7.0))
    organs = np.minimum.reduce([blood, abdomen, spine, gullet])
    named = {
        "body": body,
        "muscle": muscle,
        "cage": cage,
        "organs": organs,
        "lung": lung,
        "fissure": _fissures(x, y, z, rng) + 4 * slower,
        "lung_hu": _parenchyma_hu(x, y, slow, slower, rng),
        "soft_hu": rng.uniform(38, 52) + 7 * slow,
    }
    fields = {name: np.ascontiguousarray(values, dtype=np.float32) for name, values in named.items()}
    return Anatomy(size, fields, *_airway_trunk(rng), spine_bow_mm=bow)


def _distance(values: FloatArray) -> FloatArray:
    """First-order signed distance of the zero surface of an implicit function: f / |grad f|."""
    gradient = np.sqrt(sum(part**2 for part in np.gradient(values, STEP_MM)))
    distance: FloatArray = np.clip(values / np.maximum(gradient, 1e-6), -60, 60)
    return distance


def _smooth_max(parts: list[FloatArray], rounding_mm: float) -> FloatArray:
    """Intersection of shapes with edges rounded by about ``rounding_mm``."""
    total = parts[0]
    for part in parts[1:]:
        blend = np.maximum(rounding_mm - np.abs(total - part), 0)
        total = np.maximum(total, part) + blend**2 / (4 * rounding_mm)
    return total


def _smooth_noise(rng: np.random.Generator, sigma_steps: float) -> FloatArray:
    """Random field of zero mean and unit variance, smooth over ``sigma_steps`` grid steps."""
    shape = [round(2 * half / STEP_MM) + 1 for half in HALF_EXTENT_ZYX_MM]
    noise: FloatArray = ndimage.gaussian_filter(rng.standard_normal(shape), sigma_steps, mode="wrap")
    unit: FloatArray = (noise - noise.mean()) / noise.std()
    return unit


def _body(x: FloatArray, y: FloatArray, z: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Trunk: a rounded box in section, flatter at the back, narrower towards the neck."""
    neck = np.clip((z - 40) / 90, 0, 1) ** 2
    half_width = rng.uniform(135, 142) * (1 - 0.10 * neck)
    half_depth = rng.uniform(98, 104) * (1 - 0.14 * neck)
    centre = 3.0 + 4 * neck
    power = np.where(y > centre, 2.9, 2.3)
    return _distance((np.abs(x) / half_width) ** 2.5 + (np.abs(y - centre) / half_depth) ** power - 1)


def _cage(x: FloatArray, y: FloatArray, z: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Inner surface of the ribs: an egg, open below."""
    half_width, half_depth = rng.uniform(108, 115), rng.uniform(76, 82)
    above, below = np.maximum(z + 35, 0), np.maximum(-70 - z, 0)
    tilt = -2 - 0.08 * z
    section = (np.abs(x) / half_width) ** 2.3 + (np.abs(y + 2 - tilt * 0.5) / half_depth) ** 2.3
    return _distance(section + (above / rng.uniform(135, 141)) ** 2.6 + (below / 120) ** 2 - 1)


def _muscle(x: FloatArray, y: FloatArray, z: FloatArray, cage: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Outer surface of the chest wall muscles, thick beside the spine, at the breast and the shoulders."""
    thickness = rng.uniform(9, 11)
    back = 13 * np.exp(-(((np.abs(x) - 30) / 22) ** 2) - (np.maximum(60 - y, 0) / 25) ** 2)
    breast = 7 * np.exp(-(((np.abs(x) - 60) / 35) ** 2) - (np.maximum(y + 40, 0) / 25) ** 2 - ((z - 30) / 45) ** 2)
    shoulder = 14 * np.exp(-(((z - 105) / 45) ** 2)) * np.exp(-(((np.abs(x) - 90) / 45) ** 2))
    surface: FloatArray = cage - thickness - back - breast - shoulder
    return surface


def _spine_sheath(x: FloatArray, y: FloatArray, z: FloatArray, bow_mm: float) -> FloatArray:
    """Vertebral column with its soft tissue, from the front of the bodies to the back of the cage."""
    behind = y - spine_y_mm(z, bow_mm)
    inner = np.minimum(behind, 0)
    distance: FloatArray = np.sqrt(x**2 + inner**2) - 21 - 4 * np.clip(behind / 30, 0, 1) + 0 * z
    return distance


def _diaphragm(x: FloatArray, y: FloatArray, z: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Two domes, the right one higher: signed distances of the space above (lungs) and of the abdomen."""
    right_top, left_top = rng.uniform(-52, -38), rng.uniform(-60, -50)
    tops = []
    for centre_x, top in ((-54, right_top), (56, left_top)):
        fall = ((x - centre_x) / 64) ** 2 + ((y + 12) / rng.uniform(84, 94)) ** 2
        tops.append(top - rng.uniform(52, 60) * fall)
    surface = np.maximum(*tops)
    steep = np.sqrt(1 + sum(part**2 for part in np.gradient(surface[0], STEP_MM)))[None]
    height = (surface - z) / steep
    return height, 1.5 - height


def _heart(x: FloatArray, y: FloatArray, z: FloatArray, rng: np.random.Generator) -> FloatArray:
    """An ellipsoid that leans to the left and forwards; it makes the notch of the left lung."""
    cx, cy, cz = 17 + rng.uniform(-4, 6), -24 + rng.uniform(-3, 4), -44 + rng.uniform(-5, 5)
    u, v, w = x - cx, y - cy, z - cz
    long_axis, across = 0.83 * u - 0.33 * v - 0.45 * w, 0.50 * u + 0.25 * v + 0.85 * w
    third = 0.20 * u + 0.92 * v
    a, b, c = rng.uniform(56, 63), rng.uniform(42, 48), rng.uniform(38, 44)
    return _distance((long_axis / a) ** 2 + (across / b) ** 2 + (third / c) ** 2 - 1)


def _great_vessels(rng: np.random.Generator) -> Tubes:
    """Aorta with its arch, upper and lower vena cava, pulmonary trunk with its two arteries, neck vessels."""
    aorta = np.array(
        [
            [-4, -22, -20],
            [-12, -22, 15],
            [-10, -18, 40],
            [0, -6, 54],
            [14, 12, 56],
            [23, 30, 46],
            [26, 40, 28],
            [25, 42, -20],
            [16, 38, -80],
            [8, 36, -130.0],
        ]
    )
    upper_cava = np.array([[-24, -8, -10], [-24, -12, 40], [-20, -18, 75], [-34, -22, 108.0]])
    trunk = np.array([[14, -36, -8], [18, -30, 14], [22, -14, 22], [34, 6, 14.0]])
    right_artery = np.array([[18, -22, 18], [-8, -8, 14], [-34, 4, 6.0]])
    atrium = np.array([[-24, 8, -14], [0, 8, -20], [26, 10, -14.0]])
    neck = [np.array([[4, -4, 54], [side, -6, 80], [2.2 * side, -6, 125.0]]) for side in (-12, 10, 19)]
    lower_cava = np.array([[-20, 2, -50], [-22, 8, -125.0]])
    return joined(
        [
            polyline(aorta, rng.uniform(12, 15)),
            polyline(upper_cava, rng.uniform(8, 10)),
            polyline(trunk, 12.0),
            polyline(right_artery, 9.5),
            polyline(atrium, 13.0),
            polyline(lower_cava, 12.0),
            *(polyline(line, 5.5) for line in neck),
        ]
    )


def _airway_trunk(rng: np.random.Generator) -> tuple[Tubes, FloatArray]:
    """Trachea, carina and main bronchi; the hila lie at the outer ends of the bronchi."""
    carina = np.array([2, 19, 24 + rng.uniform(-4, 4)])
    hila = np.array([[-40, 12, 2 + rng.uniform(-4, 4)], [42, 12, 0 + rng.uniform(-4, 4)]])
    radius = rng.uniform(7.5, 9.5)
    windpipe = polyline(np.array([[0, 6, 135], [2, 13, 70], carina]), radius)
    bronchi = [
        polyline(np.array([carina, 0.5 * (carina + end) + [0, 2, 0], end]), np.array([0.75, 0.68, 0.6]) * radius)
        for end in hila
    ]
    return joined([windpipe, *bronchi]), hila


def _mediastinal_surfaces(
    x: FloatArray, y: FloatArray, z: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Distances of the right (x < 0) and the left lung to the middle part of the chest that parts them."""
    middle = np.exp(-(((y - 8) / rng.uniform(36, 44)) ** 2))
    hilum = 8 * np.exp(-(((y - 10) / 22) ** 2) - ((z - 2) / 26) ** 2)
    half = rng.uniform(5, 8) + rng.uniform(17, 21) * middle + hilum
    shift = rng.uniform(-2, 3)
    return x - shift + half, shift + half - x


def _distance_to_tubes(x: FloatArray, y: FloatArray, z: FloatArray, tubes: Tubes) -> FloatArray:
    """Signed distance to the nearest of a few tubes at every grid point."""
    nearest = np.full(np.broadcast_shapes(x.shape, y.shape, z.shape), np.inf, dtype=np.float32)
    for start, end, first, last in zip(
        tubes.starts_xyz_mm, tubes.ends_xyz_mm, tubes.start_radii_mm, tubes.end_radii_mm, strict=True
    ):
        u, v, w = ((points - offset).astype(np.float32) for points, offset in zip((x, y, z), start, strict=True))
        axis = end - start
        length_squared = float(axis @ axis)
        a, b, c = (axis / length_squared).tolist()
        position = (w * c + v * b) + u * a
        along = np.clip(position, 0, 1)
        squared = (w**2 + v**2) + u**2 + length_squared * along * (along - 2 * position)
        distance = np.sqrt(np.maximum(squared, 0)) - float(first) - float(last - first) * along
        np.minimum(nearest, distance, out=nearest)
    return nearest.astype(float)


def _fissures(x: FloatArray, y: FloatArray, z: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Distance (never negative) to the oblique fissures and, on the right, the horizontal one."""
    lean, height = rng.uniform(0.75, 1.0), rng.uniform(-8, 8)
    oblique = np.abs(z - height - lean * (y - 5)) / np.hypot(1, lean)
    horizontal = np.hypot(z - height - 8 - 0.1 * x, np.maximum(y + 5, 0) + np.maximum(x, 0))
    nearest: FloatArray = np.minimum(oblique, horizontal)
    return nearest


def _parenchyma_hu(
    x: FloatArray, y: FloatArray, slow: FloatArray, slower: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """HU of aerated lung: one mean per lung, denser towards the back (the patient lies on it), cloudy."""
    patient = rng.uniform(-850, -790)
    right, left = patient + rng.uniform(-10, 10, size=2)
    gravity = rng.uniform(0.15, 0.40) * y
    clouds = rng.uniform(6, 14) * slow + rng.uniform(6, 14) * slower
    hounsfield: FloatArray = np.where(x < 0, right, left) + gravity + clouds
    return hounsfield
