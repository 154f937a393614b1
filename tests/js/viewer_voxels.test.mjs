import assert from "node:assert/strict";
import { test } from "node:test";
import { Grid } from "../../static/js/viewer/grid.js";
import { Mask } from "../../static/js/viewer/mask.js";
import { PLANES, PlaneView } from "../../static/js/viewer/plane_view.js";
import { loadSlabs, nextSlab, pour } from "../../static/js/viewer/slabs.js";
import { Volume } from "../../static/js/viewer/volume.js";
import { PRESETS, dragged, lookupTable, presetOf } from "../../static/js/viewer/windowing.js";

const SHAPE = [4, 3, 5]; // x, y, z
const code = (x, y, z) => 100 * z + 10 * y + x;
const table = new Uint32Array(65_536).map((_, value) => value); // a pixel is the voxel itself

function put(volume, slab, values) {
  volume.placeOf(slab).set(new Uint8Array(Int16Array.from(values).buffer));
  volume.isThere(slab);
}

/** Values of a slab as the server sends them. */
function slabOf(volume, slab) {
  const values = [];
  for (let z = slab * volume.slabSlices; z < Math.min((slab + 1) * volume.slabSlices, SHAPE[2]); z += 1) for (let y = 0; y < SHAPE[1]; y += 1) for (let x = 0; x < SHAPE[0]; x += 1) values.push(code(x, y, z));
  return values;
}

const bytesOf = (volume, slab) => new Uint8Array(Int16Array.from(slabOf(volume, slab)).buffer);

function filled() {
  const volume = new Volume(SHAPE, 2);
  for (const slab of [2, 0, 1]) put(volume, slab, slabOf(volume, slab));
  return volume;
}

test("every plane shows its own voxels, the head on top", () => {
  const volume = filled();
  const grid = new Grid({ shape_zyx: [...SHAPE].reverse(), spacing_zyx_mm: [1, 1, 1], origin_xyz_mm: [0, 0, 0], direction_xyz: [1, 0, 0, 0, 1, 0, 0, 0, 1] });
  for (const plane of Object.keys(PLANES)) {
    const view = new PlaneView(plane, grid);
    const [columns, rows] = view.bitmapSize;
    const pixels = new Uint32Array(columns * rows);
    volume.draw(plane, 2, table, pixels);
    for (let row = 0; row < rows; row += 1) {
      for (let column = 0; column < columns; column += 1) {
        const index = [0, 0, 0];
        index[view.axes.n] = 2;
        index[view.axes.u] = column;
        index[view.axes.v] = view.axes.down > 0 ? row : rows - 1 - row;
        assert.equal(pixels[row * columns + column], code(...index), `${plane} ${index}`);
      }
    }
  }
});

test("slices that have not come are clear, and their voxels unknown", () => {
  const volume = new Volume(SHAPE, 2);
  put(volume, 1, slabOf(volume, 1)); // slices 2 and 3
  const upright = new Uint32Array(SHAPE[0] * SHAPE[2]).fill(9);
  volume.draw("coronal", 1, table, upright);
  assert.deepEqual([...upright].map(Boolean), [...Array(4).fill(false), ...Array(8).fill(true), ...Array(8).fill(false)]); // from the top: 4, 3 2, 1 0
  const flat = new Uint32Array(12).fill(9);
  volume.draw("axial", 4, table, flat);
  assert.ok(flat.every((pixel) => pixel === 0));
  assert.deepEqual([volume.at([1, 2, 3]), volume.at([1, 2, 4]), volume.at([1, 2, 9]), volume.at([-0.6, 0, 2])], [code(1, 2, 3), null, null, null]);
  assert.equal(volume.share, 1 / 3);
});

test("negative values keep their own grey", () => {
  const volume = new Volume([2, 1, 1], 16);
  put(volume, 0, [-1000, -1]);
  const pixels = new Uint32Array(2);
  volume.draw("axial", 0, lookupTable({ level: -500, width: 1001 }), pixels);
  assert.deepEqual([...pixels].map((pixel) => pixel & 0xff), [0, 255]);
});

test("a window is black at its lower end, white at its upper one, grey in the middle, for every preset", () => {
  for (const [name, { level, width }] of Object.entries(PRESETS)) {
    const made = lookupTable({ level, width });
    const grey = (hu) => made[hu & 0xffff] & 0xff;
    assert.deepEqual([grey(level - width / 2 - 1), grey(level + width / 2)], [0, 255], name);
    assert.ok(Math.abs(grey(level) - 127.5) <= 1, name);
    for (let hu = -3000; hu < 3000; hu += 1) assert.ok(grey(hu) <= grey(hu + 1));
    assert.equal(made[0] >>> 24, 255);
    assert.equal(presetOf({ level, width }), name);
  }
  assert.equal(presetOf({ level: 1, width: 2 }), null);
});

test("a window of one value is a step, and a drag stays within its limits", () => {
  const made = lookupTable({ level: 0, width: 1 });
  assert.deepEqual([-1, 0].map((hu) => made[hu & 0xffff] & 0xff), [0, 255]);
  assert.deepEqual(dragged({ level: 40, width: 350 }, 10, -20), { level: 20, width: 360 });
  assert.deepEqual(dragged({ level: 40, width: 350 }, -9999, 1e6), { level: 4000, width: 1 });
});

// --- slabs -----------------------------------------------------------------------------------------------------

const at = (slab) => () => slab;
const quickly = async () => {};

test("the nearest slab comes first", () => {
  assert.equal(nextSlab(new Set([0, 1, 5, 9]), 6), 5);
  assert.equal(nextSlab(new Set(), 6), -1);
});

test("the middle first, then outwards, each once, until the volume is whole", async () => {
  const volume = new Volume([4, 3, 14], 2);
  const asked = [];
  const parts = { fetchSlab: async (slab) => void asked.push(slab), near: at(3), onSlab() {}, signal: new AbortController().signal };
  await loadSlabs(volume, parts);
  assert.equal(asked[0], 3);
  assert.deepEqual(asked.map((slab) => Math.abs(slab - 3)), [0, 1, 1, 2, 2, 3, 3]);
  assert.equal(volume.share, 1);
  await loadSlabs(volume, { ...parts, fetchSlab: () => assert.fail("nothing is missing") });
});

test("who scrolls away is followed", async () => {
  const volume = new Volume([1, 1, 100], 1);
  const asked = [];
  let place = 50;
  await loadSlabs(volume, { fetchSlab: async (slab) => (asked.push(slab), void (place = asked.length > 5 ? 90 : 50)), near: () => place, onSlab() {}, signal: new AbortController().signal });
  assert.ok(asked.slice(9, 15).every((slab) => Math.abs(slab - 90) < 6), String(asked.slice(0, 15)));
});

test("a lost connection is tried again, with longer pauses; what is refused is not", async () => {
  const volume = filledLater();
  const pauses = [];
  let lost = 3;
  const flaky = async (slab, place) => {
    if (slab === 1 && lost > 0) {
      lost -= 1;
      throw new TypeError("network");
    }
    place.set(bytesOf(volume, slab));
  };
  const parts = { near: at(1), onSlab() {}, signal: new AbortController().signal, pause: async (ms) => pauses.push(ms) };
  await loadSlabs(volume, { ...parts, fetchSlab: flaky });
  assert.deepEqual([volume.share, volume.at([3, 2, 4])], [1, code(3, 2, 4)]);
  assert.deepEqual(pauses, [500, 1000, 2000]);
  let tries = 0;
  const refuse = async () => {
    tries += 1;
    throw Object.assign(new Error("gone"), { isFinal: true });
  };
  await assert.rejects(loadSlabs(filledLater(), { ...parts, fetchSlab: refuse }), /gone/);
  assert.ok(tries <= 3); // one of each that was under way
});

/** A stream in pieces that do not end where voxels end. */
function streamOf(bytes, size = 7) {
  const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, place) => bytes.slice(place * size, (place + 1) * size));
  return new ReadableStream({ pull: (control) => (pieces.length ? control.enqueue(pieces.shift()) : control.close()) });
}

test("pieces of any length come to their place, and touch nothing else", async () => {
  const volume = filledLater();
  await pour(streamOf(bytesOf(volume, 1)), volume.placeOf(1));
  volume.isThere(1);
  assert.deepEqual([volume.at([0, 0, 2]), volume.at([3, 2, 3])], [code(0, 0, 2), code(3, 2, 3)]);
  assert.ok([...volume.placeOf(0), ...volume.placeOf(2)].every((byte) => byte === 0));
});

test("too few bytes are not taken for voxels, too many neither", async () => {
  const volume = filledLater();
  const parts = { near: at(0), onSlab() {}, signal: new AbortController().signal, pause: quickly };
  const cut = (slab, place) => pour(streamOf(bytesOf(volume, slab).slice(0, 10)), place);
  await assert.rejects(loadSlabs(volume, { ...parts, fetchSlab: cut }), /48 bytes expected, 10 came|24 bytes expected, 10 came/);
  const double = (slab, place) => pour(streamOf(Uint8Array.from([...bytesOf(volume, slab), ...bytesOf(volume, slab)])), place);
  await assert.rejects(loadSlabs(volume, { ...parts, fetchSlab: double }), /expected/);
  assert.equal(volume.share, 0);
});

test("who has gone on to another scan gets nothing more", async () => {
  const volume = filledLater();
  const control = new AbortController();
  let came = 0;
  const fetchSlab = async () => control.abort();
  await loadSlabs(volume, { fetchSlab, near: at(0), onSlab: () => (came += 1), signal: control.signal });
  assert.deepEqual([came, volume.share], [0, 0]);
});

function filledLater() {
  return new Volume(SHAPE, 2);
}

// --- mask ---------------------------------------------------------------------------------------------------------

test("a mask of another grid lies where its world is", () => {
  const turn = Math.PI / 9;
  const direction = [Math.cos(turn), -Math.sin(turn), 0, Math.sin(turn), Math.cos(turn), 0, 0, 0, 1];
  const grid = new Grid({ shape_zyx: [5, 30, 40], spacing_zyx_mm: [3, 1, 1], origin_xyz_mm: [-10, 5, 0], direction_xyz: direction });
  const center = grid.toWorld([22, 14, 2]);
  const shape = [30, 80, 80];
  const geometry = { shape_zyx: shape, spacing_zyx_mm: [0.8, 0.8, 0.8], origin_xyz_mm: center.map((value, axis) => value - 0.8 * [40, 40, 15][axis]), direction_xyz: [1, 0, 0, 0, 1, 0, 0, 0, 1] };
  const voxels = new Uint8Array(shape[0] * shape[1] * shape[2]);
  const radius = 6;
  const inBall = (x, y, z) => Math.hypot(x, y, z) <= radius;
  for (let at = 0; at < voxels.length; at += 1) voxels[at] = Number(inBall(((at % 80) - 40) * 0.8, ((Math.floor(at / 80) % 80) - 40) * 0.8, (Math.floor(at / 6400) - 15) * 0.8));
  const mask = new Mask(voxels, geometry);
  for (const plane of Object.keys(PLANES)) {
    const view = new PlaneView(plane, grid);
    const [columns, rows] = view.bitmapSize;
    const pixels = new Uint32Array(columns * rows);
    const slice = [22, 14, 2][view.axes.n];
    mask.draw(view, slice, 7, pixels);
    let wrong = 0;
    let inside = 0;
    pixels.forEach((pixel, place) => {
      const index = [0, 0, 0];
      index[view.axes.n] = slice;
      index[view.axes.u] = place % columns;
      const row = Math.floor(place / columns);
      index[view.axes.v] = view.axes.down > 0 ? row : rows - 1 - row;
      const away = Math.hypot(...grid.toWorld(index).map((value, axis) => value - center[axis]));
      inside += Number(pixel === 7);
      if (Math.abs(away - radius) > 0.8) wrong += Number((pixel === 7) !== away < radius); // but for the voxels of its border
    });
    assert.equal(wrong, 0, plane);
    assert.ok(inside > 20, plane);
  }
});
