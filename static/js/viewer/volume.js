/* The one copy of the voxels: int16 Hounsfield units, array order z, y, x; it fills up slab by slab. */

export class Volume {
  #isHere; // per slab of slices

  /**
   * @param {number[]} shape voxels along x, y, z
   * @param {number} slabSlices slices of a slab; the last one may have fewer
   */
  constructor(shape, slabSlices) {
    this.shape = [...shape];
    this.slabSlices = slabSlices;
    this.slabs = Math.ceil(shape[2] / slabSlices);
    this.voxels = new Int16Array(shape[0] * shape[1] * shape[2]);
    this.#isHere = new Uint8Array(this.slabs);
  }

  /** Where the bytes of a slab go: little-endian int16, as every browser has them in memory. Then `isThere` is called. */
  placeOf(slab) {
    const sliceBytes = this.shape[0] * this.shape[1] * 2;
    const slices = Math.min(this.slabSlices, this.shape[2] - slab * this.slabSlices);
    return new Uint8Array(this.voxels.buffer, slab * this.slabSlices * sliceBytes, slices * sliceBytes);
  }

  /** All bytes of the slab are in their place. */
  isThere(slab) {
    this.#isHere[slab] = 1;
  }

  slabOf(slice) {
    return Math.floor(slice / this.slabSlices);
  }

  hasSlab(slab) {
    return this.#isHere[slab] === 1;
  }

  hasSlice(slice) {
    return this.#isHere[this.slabOf(slice)] === 1;
  }

  get share() {
    return this.#isHere.reduce((sum, one) => sum + one, 0) / this.slabs;
  }

  /** HU of the voxel nearest to an index; null where there is none, or none yet. */
  at(index) {
    const [i, j, k] = index.map(Math.round);
    const [nx, ny, nz] = this.shape;
    if (!(i >= 0 && j >= 0 && k >= 0 && i < nx && j < ny && k < nz) || !this.hasSlice(k)) return null;
    return this.voxels[(k * ny + j) * nx + i];
  }

  /**
   * Draw a slice through `table`; where nothing has come yet, pixels are left clear.
   * @param {"axial" | "coronal" | "sagittal"} plane see PLANES: the first row of a coronal or sagittal picture is the topmost slice
   * @param {Uint32Array} table of lookupTable()
   * @param {Uint32Array} pixels of the picture, row by row
   */
  draw(plane, slice, table, pixels) {
    if (plane === "axial") this.#drawAxial(slice, table, pixels);
    else if (plane === "coronal") this.#drawUpright(slice * this.shape[0], 1, this.shape[0], table, pixels);
    else this.#drawUpright(slice, this.shape[0], this.shape[1], table, pixels);
  }

  #drawAxial(slice, table, pixels) {
    const count = this.shape[0] * this.shape[1];
    if (!this.hasSlice(slice)) {
      pixels.fill(0);
      return;
    }
    const { voxels } = this;
    const start = slice * count;
    for (let at = 0; at < count; at += 1) pixels[at] = table[voxels[start + at] & 0xffff];
  }

  /** A row for every slice, the last slice on top; within a row `count` voxels that lie `step` apart. */
  #drawUpright(start, step, count, table, pixels) {
    const { voxels } = this;
    const [nx, ny, nz] = this.shape;
    for (let row = 0; row < nz; row += 1) {
      const slice = nz - 1 - row;
      const first = row * count;
      if (!this.hasSlice(slice)) {
        pixels.fill(0, first, first + count);
        continue;
      }
      let from = slice * nx * ny + start;
      for (let at = first; at < first + count; at += 1) {
        pixels[at] = table[voxels[from] & 0xffff];
        from += step;
      }
    }
  }
}
