/* Where voxels are: array indices [i, j, k] along x, y, z <-> world millimetres [x, y, z] (LPS: to the Left, Posterior, Superior).
 *
 * The server brings every volume into LPS order, so that i grows to the left, j to the back, k upwards; what a tilted
 * scanner leaves of rotation stays in `direction`. world = origin + direction * (index * spacing).
 */

const SECOND_LETTER_FROM = 0.3; // sine of about 17 degrees: from there on an edge is named by two letters, "LP"
const LETTERS = ["RL", "AP", "IS"]; // of world x, y, z: towards less, towards more

export class Grid {
  /**
   * @param {{shape_zyx: number[], spacing_zyx_mm: number[], origin_xyz_mm: number[], direction_xyz: number[] | number[][]}} geometry
   *   as in `GET /api/scans/<id>`; `direction_xyz` by rows, its columns are the directions of the array axes x, y, z
   */
  constructor({ shape_zyx, spacing_zyx_mm, origin_xyz_mm, direction_xyz }) {
    this.shape = [...shape_zyx].reverse();
    this.spacing = [...spacing_zyx_mm].reverse();
    this.origin = [...origin_xyz_mm];
    this.direction = direction_xyz.flat();
    this.inverse = inverted(this.direction);
  }

  toWorld(index) {
    const [a, b, c] = index.map((value, axis) => value * this.spacing[axis]);
    const m = this.direction;
    return [0, 3, 6].map((row, axis) => this.origin[axis] + m[row] * a + m[row + 1] * b + m[row + 2] * c);
  }

  toIndex(world) {
    const [a, b, c] = world.map((value, axis) => value - this.origin[axis]);
    const m = this.inverse;
    return [0, 3, 6].map((row, axis) => (m[row] * a + m[row + 1] * b + m[row + 2] * c) / this.spacing[axis]);
  }

  /** The nearest index that is inside, between the centres of the outer voxels. */
  clamped(index) {
    return index.map((value, axis) => Math.min(Math.max(value, 0), this.shape[axis] - 1));
  }

  /** Whether a world point lies in a voxel of the grid, up to half a voxel beyond the outer centres. */
  contains(world) {
    return this.toIndex(world).every((value, axis) => value >= -0.5 && value <= this.shape[axis] - 0.5);
  }

  /** What lies where the array axis grows: "L", or "LP" where it is tilted; with `sign` -1 the opposite. */
  letters(axis, sign = 1) {
    const towards = [0, 1, 2].map((row) => ({ row, share: sign * this.direction[3 * row + axis] }));
    towards.sort((one, other) => Math.abs(other.share) - Math.abs(one.share));
    return towards
      .filter(({ share }, place) => place === 0 || (place === 1 && Math.abs(share) > SECOND_LETTER_FROM))
      .map(({ row, share }) => LETTERS[row][share > 0 ? 1 : 0])
      .join("");
  }
}

/** Inverse of a 3x3 matrix by rows. Not the transpose: headers are rounded. */
function inverted([a, b, c, d, e, f, g, h, i]) {
  const determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  return [e * i - f * h, c * h - b * i, b * f - c * e, f * g - d * i, a * i - c * g, c * d - a * f, d * h - e * g, b * g - a * h, a * e - b * d].map(
    (cofactor) => cofactor / determinant,
  );
}

/** Distance of two world points, mm. */
export function distance(one, other) {
  return Math.hypot(...one.map((value, axis) => value - other[axis]));
}
