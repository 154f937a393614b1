/* One plane on the screen: which voxels it shows, and how its millimetres become pixels. Pure arithmetic, no canvas. */

/**
 * Axes of the array: `u` runs to the right of the screen, `v` runs down (`down` 1) or up (`down` -1), `n` goes from slice to
 * slice; turning the wheel down steps by `wheel` along `n`: towards the feet, to the back, to the left.
 */
export const PLANES = {
  axial: { u: 0, v: 1, n: 2, down: 1, wheel: -1 }, // seen from the feet: the patient's right is at the left, front is up
  coronal: { u: 0, v: 2, n: 1, down: -1, wheel: 1 }, // seen from the front, head up
  sagittal: { u: 1, v: 2, n: 0, down: -1, wheel: 1 }, // seen from the left, front at the left, head up
};

const SMALLEST_ZOOM = 0.5; // of the scale at which the plane just fits
const LARGEST_SCALE = 60; // pixels per mm

export class PlaneView {
  /**
   * @param {"axial" | "coronal" | "sagittal"} name
   * @param {import("./grid.js").Grid} grid
   */
  constructor(name, grid) {
    this.name = name;
    this.grid = grid;
    this.axes = PLANES[name];
    this.width = 1; // of the canvas, CSS pixels
    this.height = 1;
    this.scale = 1; // pixels per mm
    this.isFitted = true;
    this.fit();
  }

  get slices() {
    return this.grid.shape[this.axes.n];
  }

  /** Size of a slice in voxels: across, down. */
  get bitmapSize() {
    return [this.grid.shape[this.axes.u], this.grid.shape[this.axes.v]];
  }

  resize(width, height) {
    this.width = width;
    this.height = height;
    if (this.isFitted) this.fit();
  }

  /** Show the whole slice. */
  fit() {
    const { u, v } = this.axes;
    const { shape, spacing } = this.grid;
    this.scale = this.fittingScale();
    this.center = [((shape[u] - 1) / 2) * spacing[u], ((shape[v] - 1) / 2) * spacing[v]]; // mm along u and v, in the middle of the canvas
    this.isFitted = true;
  }

  fittingScale() {
    const { u, v } = this.axes;
    const { shape, spacing } = this.grid;
    return Math.min(this.width / (shape[u] * spacing[u]), this.height / (shape[v] * spacing[v]));
  }

  /** Change the scale so that what is under (x, y) stays there. */
  zoomAt(factor, x, y) {
    const before = this.#millimetres(x, y);
    this.scale = Math.min(Math.max(this.scale * factor, this.fittingScale() * SMALLEST_ZOOM), LARGEST_SCALE);
    const after = this.#millimetres(x, y);
    this.center = this.center.map((value, axis) => value + before[axis] - after[axis]);
    this.isFitted = false;
  }

  pan(dx, dy) {
    this.center = [this.center[0] - dx / this.scale, this.center[1] - (this.axes.down * dy) / this.scale];
    this.isFitted = false;
  }

  /** Bring an index into sight, should it be outside of what is shown. */
  reveal(index) {
    const [x, y] = this.toScreen(index);
    if (x >= 0 && y >= 0 && x <= this.width && y <= this.height) return;
    const { u, v } = this.axes;
    this.center = [index[u] * this.grid.spacing[u], index[v] * this.grid.spacing[v]];
  }

  /** Screen position of an index. */
  toScreen(index) {
    const { u, v, down } = this.axes;
    const { spacing } = this.grid;
    return [
      this.width / 2 + (index[u] * spacing[u] - this.center[0]) * this.scale,
      this.height / 2 + down * (index[v] * spacing[v] - this.center[1]) * this.scale,
    ];
  }

  /** Index under a screen position, where `depth` is the index along the axis that goes through the slices. */
  toIndex(x, y, depth) {
    const { u, v, n } = this.axes;
    const { spacing } = this.grid;
    const [across, along] = this.#millimetres(x, y);
    const index = [0, 0, 0];
    index[u] = across / spacing[u];
    index[v] = along / spacing[v];
    index[n] = depth;
    return index;
  }

  /** Where the picture of a slice lies: left, top, width, height. Voxels reach half a spacing around their centres. */
  bitmapPlace() {
    const { u, v, down } = this.axes;
    const { shape, spacing } = this.grid;
    const corner = [0, 0, 0];
    corner[u] = -0.5;
    corner[v] = down > 0 ? -0.5 : shape[v] - 0.5;
    const [left, top] = this.toScreen(corner);
    return [left, top, shape[u] * spacing[u] * this.scale, shape[v] * spacing[v] * this.scale];
  }

  /** Letters of the edges: what of the patient lies there. */
  edges() {
    const { u, v, down } = this.axes;
    const { grid } = this;
    return { left: grid.letters(u, -1), right: grid.letters(u), top: grid.letters(v, -down), bottom: grid.letters(v, down) };
  }

  #millimetres(x, y) {
    return [this.center[0] + (x - this.width / 2) / this.scale, this.center[1] + (this.axes.down * (y - this.height / 2)) / this.scale];
  }
}
