/* What a threshold means: said with the model's own validation, never beyond it. */

import { list, number, percent, t, tn } from "../i18n.js";

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

/**
 * One sentence for the label of the slider.
 * @param {{no_threshold?: string, num_scans?: number, num_nodules?: number}} validation why there are no points
 * @param rateWords how to say the false marks of a point that was measured at this very threshold
 */
export function thresholdMeaning(threshold, points, validation = {}, rateWords = rate) {
  const { kind, low, high } = placeAmong(threshold, points);
  if (kind === "none") return noMeaning(validation);
  const scans = seenIn(low ?? high);
  const share = (point) => number(point.sensitivity, 2);
  if (kind === "at") return t("predict.means_at", { rate: rateWords(low), sensitivity: withInterval(low), scans });
  if (kind === "between") {
    return t("predict.means_between", { least: number(high.fp_per_scan, 2), rate: rate(low), low: share(high), high: share(low), scans });
  }
  if (kind === "above") return t("predict.means_above", { rate: rate(low), sensitivity: share(low), scans });
  return t("predict.means_below", { rate: rate(high), sensitivity: share(high), scans });
}

/** "0.67 false marks per scan" */
export const rate = ({ fp_per_scan }) => tn("predict.false_marks", fp_per_scan, { count: number(fp_per_scan, 2) });

/** "0.67 false marks per scan (0.08 to 2.41)"; without the interval where an older model knows none. */
export function rateWithInterval(point) {
  const [low, high] = point.fp_interval ?? [];
  return low === undefined ? rate(point) : t("accuracy.interval", { value: rate(point), low: number(low, 2), high: number(high, 2) });
}

/** "3 scans and 8 nodules" */
const seenIn = ({ num_scans, num_nodules }) => list([tn("count.scans", num_scans), ...(num_nodules === undefined ? [] : [tn("count.nodules", num_nodules)])]);

function withInterval({ sensitivity, interval }) {
  const value = number(sensitivity, 2);
  return interval ? t("predict.with_interval", { value, level: percent(0.95), low: number(interval[0], 2), high: number(interval[1], 2) }) : value;
}

function noMeaning(validation) {
  const key = { too_few: "predict.means_too_few", too_many_false_marks: "predict.means_too_many" }[validation.no_threshold];
  return key ? t(key, { scans: seenIn(validation) }) : t("predict.means_unknown");
}
