/* A mask on a grid of its own (say 1 mm), drawn over slices of the volume: the nearest voxel of the mask counts. */

import { Grid } from "./grid.js";

export class Mask {
  /**
   * @param {Uint8Array} voxels zyx, not 0 = inside
   * @param {object} geometry as that of a scan
   */
  constructor(voxels, geometry) {
    this.voxels = voxels;
    this.grid = new Grid(geometry);
  }

  /** Put `color` into the pixels of a slice that lie in the mask, and 0 into the others. */
  draw(view, slice, color, pixels) {
    const [columns, rows] = view.bitmapSize;
    const { u, v, n, down } = view.axes;
    const at = [0, 0, 0];
    at[n] = slice;
    at[v] = down > 0 ? 0 : view.grid.shape[v] - 1; // of the first row
    const start = this.#indexOf(view, at);
    const across = this.#step(view, start, at, u, 1);
    const along = this.#step(view, start, at, v, down);
    const [nx, ny, nz] = this.grid.shape;
    for (let row = 0, pixel = 0; row < rows; row += 1) {
      // The half makes rounding down the same as rounding to the nearest.
      let x = start[0] + row * along[0] + 0.5;
      let y = start[1] + row * along[1] + 0.5;
      let z = start[2] + row * along[2] + 0.5;
      for (let column = 0; column < columns; column += 1, pixel += 1) {
        const isInside = x >= 0 && y >= 0 && z >= 0 && x < nx && y < ny && z < nz;
        pixels[pixel] = isInside && this.voxels[((z | 0) * ny + (y | 0)) * nx + (x | 0)] ? color : 0;
        x += across[0];
        y += across[1];
        z += across[2];
      }
    }
  }

  #indexOf(view, index) {
    return this.grid.toIndex(view.grid.toWorld(index));
  }

  /** How the index in the mask changes when that in the volume goes one step along `axis`. */
  #step(view, start, at, axis, by) {
    const next = [...at];
    next[axis] += by;
    return this.#indexOf(view, next).map((value, one) => value - start[one]);
  }
}
