/* One reading of a scan: what the model marked, and what people say to it. */

import { newId } from "./annotate/findings.js";
import { api } from "./api.js";
import { byId, fill, h, icon } from "./dom.js";
import { dateTime, number, percent, t, tn } from "./i18n.js";
import { Comparison } from "./prediction/comparison.js";
import { ChosenMark, STEP_MM } from "./prediction/chosen_mark.js";
import { Exports } from "./prediction/exports.js";
import { follow, isUnderWay, predictionPath } from "./prediction/following.js";
import { MarkTable } from "./prediction/mark_table.js";
import { NOTHING, added, changed, declared, removed, rowsOf, signaturesOf } from "./prediction/marks.js";
import { MaskLayer } from "./prediction/mask_layer.js";
import { originLine } from "./prediction/origin.js";
import { Saver } from "./prediction/saver.js";
import { Stages, timesTable } from "./prediction/stages.js";
import { thresholdMeaning } from "./prediction/threshold.js";
import { attempt, toast } from "./toasts.js";
import { History } from "./viewer/history.js";
import { heldDiameter } from "./viewer/marks.js";
import { Viewer } from "./viewer/viewer.js";

const { id: predictionId, scan: scanId, user } = byId("prediction").dataset;
const SECOND_READER = "fedlung_second_reader"; // how this person reads, in this browser
const HALF_STEP = 0.005; // of the slider
const STYLES = { open: "suggestion", accepted: "accepted", rejected: "rejected" };

const viewer = new Viewer(byId("viewer"), { editable: true });
const history = new History(NOTHING, onState);
const saver = new Saver(predictionId, { onMerge, onSaved, onWord: showSaved });
const table = new MarkTable(byId("marks"), { choose, judge });
const chosenMark = new ChosenMark(byId("chosen"), { judge, change, here: moveHere, restore, remove });
const maskLayer = new MaskLayer(viewer, predictionId);
const stages = new Stages(byId("progress"));
const exports = new Exports(predictionId, { threshold, flush: () => saver.flush() });
const comparison = new Comparison(predictionId, scanId, { goTo: (center_xyz_mm) => viewer.goTo(center_xyz_mm), threshold, flush: () => saver.flush(), labelOf: (id) => rowOf(id)?.label ?? id });

let prediction = null; // null until it has finished
let signatures = new Map(); // id -> who changed the mark last, and when
let rows = [];
let chosen = null;
let isCancelling = false;

// --- loading -------------------------------------------------------------------------------------------------

async function load() {
  byId("second-reader").checked = readSetting();
  showScan();
  const ended = await attempt(null, () => follow(predictionId, showNews));
  if (!ended) return;
  byId("progress-card").hidden = true;
  if (ended.state === "failed") showFailure(ended);
  else showFound(ended);
}

async function showScan() {
  const scan = await attempt(null, () => api.get(`/api/scans/${encodeURIComponent(scanId)}`));
  if (!scan) return;
  byId("scan-title").textContent = scan.label || scan.scan_id;
  if (!scan.geometry) return void (document.querySelector(".reading-desk").hidden = true); // the reading says why
  const { spacing_zyx_mm: spacing, shape_zyx: shape } = scan.geometry;
  const size = [...spacing].reverse().map((value) => number(value, 2)).join(" × ");
  byId("scan-facts").textContent = t("predict.scan_facts", { size, slices: number(shape[0]) });
  exports.show(scan);
  comparison.showPriors(scan);
  await attempt(null, () => viewer.open(scan));
  show();
}

function showNews(news) {
  byId("progress-card").hidden = !isUnderWay(news);
  if (isUnderWay(news)) stages.show(news);
  show();
}

function showFailure({ error, model }) {
  const isCancelled = error.code === "cancelled";
  const again = h("button.button.button-small", { type: "button", "data-testid": "read-again", onClick: (event) => readAgain(event.currentTarget, model.id) }, icon("rotate-right"), t("predict.read_again"));
  const words = h("div.stack.stack-s", {}, h("p.strong", {}, isCancelled ? t("predict.was_cancelled") : t("predict.failed", { stage: error.stage_text })), h("p", {}, error.message), h("p", {}, t("predict.failed_means")), h("div", {}, again));
  const tone = isCancelled ? "warn" : "bad";
  fill(byId("news"), h(`div.alert.alert-${tone}`, { role: "alert", "data-testid": "reading-failed" }, icon("circle-exclamation"), words));
  byId("marks-words").textContent = isCancelled ? t("predict.cancelled_marks") : t("predict.failed_marks");
  if (isCancelling) again.focus(); // the button that had the focus is gone
}

async function cancel() {
  isCancelling = true; // its end is heard as any other, perhaps before the answer comes
  isCancelling = Boolean(await attempt(byId("cancel"), () => api.remove(predictionPath(predictionId))));
}

async function readAgain(button, modelId) {
  const again = await attempt(button, () => api.post("/api/predictions", { scan_id: scanId, model_id: modelId }));
  if (again) location.assign(`/inference/${encodeURIComponent(again.id)}`);
}

function showFound(found) {
  prediction = found;
  fill(byId("news"), found.warnings.map(({ code, text }) => h("div.alert.alert-warn", { "data-testid": `warning-${code}` }, icon("triangle-exclamation"), h("p", {}, text))));
  const lowest = Math.min(...found.candidates.map(({ probability }) => probability), found.threshold, 1);
  byId("threshold").min = String(Math.floor(lowest * 100) / 100);
  byId("threshold").value = String(found.threshold);
  byId("mask").disabled = !found.candidates.length;
  showFacts(found);
  showOffer(found.offers.at(-1));
  saver.take(found.marks);
}

// --- marks: what people do -----------------------------------------------------------------------------------

const rowOf = (id) => rows.find((row) => row.id === id) ?? null;

function judge(id, status) {
  const row = rowOf(id);
  if (row && row.source === "model") change(id, { status: row.status === status ? "open" : status });
}

function change(id, what, joins) {
  history.push(changed(history.state, id, what), joins);
}

function remove(id) {
  const row = rowOf(id);
  if (row?.source === "model") return judge(id, "rejected");
  if (id === chosen) chosen = null;
  history.push(removed(history.state, id));
}

function restore(id) {
  const { center_xyz_mm, diameter_mm } = rowOf(id).candidate;
  change(id, { center_xyz_mm, diameter_mm });
}

function moveHere(id) {
  if (viewer.position_xyz_mm) change(id, { center_xyz_mm: rounded(viewer.position_xyz_mm) });
}

function resize(id, by) {
  change(id, { diameter_mm: heldDiameter(rowOf(id).diameter_mm + by) }, `size ${id}`);
}

function declareRead() {
  if (!isHidden()) return;
  history.push(declared(history.state));
  byId("marks-title").scrollIntoView({ block: "nearest" });
}

const rounded = (center_xyz_mm) => center_xyz_mm.map((value) => Math.round(value * 1e4) / 1e4);

function choose(id) {
  chosen = id;
  show();
  const row = rowOf(id);
  if (row) viewer.goTo(row.center_xyz_mm);
}

// --- marks: what is seen -------------------------------------------------------------------------------------

/** As the slider stands; on the model's own threshold, which lies between two of its steps, exactly that. */
function threshold() {
  const value = Number(byId("threshold").value);
  return prediction && Math.abs(value - prediction.threshold) < HALF_STEP ? prediction.threshold : value;
}

/** Second reader: what the model says stays hidden until the person has read the scan. */
const isHidden = () => byId("second-reader").checked && !isDeclared();
const isDeclared = () => history.state.isDeclared || saver.isDeclared;

function onState(state) {
  saver.want(state);
  byId("undo").disabled = !history.canUndo;
  byId("redo").disabled = !history.canRedo;
  show();
}

function show() {
  const hidden = isHidden();
  const isOwn = (id) => (signatures.get(id)?.author ?? user) === user; // what is not saved yet has no author
  const found = rowsOf(history.state, prediction?.candidates ?? [], { threshold: threshold(), isHidden: hidden, isOwn });
  rows = found.rows.map((row) => ({ ...row, slice: sliceOf(row), isChosen: row.id === chosen, signature: signatures.get(row.id) }));
  table.show(rows);
  chosenMark.show(rowOf(chosen));
  if (chosen) table.reveal(chosen);
  viewer.setMarks(rows.map(asMark));
  byId("first-read").hidden = !hidden;
  byId("second-reader").disabled = isDeclared();
  for (const id of ["threshold-box", "exports-card", "facts-card", "comparison-card"]) byId(id).hidden = !prediction || hidden;
  if (prediction) showWords(found.numBelow, hidden);
  showThreshold();
  showMask(hidden);
  byId("offer").disabled = !history.state.items.some(({ status }) => status === "accepted");
}

const sliceOf = ({ center_xyz_mm, candidate, isMeasured }) => (viewer.grid ? Math.round(viewer.grid.clamped(viewer.grid.toIndex(center_xyz_mm))[2]) + 1 : isMeasured ? candidate.slice_number : NaN);

function asMark({ id, center_xyz_mm, diameter_mm, label, source, status }) {
  const style = source === "reader" ? "nodule" : STYLES[status];
  return { id, center_xyz_mm, diameter_mm, label, style, fixed: status === "rejected", selected: id === chosen };
}

/** How many marks there are, and what their absence means; never "no nodules". */
function showWords(numBelow, hidden) {
  const below = numBelow ? tn("predict.below", numBelow) : "";
  const shown = rows.length ? tn("predict.shown", rows.length) : prediction.candidates.length ? t("predict.none_above") : t("predict.none_at_all");
  byId("marks-words").textContent = hidden ? (rows.length ? tn("predict.own_shown", rows.length) : "") : [shown, below].filter(Boolean).join(" ");
}

function showThreshold() {
  const value = threshold();
  const words = thresholdMeaning(value, prediction?.operating_points ?? [], prediction?.model.validation);
  byId("threshold-value").textContent = percent(value);
  byId("threshold-meaning").textContent = words;
  byId("threshold").setAttribute("aria-valuetext", `${percent(value)}. ${words}`);
  byId("threshold-reset").disabled = value === prediction?.threshold;
}

function showMask(hidden) {
  const isWanted = byId("mask").checked && !hidden;
  const labels = rows.filter(({ isMeasured }) => isMeasured).map(({ candidate }) => prediction.candidates.indexOf(candidate) + 1);
  attempt(null, () => maskLayer.show(isWanted ? labels.sort((one, other) => one - other) : null));
}

// --- saving --------------------------------------------------------------------------------------------------

function onMerge(merge, theyChanged, author) {
  if (theyChanged && author && history.canUndo) toast(t("predict.merged", { author }), "info");
  history.rebase(merge);
}

function onSaved(marks) {
  signatures = signaturesOf(marks);
  byId("first-reads").textContent = marks.first_reads.map(({ author, time }) => t("predict.by_when", { author, when: dateTime(time) })).join("; ") || t("predict.nobody");
  show();
}

function showSaved(word, message) {
  const words = { saved: saver.version ? t("predict.saved", { version: number(saver.version) }) : "", saving: t("predict.saving"), unsaved: t("predict.unsaved") }[word];
  byId("save-state").textContent = words;
  byId("save-state").dataset.state = word;
  if (message) toast(message, "bad");
}

async function offer() {
  const offered = await attempt(byId("offer"), async () => {
    await saver.flush();
    return api.post(predictionPath(predictionId, "/offer"));
  });
  if (!offered) return;
  toast(tn("predict.offered", offered.nodules ?? offered.findings.length));
  showOffer({ ...offered, nodules: offered.nodules ?? offered.findings.length });
}

function showOffer(last) {
  byId("offer-words").textContent = last ? tn("predict.offered_before", last.nodules, { author: last.by, when: dateTime(last.time) }) : t("predict.offer_help");
}

// --- facts ---------------------------------------------------------------------------------------------------

function showFacts(found) {
  const facts = [
    [t("predict.model"), [h("strong", {}, found.model.name), h("br"), originLine(found.model, found.operating_points)]],
    [t("predict.model_threshold"), percent(found.threshold)],
    [t("predict.asked"), t("predict.by_when", { author: found.by, when: dateTime(found.created) })],
    [t("predict.first_reads"), h("span", { id: "first-reads", "data-testid": "first-reads" })],
    [t("predict.lung_volume"), found.lung_volume_l ? t("predict.liters", { value: number(found.lung_volume_l, 1) }) : t("predict.not_known")],
    [t("predict.uncertainty"), percent(found.uncertainty)],
    [t("predict.checksum"), h("code.small", {}, found.model.sha256.slice(0, 16))],
  ];
  fill(byId("facts"), h("dl.facts", {}, facts.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])), h("h3", {}, t("predict.times")), timesTable(found), h("p.small.muted", {}, t("page.research")));
}

// --- hands and keys ------------------------------------------------------------------------------------------

const KEYS = {
  a: () => rowOf(chosen) && judge(chosen, "accepted"),
  r: () => rowOf(chosen) && judge(chosen, "rejected"),
  u: () => rowOf(chosen)?.source === "model" && change(chosen, { status: "open" }),
  h: () => rowOf(chosen) && moveHere(chosen),
  "[": () => rowOf(chosen) && resize(chosen, -STEP_MM),
  "]": () => rowOf(chosen) && resize(chosen, STEP_MM),
  c: () => chosenMark.focusComment(),
  d: () => viewer.setTool(viewer.tool === "add" ? "browse" : "add"),
  t: () => byId("threshold").focus(),
  k: () => byId("mask").click(),
  f: declareRead,
  Delete: () => rowOf(chosen) && remove(chosen),
  Backspace: () => rowOf(chosen) && remove(chosen),
};

function useKey(event) {
  const { key, ctrl, shift, alt } = event.detail;
  const name = key.length === 1 ? key.toLowerCase() : key;
  if (ctrl && name === "z" && !shift) history.undo();
  else if (ctrl && (name === "y" || (name === "z" && shift))) history.redo();
  else if (!ctrl && !alt && Object.hasOwn(KEYS, name)) KEYS[name]();
  else return;
  event.preventDefault();
}

function readSetting() {
  try {
    return localStorage.getItem(SECOND_READER) === "on";
  } catch {
    return false; // storage may be forbidden
  }
}

function keepSetting(isOn) {
  try {
    localStorage.setItem(SECOND_READER, isOn ? "on" : "off");
  } catch {
    // It counts for this page only, then.
  }
}

viewer.events.addEventListener("select", ({ detail }) => {
  chosen = detail.id;
  show();
});
viewer.events.addEventListener("add", ({ detail: { center_xyz_mm, diameter_mm } }) => {
  chosen = newId();
  history.push(added(history.state, { id: chosen, center_xyz_mm: rounded(center_xyz_mm), diameter_mm }));
});
viewer.events.addEventListener("change", ({ detail: { id, center_xyz_mm, diameter_mm } }) => change(id, { center_xyz_mm: rounded(center_xyz_mm), diameter_mm }));
viewer.events.addEventListener("key", useKey);
byId("undo").addEventListener("click", () => history.undo());
byId("redo").addEventListener("click", () => history.redo());
byId("threshold").addEventListener("input", show);
byId("threshold-reset").addEventListener("click", () => {
  byId("threshold").value = String(prediction.threshold);
  show();
});
byId("mask").addEventListener("change", show);
byId("declare").addEventListener("click", declareRead);
byId("offer").addEventListener("click", offer);
byId("cancel").addEventListener("click", cancel);
byId("second-reader").addEventListener("change", ({ target }) => {
  keepSetting(target.checked);
  show();
});
window.addEventListener("beforeunload", (event) => {
  if (!saver.isClean && prediction) event.preventDefault();
});
load();
