import assert from "node:assert/strict";
import { test } from "node:test";
import { Grid, distance } from "../../static/js/viewer/grid.js";
import { circleOf, heldDiameter, markAt, moved, neighbour, resized } from "../../static/js/viewer/marks.js";
import { PLANES, PlaneView } from "../../static/js/viewer/plane_view.js";

const near = (one, other, within = 1e-9) => one.forEach((value, axis) => assert.ok(Math.abs(value - other[axis]) <= within, `${one} is not ${other}`));
const STRAIGHT = [1, 0, 0, 0, 1, 0, 0, 0, 1];

/** Rotation about z, then about x, by degrees; rows as lists, as the server sends them. */
function turned(aboutZ, aboutX) {
  const [a, b] = [aboutZ, aboutX].map((degrees) => (degrees * Math.PI) / 180);
  const z = [[Math.cos(a), -Math.sin(a), 0], [Math.sin(a), Math.cos(a), 0], [0, 0, 1]];
  const x = [[1, 0, 0], [0, Math.cos(b), -Math.sin(b)], [0, Math.sin(b), Math.cos(b)]];
  return x.map((row) => [0, 1, 2].map((column) => row.reduce((sum, value, k) => sum + value * z[k][column], 0)));
}

const grid = (direction = STRAIGHT) => new Grid({ shape_zyx: [20, 40, 60], spacing_zyx_mm: [2.5, 0.8, 0.7], origin_xyz_mm: [-30, 12, -200], direction_xyz: direction });

test("world = origin + index * spacing where nothing is turned", () => {
  near(grid().toWorld([10, 5, 4]), [-30 + 10 * 0.7, 12 + 5 * 0.8, -200 + 4 * 2.5]);
});

test("of a turned scanner, a step along an axis goes along the column of its direction", () => {
  const direction = turned(20, 10);
  const made = grid(direction);
  for (const axis of [0, 1, 2]) {
    const step = [0, 0, 0];
    step[axis] = 1;
    const gone = made.toWorld(step).map((value, row) => value - made.origin[row]);
    near(gone, direction.map((row) => row[axis] * made.spacing[axis]));
  }
});

test("there and back again, also with a direction of six digits", () => {
  const rounded = turned(20, 10).map((row) => row.map((value) => Number(value.toFixed(6))));
  for (const made of [grid(), grid(rounded), grid([-1, 0, 0, 0, -1, 0, 0, 0, 1])]) near(made.toIndex(made.toWorld([1.25, 38.5, 7])), [1.25, 38.5, 7]);
});

test("edges are named for the patient, tilted ones by two letters", () => {
  const edges = (plane, direction) => Object.values(new PlaneView(plane, grid(direction)).edges()).join(" ");
  assert.equal(edges("axial"), "R L A P"); // left, right, top, bottom
  assert.equal(edges("coronal"), "R L S I");
  assert.equal(edges("sagittal"), "A P S I");
  assert.equal(edges("axial", turned(30, 0)), "RA LP AL PR");
  assert.equal(edges("axial", turned(5, 0)), "R L A P");
  assert.equal(edges("axial", [-1, 0, 0, 0, -1, 0, 0, 0, 1]), "L R P A");
});

test("inside reaches half a voxel beyond the outer centres", () => {
  const made = grid(turned(20, 10));
  assert.deepEqual([[-0.4, 0, 0], [59.4, 39.4, 19.4], [-0.6, 0, 0], [0, 39.6, 0]].map((index) => made.contains(made.toWorld(index))), [true, true, false, false]);
  assert.deepEqual(made.clamped([-3, 39.7, 8.5]), [0, 39, 8.5]);
});

test("what is under the pointer is what was drawn there, after any zoom and pan", () => {
  for (const name of Object.keys(PLANES)) {
    const view = new PlaneView(name, grid(turned(20, 10)));
    view.resize(500, 300);
    view.zoomAt(3, 120, 77);
    view.pan(-31, 12);
    const index = [13.2, 21.7, 4.4];
    const [x, y] = view.toScreen(index);
    near(view.toIndex(x, y, index[view.axes.n]), index);
  }
});

test("zooming keeps in place what is under the pointer, and stops at its limits", () => {
  const view = new PlaneView("coronal", grid());
  view.resize(400, 400);
  const before = view.toIndex(90, 210, 5);
  view.zoomAt(2, 90, 210);
  near(view.toIndex(90, 210, 5), before);
  const scales = [1e6, 1e-9].map((factor) => (view.zoomAt(factor, 0, 0), view.scale));
  assert.deepEqual(scales, [60, view.fittingScale() / 2]);
});

test("a whole slice fits and is in the middle; one that was zoomed stays when the window grows", () => {
  const view = new PlaneView("axial", grid()); // 42 x 32 mm
  view.resize(840, 2000);
  assert.ok(Math.abs(view.scale - 20) < 1e-9);
  near(view.bitmapPlace(), [0, (2000 - 32 * 20) / 2, 840, 640]);
  view.zoomAt(2, 10, 10);
  view.resize(100, 100);
  assert.ok(Math.abs(view.scale - 40) < 1e-9);
});

test("head and front are up, the patient's right is at the left", () => {
  const direction = ([name, low, high]) => {
    const view = new PlaneView(name, grid());
    const [a, b] = [view.toScreen(low), view.toScreen(high)];
    return [Math.sign(b[0] - a[0]), Math.sign(b[1] - a[1])];
  };
  assert.deepEqual([["axial", [0, 0, 0], [1, 1, 0]], ["coronal", [0, 0, 0], [1, 0, 1]], ["sagittal", [0, 0, 0], [0, 1, 1]]].map(direction), [[1, 1], [1, -1], [1, -1]]);
});

test("the picture of a slice covers its voxels, half a voxel around their centres", () => {
  const view = new PlaneView("sagittal", grid());
  view.resize(320, 500);
  const [left, top, width, height] = view.bitmapPlace();
  const [x, y] = view.toScreen([0, 0, 19]); // front, head: the first voxel of the first row
  near([x - left, y - top], [width / 40 / 2, height / 20 / 2]);
});

test("what is out of sight is brought to the middle", () => {
  const view = new PlaneView("axial", grid());
  view.resize(400, 400);
  view.zoomAt(20, 0, 0);
  view.reveal([50, 30, 3]);
  near(view.toScreen([50, 30, 3]), [200, 200]);
});

// --- marks ---------------------------------------------------------------------------------------------------

const axial = () => {
  const view = new PlaneView("axial", grid());
  view.resize(840, 640); // 20 pixels a millimetre
  return view;
};
const ball = (index, diameter_mm, more = {}) => ({ id: "a", center_xyz_mm: grid().toWorld(index), diameter_mm, ...more });

test("a ball is cut to circles: Pythagoras, and nothing beyond its radius", () => {
  const mark = ball([30, 20, 10], 13);
  const radii = [10, 11, 12, 13].map((slice) => circleOf(axial(), slice, mark)?.radius);
  near(radii.slice(0, 3), [6.5, Math.sqrt(6.5 ** 2 - 2.5 ** 2), Math.sqrt(6.5 ** 2 - 5 ** 2)].map((mm) => 20 * mm));
  assert.equal(radii[3], undefined);
});

test("a ball thinner than a slice is seen on the nearest one, large enough to be met", () => {
  const mark = ball([30, 20, 10.4], 1);
  assert.deepEqual([9, 10, 11].map((slice) => circleOf(axial(), slice, mark)?.radius ?? 0), [0, 3, 0]);
});

test("rim or inside, the smallest of several, the selected one before all", () => {
  const shown = [{ mark: { id: "large" }, circle: { x: 50, y: 50, radius: 40 } }, { mark: { id: "small" }, circle: { x: 60, y: 50, radius: 10 } }];
  const at = (x, y) => [markAt(shown, x, y)?.mark.id, markAt(shown, x, y)?.part];
  assert.deepEqual([at(60, 50), at(50, 88), at(30, 50), at(70, 50), at(99, 99)], [["small", "inside"], ["large", "rim"], ["large", "inside"], ["small", "rim"], [undefined, undefined]]);
  shown[0].mark.selected = true;
  assert.deepEqual(at(60, 50), ["large", "inside"]);
});

test("a rim that is pulled to a point reaches it, from any plane; sizes stay within what the server takes", () => {
  const mark = { center_xyz_mm: [1, 2, 3], diameter_mm: 4 };
  assert.equal(resized(mark, [1, 2 + 3, 3 + 4]).diameter_mm, 10);
  assert.deepEqual([0.2, 7.26, 400].map(heldDiameter), [1, 7.3, 100]);
  near(moved(mark, [0, 0, 0], [1, -1, 0.5]).center_xyz_mm, [2, 1, 3.5]);
});

test("the next mark, around both ends", () => {
  const marks = ["a", "b", "c"].map((id) => ({ id }));
  assert.deepEqual([[null, 1], [null, -1], ["c", 1], ["a", -1], ["a", 1]].map(([id, step]) => neighbour(marks, id, step).id), ["a", "c", "a", "c", "b"]);
  assert.equal(neighbour([], null, 1), null);
});

test("distance is in millimetres", () => assert.equal(distance([0, 0, 0], [2, 3, 6]), 7));
