import assert from "node:assert/strict";
import { test } from "node:test";

const texts = {
  "count.scans.other": "{count} scans",
  "count.nodules.other": "{count} nodules",
  "predict.false_marks.one": "{count} false mark",
  "predict.false_marks.other": "{count} false marks",
  "predict.with_interval": "{value} ({low} to {high})",
  "predict.means_at": "{rate}; {sensitivity}; {scans}",
  "predict.means_above": "at most {rate}; {sensitivity}; {scans}",
  "predict.means_too_few": "too few: {scans}",
  "predict.means_unknown": "unknown",
};
globalThis.document = { getElementById: (id) => (id === "i18n" ? { textContent: JSON.stringify(texts) } : null), documentElement: { lang: "en" }, body: { dataset: {} }, addEventListener: () => {} };
const { placeAmong, thresholdMeaning } = await import("../../static/js/prediction/threshold.js");
const { modelMetrics } = await import("../../static/js/metrics.js");
const { categoryOf } = await import("../../static/js/prediction/chosen_mark.js");

const POINTS = [{ threshold: 0.3, fp_per_scan: 4 }, { threshold: 0.658, fp_per_scan: 1 }];

test("a threshold is said to mean no more than was measured", () => {
  const kinds = [0.1, 0.3, 0.5, 0.66, 0.9].map((threshold) => placeAmong(threshold, POINTS).kind);
  assert.deepEqual(kinds, ["below", "at", "between", "at", "above"]);
  assert.deepEqual(placeAmong(0.5, POINTS), { kind: "between", low: POINTS[0], high: POINTS[1] });
  assert.equal(placeAmong(0.5, []).kind, "none");
});

test("sensitivity is said with its interval, scans and nodules; and why nothing is known", () => {
  const point = { threshold: 0.31, fp_per_scan: 0.6667, sensitivity: 0.75, interval: [0.4093, 0.9285], num_scans: 3, num_nodules: 8 };
  assert.equal(thresholdMeaning(0.31, [point]), "0.67 false marks; 0.75 (0.41 to 0.93); 3 scans and 8 nodules");
  assert.equal(thresholdMeaning(0.5, [point]), "at most 0.67 false marks; 0.75; 3 scans and 8 nodules");
  assert.equal(thresholdMeaning(0.31, [{ ...point, interval: undefined, num_nodules: undefined }]), "0.67 false marks; 0.75; 3 scans");
  assert.equal(thresholdMeaning(0.5, [], { no_threshold: "too_few", num_scans: 2, num_nodules: 0 }), "too few: 2 scans and 0 nodules");
  assert.equal(thresholdMeaning(0.5, [], {}), "unknown");
});

test("a model's sensitivity is that of its one threshold, not the mean over thresholds of each hospital's own", () => {
  const pooled = { display_threshold: 0.79, operating_points: [{ threshold: 0.69, sensitivity: 0.25 }, { threshold: 0.79, sensitivity: 0.125 }] };
  const mean = { sensitivity_at_1_fp: 0.3, dice: 0.4 };
  assert.deepEqual(modelMetrics({ metrics: { validation_mean: mean, validation_pooled: pooled } }), { sensitivity_at_1_fp: 0.125, dice: 0.4 });
  assert.deepEqual(modelMetrics({ metrics: { validation_mean: mean, validation_pooled: { no_threshold: "too_few", operating_points: [] } } }), mean);
});

test("the size category changes where the table of Lung-RADS says, by the diameter with one decimal", () => {
  const found = [5.94, 5.95, 7.9, 8, 14.94, 15, 40].map(categoryOf);
  assert.deepEqual(found, ["2", "3", "3", "4A", "4A", "4B", "4B"]);
});
