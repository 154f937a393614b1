/* The numbers of a run as lines of a chart: one for the federation, one per hospital. */

import { t } from "./i18n.js";
import { hospitalsOf } from "./run_state.js";

/** What the charts show. `source`: training (means over the round) or validation (the new model on held-out scans). */
export const METRICS = [
  { id: "loss", source: "training", key: "loss", lower: true },
  { id: "train_dice", source: "training", key: "dice" },
  { id: "sensitivity", source: "validation", key: "sensitivity_at_1_fp", weight: "num_nodules" },
  { id: "dice", source: "validation", key: "dice", weight: "num_scans" },
  { id: "cpm", source: "validation", key: "cpm", weight: "num_nodules" },
];

export const metricOf = (id) => METRICS.find((one) => one.id === id);
export const metricTitle = (id) => t(`metric.${id}`);
export const metricHelp = (id) => t(`metric_help.${id}`);

/** Value of `metric` for the federation in one record; undefined when there is none. */
export function globalValue(record, metric) {
  if (metric.source === "training") return record.metrics?.[metric.key];
  return record.validation_mean?.[metric.key] ?? weightedMean(Object.values(record.validation ?? {}), metric);
}

/** Value of `metric` for one hospital in one record. */
export function hospitalValue(record, metric, hospital) {
  if (metric.source === "validation") return record.validation?.[hospital]?.[metric.key];
  return record.hospitals.find((one) => one.hospital === hospital)?.metrics?.[metric.key];
}

/** The held-out scans and nodules on which a value of `metric` rests, {num_scans, num_nodules}; undefined where nobody says.
 * `hospital`: null for the federation, whose counts the server tells those who lead it. */
export function restsOn(record, metric, hospital = null) {
  if (metric.source !== "validation") return undefined;
  const found = hospital === null ? record.validation_pooled : record.validation?.[hospital];
  if (!Number.isFinite(found?.num_nodules) || !Number.isFinite(found.num_scans)) return undefined;
  return { num_scans: found.num_scans, num_nodules: found.num_nodules };
}

function weightedMean(measured, metric) {
  const those = measured.filter((one) => Number.isFinite(one[metric.key]));
  const weights = those.map((one) => one[metric.weight] ?? 1);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (!total) return undefined;
  return those.reduce((sum, one, index) => sum + one[metric.key] * weights[index], 0) / total;
}

/** Series of a chart for one run: the federation first. `names`: hospital id -> name. */
export function seriesOf(run, metricId, names, { withGlobal = true, only = null } = {}) {
  const metric = metricOf(metricId);
  const records = run.records;
  const start = Date.parse(run.created);
  const points = (valueOf, hospital = null) =>
    records
      .map((record) => ({ round: record.round, minutes: (Date.parse(record.time) - start) / 60_000, y: valueOf(record), on: restsOn(record, metric, hospital) }))
      .filter((point) => Number.isFinite(point.y));
  const hospitals = hospitalsOf(run);
  const series = hospitals
    .map((id, index) => ({
      id,
      label: names(id),
      color: `--series-${(index % 8) + 1}`,
      marker: index % 4,
      points: points((record) => hospitalValue(record, metric, id), id),
    }))
    .filter((one) => !only || only.includes(one.id));
  const all = { id: "*", label: t("chart.federation"), color: "--series-global", wide: true, points: points((record) => globalValue(record, metric)) };
  return withGlobal ? [all, ...series] : series;
}

/** The last known value of a metric for the federation; of a run in a list, too. */
export function lastGlobal(run, metricId) {
  const metric = metricOf(metricId);
  const values = (run.records ?? []).map((record) => globalValue(record, metric)).filter(Number.isFinite);
  return values.at(-1) ?? run.metrics?.[metric.source]?.[metric.key];
}

/**
 * Numbers of a model: the mean over the hospitals' held-out scans, else what the card of a shipped model says. The mean
 * takes for each hospital a threshold of its own; the model has one for all, so its sensitivity is the one there.
 */
export function modelMetrics(model) {
  const { validation_mean: mean, validation_pooled: pooled, validation, ...others } = model.metrics ?? {};
  const shown = pooled?.operating_points?.find(({ threshold }) => threshold === pooled.display_threshold);
  if (mean) return shown ? { ...mean, sensitivity_at_1_fp: shown.sensitivity } : mean;
  const atOneFalseMark = validation?.sensitivity_at_fp_per_scan?.["1"]?.[0]; // [value, low, high]
  return Number.isFinite(atOneFalseMark) ? { sensitivity_at_1_fp: atOneFalseMark } : others;
}
export const MODEL_METRICS = ["sensitivity_at_1_fp", "cpm", "dice"];
