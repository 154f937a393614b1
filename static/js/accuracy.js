/* How good a model is, never without the interval and the number of nodules on which that rests. */

import { metric, number, t, tn } from "./i18n.js";
import { modelMetrics } from "./metrics.js";
import { rateWithInterval } from "./prediction/threshold.js";

/** "8 nodules on 3 scans" */
export const seenOn = ({ num_nodules: nodules, num_scans: scans }) => t("accuracy.seen", { nodules: tn("count.nodules", nodules), scans: tn("count.scans", scans) });

/** The point of the threshold that is shown first, of what all hospitals counted together. */
export const shownPoint = (pooled) => pooled?.operating_points?.find(({ threshold }) => threshold === pooled.display_threshold);

/** Of one operating point: {value, interval, note}, each in words. */
export function pointWords(point) {
  const [low, high] = point.interval;
  const seen = t("accuracy.seen_at", { seen: seenOn(point), rate: rateWithInterval(point) });
  return { value: t("accuracy.interval", { value: number(point.sensitivity, 2), low: number(low, 2), high: number(high, 2) }), note: seen };
}

/** One of `MODEL_METRICS` of a model: {value, note} in words; the note says on what it rests. */
export function accuracyWords(model, key) {
  const { validation_pooled: pooled, validation_mean: mean, validation: shipped } = model.metrics ?? {};
  const point = shownPoint(pooled);
  if (key === "sensitivity_at_1_fp" && point?.interval) return pointWords(point);
  const value = metric(modelMetrics(model)[key]);
  if (!mean && key === "sensitivity_at_1_fp" && shipped?.sensitivity_at_fp_per_scan?.["1"]) return shippedWords(shipped);
  if (!Number.isFinite(pooled?.num_nodules)) return { value, note: "" };
  return { value, note: t("accuracy.no_interval", { seen: seenOn(pooled) }) };
}

/** Of a shipped model: some nodules were cut out, and false marks were counted on the whole scans alone. */
function shippedWords(validation) {
  const [value, low, high] = validation.sensitivity_at_fp_per_scan["1"];
  const words = Number.isFinite(low) && Number.isFinite(high) ? t("accuracy.interval", { value: number(value, 2), low: number(low, 2), high: number(high, 2) }) : number(value, 2);
  const counted = Number.isFinite(validation.num_nodules) && Number.isFinite(validation.num_scans);
  const rate = tn("predict.false_marks", 1);
  return { value: words, note: counted ? t("accuracy.shipped", { nodules: tn("count.nodules", validation.num_nodules), rate, scans: tn("count.scans", validation.num_scans) }) : "" };
}
