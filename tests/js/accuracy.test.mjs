import assert from "node:assert/strict";
import { test } from "node:test";

const texts = {
  "accuracy.interval": "{value} ({low} to {high})",
  "accuracy.seen": "{nodules} on {scans}",
  "accuracy.seen_at": "{seen}, at {rate}",
  "accuracy.no_interval": "{seen}; no interval",
  "accuracy.shipped": "{nodules}, at {rate} ({scans})",
  "count.scans.other": "{count} scans",
  "count.nodules.other": "{count} nodules",
  "predict.false_marks.one": "{count} false mark",
  "predict.false_marks.other": "{count} false marks",
};
globalThis.document = { getElementById: (id) => (id === "i18n" ? { textContent: JSON.stringify(texts) } : null), documentElement: { lang: "en" }, body: { dataset: {} }, addEventListener: () => {} };
const { accuracyWords } = await import("../../static/js/accuracy.js");
const { restsOn, metricOf, seriesOf } = await import("../../static/js/metrics.js");

const point = { threshold: 0.3, sensitivity: 0.625, interval: [0.3057, 0.8632], fp_per_scan: 0.6667, fp_interval: [0.0807, 2.4082], num_scans: 3, num_nodules: 8 };
const pooled = { display_threshold: 0.3, operating_points: [point], num_scans: 3, num_nodules: 8 };

test("sensitivity stands with both intervals, nodules and scans; an older record has no interval of false marks", () => {
  const model = (metrics) => ({ metrics: { validation_mean: { sensitivity_at_1_fp: 0.5, dice: 0.4 }, ...metrics } });
  const told = accuracyWords(model({ validation_pooled: pooled }), "sensitivity_at_1_fp");
  assert.deepEqual(told, { value: "0.63 (0.31 to 0.86)", note: "8 nodules on 3 scans, at 0.67 false marks (0.08 to 2.41)" });
  const older = { ...pooled, operating_points: [{ ...point, fp_interval: undefined }] };
  assert.equal(accuracyWords(model({ validation_pooled: older }), "sensitivity_at_1_fp").note, "8 nodules on 3 scans, at 0.67 false marks");
  assert.deepEqual(accuracyWords(model({ validation_pooled: pooled }), "dice"), { value: "0.400", note: "8 nodules on 3 scans; no interval" });
  assert.deepEqual(accuracyWords(model({}), "dice"), { value: "0.400", note: "" });
});

test("a shipped model says on how many scans its false marks were counted", () => {
  const validation = { sensitivity_at_fp_per_scan: { 1: [0.74, 0.67, 0.82] }, num_nodules: 137, num_scans: 3 };
  assert.deepEqual(accuracyWords({ metrics: { validation } }, "sensitivity_at_1_fp"), { value: "0.74 (0.67 to 0.82)", note: "137 nodules, at 1 false mark (3 scans)" });
});

test("a point of a curve knows on how many nodules it rests; training losses rest on none", () => {
  const record = { round: 1, time: "2026-01-01T00:01:00Z", hospitals: [], metrics: { loss: 1 }, validation_pooled: pooled, validation: { a: { sensitivity_at_1_fp: 0.5, num_nodules: 2, num_scans: 1 }, b: { sensitivity_at_1_fp: 0.5 } } };
  assert.deepEqual(restsOn(record, metricOf("sensitivity")), { num_scans: 3, num_nodules: 8 });
  assert.deepEqual(restsOn(record, metricOf("sensitivity"), "a"), { num_scans: 1, num_nodules: 2 });
  assert.equal(restsOn(record, metricOf("sensitivity"), "b"), undefined);
  assert.equal(restsOn({ ...record, validation_pooled: undefined }, metricOf("sensitivity")), undefined);
  assert.equal(restsOn(record, metricOf("loss")), undefined);
  const [all] = seriesOf({ records: [record], created: "2026-01-01T00:00:00Z", scans: { a: 2 } }, "sensitivity", (id) => id);
  assert.deepEqual(all.points.map((one) => one.on), [{ num_scans: 3, num_nodules: 8 }]);
});
