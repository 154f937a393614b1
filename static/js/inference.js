/* The clinician's page: which model reads the scans, and where it comes from. */

import { api } from "./api.js";
import { byId, fill, h, icon } from "./dom.js";
import { dateTime, metric, number, t, tOr } from "./i18n.js";
import { live } from "./live.js";
import { MODEL_METRICS, modelMetrics } from "./metrics.js";
import { attempt } from "./toasts.js";
import { learnNames, modelName, trainedOn } from "./words.js";

async function load() {
  const models = await attempt(null, () => api.get("/api/models"));
  if (!models) return;
  const model = models.find((one) => one.promoted);
  byId("model-loading").hidden = true;
  byId("model").hidden = !model;
  byId("model-empty").hidden = Boolean(model);
  if (model) show(model);
}

function show(model) {
  const measured = modelMetrics(model);
  const figure = (label, value) => h("div", {}, h("div.stat-label", {}, label), h("div.stat-value", {}, value));
  const figures = MODEL_METRICS.filter((key) => Number.isFinite(measured[key])).map((key) => figure(tOr(`measure.${key}`, key), metric(measured[key])));
  const facts = [
    [t("model.origin"), model.built_in ? t("model.built_in") : model.run_id ? t("inference.from_run", { run: model.run_id, round: number(model.round) }) : t("model.unknown_origin")],
    [t("model.trained_by"), trainedOn(model).join(" · ") || "–"],
    [t("model.made"), dateTime(model.created)],
    [t("model.integrity"), t(model.intact === false ? "model.damaged" : model.intact ? "model.intact" : "model.unchecked")],
  ];
  fill(
    byId("model"),
    h("div.card-head", {}, h("div", {}, h("h2", {}, t("inference.reads_with")), h("p", {}, modelName(model))), h("span.pill.pill-accent", {}, icon("star"), t("model.in_use"))),
    h("div.card-body.stack", {}, figures.length > 0 && h("div.stats", {}, figures), h("dl.facts", {}, facts.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]))),
    h("div.card-foot", {}, h("span.research", {}, icon("flask"), t("page.research")), h("a", { href: "/models" }, t("inference.all_models"))),
  );
}

live.subscribe({
  snapshot(status) {
    learnNames(status.hospitals);
    load();
  },
});
