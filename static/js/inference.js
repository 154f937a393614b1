/* The clinician's first page: choose a scan and a model, press run; what is under way; what was read before. */

import { api } from "./api.js";
import { byId, fill, h, icon } from "./dom.js";
import { ago, dateTime, number, percent, t, tn } from "./i18n.js";
import { live } from "./live.js";
import { isUnderWay, predictionPath } from "./prediction/following.js";
import { factsOf, originLine } from "./prediction/origin.js";
import { bar } from "./prediction/stages.js";
import { applyFilter, sortRows } from "./tables.js";
import { attempt, toast } from "./toasts.js";
import { learnNames, modelName } from "./words.js";

const WARM_AFTER_MS = 400; // not for every scan that the arrow keys pass by
const RESCAN_SECONDS = 60; // staff may have brought new scans meanwhile
const readingPath = ({ id }) => `/inference/${encodeURIComponent(id)}`;
const form = byId("reading-form");

let scans = [];
let models = [];
let predictions = [];

// --- what can be chosen --------------------------------------------------------------------------------------

async function loadScans() {
  const answer = await attempt(null, () => api.get("/api/scans"));
  if (!answer) return;
  scans = answer.scans;
  byId("scans-loading").hidden = true;
  byId("scans-empty").hidden = scans.length > 0;
  byId("scans-content").hidden = !scans.length;
  showScans();
  showPredictions();
}

async function loadModels() {
  const answer = await attempt(null, () => api.get("/api/models"));
  if (!answer) return;
  models = answer.filter(({ intact }) => intact !== false);
  // A promoted model whose file is damaged is not silently replaced: then none is called the one in use.
  const inUse = answer.find(({ promoted }) => promoted) ?? models.find((model) => model.built_in);
  const kept = byId("model").value;
  const name = (model) => (model === inUse ? t("predict.model_in_use", { name: modelName(model) }) : modelName(model));
  const ordered = [...models].sort((a, b) => (b === inUse) - (a === inUse));
  fill(byId("model"), ordered.map((model) => h("option", { value: model.id }, name(model))));
  if (models.some(({ id }) => id === kept)) byId("model").value = kept;
  byId("model-empty").hidden = ordered.length > 0;
  showOrigin();
}

function showOrigin() {
  const model = models.find(({ id }) => id === byId("model").value);
  byId("model-origin").textContent = model ? originLine(factsOf(model)) : "";
  showChoice();
}

const chosenScan = () => scans.find((scan) => scan.scan_id === new FormData(form).get("scan"));
const scanName = (id) => scans.find((scan) => scan.scan_id === id)?.label ?? id;

function showScans() {
  const kept = new FormData(form).get("scan");
  const body = byId("scans-table").tBodies[0];
  const focused = document.activeElement?.name === "scan";
  fill(body, scans.map((scan) => scanRow(scan, scan.scan_id === kept)));
  sortRows(byId("scans-table"));
  applyFilter(byId("scans-search"));
  if (focused) body.querySelector("input:checked")?.focus();
  showChoice();
}

function scanRow(scan, isChosen) {
  const isRefused = scan.state === "refused";
  const pick = h("input", { type: "radio", name: "scan", value: scan.scan_id, checked: isChosen, disabled: isRefused, "data-testid": `pick-${scan.scan_id}` });
  const { spacing_zyx_mm: mm, shape_zyx: shape } = scan;
  const last = predictions.find((one) => one.scan_id === scan.scan_id && one.state === "finished");
  return h(
    "tr",
    { "data-testid": "scan-row", "data-search": `${scan.label} ${scan.study_date ?? ""} ${scan.scan_id}` },
    h("th", { scope: "row", "data-value": scan.label }, h("label.scan-pick", {}, pick, picture(scan), h("span.anywhere", {}, scan.label, isRefused && h("span.small.muted", {}, ` (${t("predict.unusable")})`)))),
    h("td.nowrap", { "data-value": scan.study_date || scan.received || "" }, scan.study_date || (scan.received ? h("time", { datetime: scan.received, title: dateTime(scan.received) }, ago(scan.received)) : "–")),
    h("td.nowrap.number", { "data-value": mm?.[0] ?? "" }, mm ? t("predict.slices_of", { slices: number(shape[0]), mm: number(mm[0], 2) }) : "–"),
    h("td", { "data-value": last?.created ?? "" }, last ? h("a", { href: readingPath(last) }, ago(last.finished || last.created)) : h("span.muted", {}, t("predict.never_read"))),
  );
}

function picture({ thumbnail }) {
  return h("span.scan-picture", {}, thumbnail ? h("img", { src: thumbnail, alt: "", loading: "lazy" }) : icon("x-ray"));
}

function showChoice() {
  const scan = chosenScan();
  byId("choice-words").textContent = scan ? t("predict.will_read", { scan: scan.label }) : t("predict.choose_scan");
  for (const id of ["run", "enqueue"]) byId(id).disabled = !scan || !byId("model").value;
}

let warming = 0;

/** While the person looks at the models, the server unpacks the slices that will be seen first. */
function warmSoon() {
  clearTimeout(warming);
  const scan = chosenScan();
  if (scan) warming = setTimeout(() => warm(scan).catch(() => {}), WARM_AFTER_MS); // the page does without
}

async function warm({ scan_id: id }) {
  const path = `/api/scans/${encodeURIComponent(id)}`;
  const { geometry, slab_slices: slices } = await api.get(path);
  if (geometry) await fetch(`${path}/volume?slab=${Math.floor(Math.floor(geometry.shape_zyx[0] / 2) / slices)}`);
}

// --- run -----------------------------------------------------------------------------------------------------

/** Ask for a reading; `goes`: show it at once, else it waits in the queue while more scans are chosen. */
async function run(button, goes) {
  const scan = chosenScan();
  if (!scan) return;
  const asked = await attempt(button, () => api.post("/api/predictions", { scan_id: scan.scan_id, model_id: byId("model").value }));
  if (!asked) return;
  if (goes) return location.assign(readingPath(asked));
  toast(asked.state === "finished" ? t("predict.was_read") : t("predict.is_queued", { scan: scan.label }));
  await loadPredictions();
}

// --- queue and results ---------------------------------------------------------------------------------------

async function loadPredictions() {
  const answer = await attempt(null, () => api.get("/api/predictions"));
  if (!answer) return;
  predictions = answer;
  showPredictions();
  if (scans.length) showScans();
}

function showPredictions() {
  const waiting = predictions.filter(isUnderWay).sort((one, other) => (one.queue_position ?? 0) - (other.queue_position ?? 0));
  const ended = predictions.filter((one) => !isUnderWay(one));
  const focused = byId("queue").contains(document.activeElement) ? document.activeElement.dataset.testid : null;
  byId("queue-card").hidden = !waiting.length;
  fill(byId("queue"), waiting.map(queueItem));
  if (focused) (document.querySelector(`[data-testid="${CSS.escape(focused)}"]`) ?? byId("results-title")).focus();
  byId("results-empty").hidden = ended.length > 0;
  byId("results-content").hidden = !ended.length;
  fill(byId("results-table").tBodies[0], ended.map(resultRow));
  sortRows(byId("results-table"));
  applyFilter(byId("results-search"));
}

function queueItem(one) {
  return h(
    "li.queue-item",
    { "data-testid": `queue-${one.id}`, "data-state": one.state },
    h("div", {}, h("div.strong.anywhere", {}, scanName(one.scan_id)), h("div.small.muted", {}, one.model.name)),
    h("div.stack.stack-s", { "data-progress": one.id }, progressOf(one)),
    h("span.row.row-nowrap", {}, h("a.button.button-small", { href: readingPath(one), "data-testid": `open-${one.id}` }, icon("eye"), t("predict.open")), cancelButton(one)),
  );
}

function cancelButton(one) {
  const cancel = async ({ currentTarget }) => {
    const scan = scanName(one.scan_id);
    if (await attempt(currentTarget, () => api.remove(predictionPath(one.id)))) toast(t("predict.is_cancelled", { scan }));
    await loadPredictions();
    byId(byId("queue-card").hidden ? "results-title" : "queue-title").focus(); // the pressed one is gone; no other is near
  };
  const words = t("predict.cancel_reading", { scan: scanName(one.scan_id) });
  return h("button.button.button-small", { type: "button", "aria-label": words, "data-testid": `cancel-${one.id}`, onClick: cancel }, icon("xmark"), t("action.cancel"));
}

function progressOf({ state, stage, progress, queue_position: position }) {
  if (state === "queued") return h("span.small", {}, position > 1 ? tn("predict.waits_behind", position - 1) : t("predict.waits_next"));
  return [h("span.small", {}, t("predict.stage_share", { stage: t(`predict.stage_${stage || "read"}`), share: percent(progress) })), bar(progress)];
}

function notRead({ code, message, stage_text: stage }) {
  if (code === "cancelled") return h("span.pill", {}, icon("circle-xmark"), message);
  return h("span.pill.pill-bad", { title: message }, icon("circle-xmark"), t("predict.failed_in", { stage }));
}

function resultRow(one) {
  const failed = one.state === "failed";
  const found = failed
    ? notRead(one.error)
    : h("span", {}, tn("predict.candidates", one.num_candidates), one.warnings.length > 0 && h("span.pill.pill-warn", { title: one.warnings.map(({ text }) => text).join("\n") }, icon("triangle-exclamation"), tn("predict.warnings", one.warnings.length)));
  return h(
    "tr",
    { "data-testid": `result-${one.id}`, "data-state": one.state },
    h("th.anywhere", { scope: "row", "data-value": scanName(one.scan_id) }, h("a", { href: readingPath(one), "data-testid": "open-result" }, scanName(one.scan_id))),
    h("td", { "data-value": failed ? "" : one.num_candidates }, found),
    h("td", {}, one.model.name),
    h("td.nowrap", { "data-value": one.created }, h("time", { datetime: one.created, title: dateTime(one.created) }, ago(one.created))),
    h("td", {}, one.by),
    h("td.is-number.nowrap", { "data-value": one.total_seconds || "" }, one.total_seconds ? t("predict.seconds", { value: number(one.total_seconds, 1) }) : "–"),
  );
}

function hear(event) {
  if (event.event === "prediction_finished") loadPredictions();
  if (event.event !== "prediction_progress") return;
  const known = predictions.find(({ id }) => id === event.prediction_id);
  if (!known || known.state === "queued") return loadPredictions();
  const place = document.querySelector(`[data-progress="${CSS.escape(event.prediction_id)}"]`);
  if (place) fill(place, progressOf({ state: "running", ...event }));
}

byId("model").addEventListener("change", showOrigin);
form.addEventListener("change", ({ target }) => {
  showChoice();
  if (target.name === "scan") warmSoon();
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  run(byId("run"), true);
});
byId("enqueue").addEventListener("click", () => run(byId("enqueue"), false));
live.subscribe({
  snapshot(status) {
    learnNames(status.hospitals);
    if (!models.length) loadModels();
    loadPredictions();
  },
  event: hear,
});
loadScans();
setInterval(() => document.hidden || loadScans(), RESCAN_SECONDS * 1000);
