import assert from "node:assert/strict";
import { test } from "node:test";
import { asCsv, asRows, csvCell, decimated, nearest, smoothed } from "../../static/js/chart_data.js";

const line = (...values) => values.map((y, index) => ({ x: index + 1, y }));

test("no smoothing changes nothing, and a flat line stays flat", () => {
  const points = line(3, 1, 2);
  assert.equal(smoothed(points, 0), points);
  for (const { y } of smoothed(line(5, 5, 5, 5), 0.9)) assert.ok(Math.abs(y - 5) < 1e-9);
});

test("smoothing is the mean that forgets: 1, then (0.5*1 + 3) / 1.5", () => {
  const [first, second] = smoothed(line(1, 3), 0.5);
  assert.equal(first.y, 1);
  assert.ok(Math.abs(second.y - (0.5 * 1 + 3) / 1.5) < 1e-12);
});

test("a short line is not decimated; a long one keeps its ends, its spike and its order", () => {
  const points = Array.from({ length: 10_000 }, (_, x) => ({ x, y: x === 4321 ? 50 : Math.sin(x / 300) }));
  assert.equal(decimated(points.slice(0, 2000)).length, 2000);
  const kept = decimated(points);
  assert.equal(kept.length, 2000);
  assert.equal(kept[0], points[0]);
  assert.equal(kept.at(-1), points.at(-1));
  assert.ok(kept.some(({ x }) => x === 4321));
  assert.ok(kept.every((point, index) => index === 0 || point.x > kept[index - 1].x));
});

test("the nearest point is found at both ends and between", () => {
  const points = line(0, 0, 0, 0);
  assert.deepEqual([-5, 1.4, 1.6, 3.9, 99].map((x) => nearest(points, x).x), [1, 1, 2, 4, 4]);
  assert.equal(nearest([], 1), undefined);
});

test("rows of lines that do not share every x", () => {
  const rows = asRows([{ points: [{ x: 1, y: 10 }, { x: 3, y: 30 }] }, { points: [{ x: 2, y: 20 }, { x: 3, y: 33 }] }]);
  assert.deepEqual(rows, [{ x: 1, values: [10, null] }, { x: 2, values: [null, 20] }, { x: 3, values: [30, 33] }]);
});

test("a cell is no formula, and numbers stay numbers", () => {
  assert.deepEqual(["=1+1", "-x", "a,b", 'say "x"', -0.5, null].map(csvCell), ["'=1+1", "'-x", '"a,b"', '"say ""x"""', "-0.5", ""]);
  assert.equal(asCsv(["round", "@all"], [[1, 0.25], [2, null]]), "round,'@all\r\n1,0.25\r\n2,\r\n");
});
