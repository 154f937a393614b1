import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.document = { getElementById: () => null, documentElement: { lang: "en" }, body: { dataset: {} }, addEventListener: () => {} };
const { placeAmong } = await import("../../static/js/prediction/threshold.js");
const { categoryOf } = await import("../../static/js/prediction/chosen_mark.js");

const POINTS = [{ threshold: 0.3, fp_per_scan: 4 }, { threshold: 0.658, fp_per_scan: 1 }];

test("a threshold is said to mean no more than was measured", () => {
  const kinds = [0.1, 0.3, 0.5, 0.66, 0.9].map((threshold) => placeAmong(threshold, POINTS).kind);
  assert.deepEqual(kinds, ["below", "at", "between", "at", "above"]);
  assert.deepEqual(placeAmong(0.5, POINTS), { kind: "between", low: POINTS[0], high: POINTS[1] });
  assert.equal(placeAmong(0.5, []).kind, "none");
});

test("the size category changes where the table of Lung-RADS says, by the diameter with one decimal", () => {
  const found = [5.94, 5.95, 7.9, 8, 14.94, 15, 40].map(categoryOf);
  assert.deepEqual(found, ["2", "3", "3", "4A", "4A", "4B", "4B"]);
});
