/* What a threshold means: said with the model's own validation, never beyond it. */

import { number, t, tn } from "../i18n.js";

const NEAR = 0.005; // half a step of the slider

/**
 * @param {number} threshold
 * @param {{threshold: number, fp_per_scan: number, sensitivity: number, num_scans: number}[]} points by rising threshold
 * @returns {{kind: "none" | "at" | "between" | "above" | "below", low?: any, high?: any}}
 */
export function placeAmong(threshold, points) {
  if (!points.length) return { kind: "none" };
  const at = points.find((point) => Math.abs(point.threshold - threshold) <= NEAR);
  if (at) return { kind: "at", low: at };
  const low = points.filter((point) => point.threshold < threshold).at(-1);
  const high = points.find((point) => point.threshold > threshold);
  if (low && high) return { kind: "between", low, high };
  return low ? { kind: "above", low } : { kind: "below", high };
}

/** One sentence for the label of the slider. */
export function thresholdMeaning(threshold, points) {
  const { kind, low, high } = placeAmong(threshold, points);
  if (kind === "none") return t("predict.means_unknown");
  const scans = tn("count.scans", (low ?? high).num_scans);
  const rate = (point) => tn("predict.false_marks", point.fp_per_scan, { count: number(point.fp_per_scan, 3) });
  const share = (point) => number(point.sensitivity, 2);
  if (kind === "at") return t("predict.means_at", { rate: rate(low), sensitivity: share(low), scans });
  if (kind === "between") {
    return t("predict.means_between", { least: number(high.fp_per_scan, 3), rate: rate(low), low: share(high), high: share(low), scans });
  }
  if (kind === "above") return t("predict.means_above", { rate: rate(low), sensitivity: share(low), scans });
  return t("predict.means_below", { rate: rate(high), sensitivity: share(high), scans });
}
