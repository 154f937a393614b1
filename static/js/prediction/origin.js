/* Where a model comes from, in one line. */

import { locale, number, t, tn } from "../i18n.js";
import { strategyName } from "../words.js";
import { rate } from "./threshold.js";

const dates = new Intl.DateTimeFormat(locale, { dateStyle: "medium" });

/** @param model one of GET /api/models */
export function factsOf(model) {
  return {
    name: model.name,
    strategy: model.card?.strategy,
    round: model.round,
    rounds: model.card?.rounds,
    hospitals: model.num_hospitals,
    created: model.created,
    is_built_in: model.built_in,
    validation: (model.built_in ? model.metrics?.validation : { ...model.metrics?.validation_mean, ...model.metrics?.validation_pooled }) ?? {},
  };
}

/** "Shipped with FedLung · 12 rounds · 3 hospitals · 22 Nov 2026 · in validation sensitivity 0.74 at 1 false mark per scan (3 scans)" */
export function originLine(facts, points = facts.validation?.operating_points) {
  const parts = [
    facts.is_built_in ? t("model.built_in") : facts.strategy && strategyName(facts.strategy),
    facts.rounds && (facts.round && facts.round < facts.rounds ? t("predict.round_of", { round: number(facts.round), rounds: number(facts.rounds) }) : tn("count.rounds", facts.rounds)),
    facts.hospitals && tn("count.hospitals", facts.hospitals),
    facts.created && dates.format(new Date(facts.created)),
    validationWords(facts.validation ?? {}, points ?? []),
  ];
  return parts.filter(Boolean).join(" · ");
}

function validationWords(validation, points) {
  const shown = points.find(({ threshold, interval }) => interval && threshold === validation.display_threshold);
  if (shown) return t("predict.validated_at", { sensitivity: number(shown.sensitivity, 2), rate: rate(shown), scans: tn("count.scans", shown.num_scans) });
  const sensitivity = validation.sensitivity_at_1_fp ?? validation.sensitivity_at_fp_per_scan?.["1"]?.[0];
  if (!Number.isFinite(sensitivity)) return t("predict.not_validated");
  const values = { sensitivity: number(sensitivity, 2) };
  return validation.num_scans ? t("predict.validated_on", { ...values, scans: tn("count.scans", validation.num_scans) }) : t("predict.validated", values);
}
