/* The registry of models: which one is in use, where each comes from, and what may be done with it. */

import { accuracyWords } from "./accuracy.js";
import { api } from "./api.js";
import { confirmStep, showDialog } from "./dialogs.js";
import { byId, fill, h, icon } from "./dom.js";
import { ago, bytes, dateTime, number, percent, t, tOr } from "./i18n.js";
import { live } from "./live.js";
import { MODEL_METRICS, modelMetrics } from "./metrics.js";
import { rateWithInterval, thresholdMeaning } from "./prediction/threshold.js";
import { applyFilter, makeFilter, makeSortable, sortRows } from "./tables.js";
import { attempt, toast } from "./toasts.js";
import { hospitalName, learnNames, modelName, trainedOn } from "./words.js";

const page = byId("models");
const canPromote = page.dataset.promotes === "true";
const canDownload = page.dataset.downloads === "true";
const table = byId("models-table");
/** What a card says in sentences: in the reader's language where the server knows them, else in their own English. */
const isEnglish = (text) => !/[\u4e00-\u9fff]/.test(text);
const SENTENCES = [["use", "intended_use"], ["data", "data"], ["limits", "limits"]];
let models = [];

const path = (model, action) => `/api/models/${encodeURIComponent(model.id)}/${action}`;
const namesOf = (model) => Object.keys(model.hospitals ?? {}).map(hospitalName);
const countOf = (model) => model.num_hospitals ?? namesOf(model).length;

/** Where a model comes from, in a sentence with links. */
function origin(model) {
  if (model.built_in) return t("model.built_in");
  if (!model.run_id) return t("model.unknown_origin");
  return h("a", { href: `/history/${encodeURIComponent(model.run_id)}` }, model.run_id);
}

function integrity(model) {
  if (model.intact === true) return h("span.pill.pill-good", {}, icon("shield-halved"), t("model.intact"));
  if (model.intact === false) return h("span.pill.pill-bad", {}, icon("triangle-exclamation"), t("model.damaged"));
  return h("span.pill", {}, icon("shield"), t("model.unchecked"));
}

const promotedPill = () => h("span.pill.pill-accent", {}, icon("star"), t("model.in_use"));

/** `compact`: only the main step has words to see. */
function buttons(model, compact) {
  const found = [];
  const tool = (name, label, properties) => {
    const words = t("page.pair", { name: label, value: modelName(model) });
    const look = compact ? "button-icon button-small" : "button-small";
    return h(properties.href ? "a" : "button", { class: `button ${look}`, "aria-label": words, title: compact ? label : null, ...(properties.href ? {} : { type: "button" }), ...properties }, icon(name), !compact && label);
  };
  if (canPromote && !model.promoted && model.intact !== false) {
    const button = h("button.button.button-small", { type: "button", "data-testid": `promote-${model.id}`, "aria-label": t("page.pair", { name: t("model.promote"), value: modelName(model) }) }, icon("star"), t("model.promote"));
    button.addEventListener("click", () => promote(model, button));
    found.push(button);
  }
  if (canPromote) {
    const button = tool("shield-halved", t("model.verify"), { "data-testid": `verify-${model.id}` });
    button.addEventListener("click", () => verify(model, button));
    found.push(button);
  }
  found.push(tool("file-lines", t("model.card"), { onClick: () => showCard(model) }));
  if (canDownload) found.push(tool("download", t("model.download"), { href: path(model, "download"), download: "" }));
  return found;
}

async function promote(model, button) {
  const text = t("model.promote_text", { name: modelName(model) });
  if (!(await confirmStep({ title: t("model.promote_title"), text, action: t("model.promote") }))) return;
  if ((await attempt(button, () => api.post(path(model, "promote")))) === undefined) return;
  toast(t("model.promoted", { name: modelName(model) }));
  await load();
}

async function verify(model, button) {
  const answer = await attempt(button, () => api.post(path(model, "verify")));
  if (answer === undefined) return;
  const { intact } = answer;
  toast(t(intact ? "model.is_intact" : "model.is_damaged", { name: modelName(model) }), intact ? "good" : "bad");
  await load();
}

async function showCard(model) {
  const card = await api.get(path(model, "card")).catch(() => model.card ?? {});
  const rows = [
    [t("model.made"), dateTime(model.created)],
    [t("model.origin"), origin(model)],
    [t("model.trained_by"), trainedOn(model).join(" · ") || "–"],
    ...(model.built_in || !namesOf(model).length ? [] : [[t("run.hospitals"), namesOf(model).join(", ")]]),
    ...metricRows(model),
    [t("model.threshold"), thresholdWords(model)],
    [t("model.size"), bytes(model.size_bytes)],
    ["SHA-256", h("code", {}, model.sha256)],
    ...SENTENCES.filter(([, field]) => model.card?.[field]).map(([name, field]) => [t(`model.${name}`), h("span", { lang: isEnglish(model.card[field]) && "en" }, model.card[field])]),
  ];
  showDialog(
    modelName(model),
    h("p.research", {}, icon("flask"), t("page.research")),
    h("dl.facts.model-facts", {}, rows.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    h("details.disclosure", {}, h("summary", {}, icon("chevron-right"), t("model.whole_card")), h("pre.code-block", { tabindex: 0 }, JSON.stringify(card, null, 2))),
    h("p", {}, h("a.button.button-small", { href: path(model, "card"), download: `${model.id}.json` }, icon("download"), t("model.save_card"))),
  );
}

const known = (model) => MODEL_METRICS.filter((key) => Number.isFinite(modelMetrics(model)[key]));

const metricRows = (model) => known(model).map((key) => {
  const { value, note } = accuracyWords(model, key);
  return [tOr(`measure.${key}`, key), [value, note && h("div.small.muted", {}, note)]];
});

/** What was measured, with its interval; the number of nodules stands below where there is an interval to explain. */
function metricCell(model, key) {
  const { value, note } = accuracyWords(model, key);
  const below = note && key === "sensitivity_at_1_fp" && h("div.small.muted.metric-note", {}, note);
  return h("td.is-number", { "data-value": modelMetrics(model)[key] ?? "", title: note || null }, value, below);
}

/** From which confidence marks are shown at first, and what that meant in validation. */
function thresholdWords(model) {
  const validation = model.metrics?.validation_pooled ?? model.metrics?.validation ?? {};
  const { display_threshold: threshold, operating_points: points = [] } = validation;
  if (!Number.isFinite(threshold)) return t("model.no_threshold", { reason: thresholdMeaning(NaN, [], validation) });
  return h("span", {}, h("strong", {}, percent(threshold)), " ", thresholdMeaning(threshold, points, validation, rateWithInterval));
}

function row(model) {
  return h(
    `tr${model.promoted ? ".is-chosen" : ""}`,
    { "data-model": model.id },
    h("th", { scope: "row", "data-value": modelName(model) }, h("div.row", {}, modelName(model), model.promoted && promotedPill()), h("div.small.muted", {}, origin(model))),
    h("td.is-number", { "data-value": countOf(model) || "", title: namesOf(model).join(", ") }, countOf(model) ? number(countOf(model)) : "–"),
    MODEL_METRICS.map((key) => metricCell(model, key)),
    h("td", { "data-value": model.created ?? "" }, model.created ? h("time", { datetime: model.created, title: dateTime(model.created) }, ago(model.created)) : "–"),
    h("td", { "data-value": String(model.intact) }, integrity(model)),
    h("td.is-tight", {}, h("div.row.row-nowrap.row-end", {}, buttons(model, true))),
  );
}

function lead(model) {
  if (!model) return h("div.card-body", {}, h("p.muted", {}, t("model.none_in_use")));
  const figure = (label, value, note) => h("div", {}, h("div.stat-label", {}, label), h("div.stat-value", {}, value), note && h("div.stat-note", {}, note));
  return [
    h("div.card-head", {}, h("div", {}, h("h2", {}, t("model.now_in_use")), h("p", {}, modelName(model))), h("div.row", {}, promotedPill(), integrity(model))),
    h(
      "div.card-body.stack",
      {},
      h(
        "div.stats",
        {},
        known(model).map((key) => {
          const { value, note } = accuracyWords(model, key);
          return figure(tOr(`measure.${key}`, key), value, note);
        }),
        figure(t("model.trained_by"), trainedOn(model)[0] ?? "–", trainedOn(model).slice(1).join(" · ")),
        figure(t("model.made"), ago(model.created), dateTime(model.created)),
      ),
      h("p.small", {}, h("span.muted", {}, t("page.pair", { name: t("model.origin"), value: "" })), origin(model)),
    ),
    h("div.card-foot", {}, h("span.research", {}, icon("flask"), t("page.research")), h("div.row", {}, buttons(model, false))),
  ];
}

async function load() {
  const answer = await attempt(null, () => api.get("/api/models"));
  if (!answer) return;
  models = answer;
  byId("models-loading").hidden = true;
  page.hidden = false;
  fill(byId("model-in-use"), lead(models.find((model) => model.promoted)));
  fill(table.tBodies[0], models.map(row));
  sortRows(table);
  applyFilter(byId("models-search"));
  byId("models-list").hidden = !models.length;
  byId("models-empty").hidden = models.length > 0;
}

makeSortable(table);
makeFilter(byId("models-search"));
live.subscribe({
  snapshot(status) {
    learnNames(status.hospitals);
    load();
  },
  event: (event) => event.event === "run_finished" && load(),
});
