/* The page on which staff mark the nodules of one scan, by hand and with the model's help. */

import { draftOf, dropDraft, keepDraft } from "./annotate/drafts.js";
import { NOTHING, accepted, added, changed, isSame, newId, openSuggestions, rebased, rejected, removed } from "./annotate/findings.js";
import { FindingList, SuggestionList } from "./annotate/lists.js";
import { showOffer } from "./annotate/offers.js";
import { Suggesting } from "./annotate/suggesting.js";
import { api } from "./api.js";
import { byId, fill, h, icon } from "./dom.js";
import { dateTime, number, percent, t, tn } from "./i18n.js";
import { attempt, toast } from "./toasts.js";
import { History } from "./viewer/history.js";
import { heldDiameter } from "./viewer/marks.js";
import { Viewer } from "./viewer/viewer.js";

const page = byId("annotate");
const { scan: scanId, user } = page.dataset;
const path = `/api/scans/${encodeURIComponent(scanId)}`;
const viewer = new Viewer(byId("viewer"), { editable: true });
const history = new History(NOTHING, onState);
const findingList = new FindingList(byId("findings"), { choose, change: (id, change, joins) => history.push(changed(history.state, id, change), joins), remove });
const suggestionList = new SuggestionList(byId("suggestions"), { choose, accept: (id) => accept([id]), reject });
const suggesting = new Suggesting(showProgress);

const SIZE_KEYS_MM = { "[": -0.5, "]": 0.5 };

let saved = { version: 0, ...NOTHING }; // what the server has
let candidates = []; // of the newest prediction
let chosen = null;

// --- loading and saving ------------------------------------------------------------------------------------

async function load() {
  const asked = api.get(`${path}/annotations`);
  asked.catch(() => {}); // told below
  const scan = await attempt(null, () => api.get(path));
  if (!scan) return;
  byId("scan-title").textContent = scan.label || scan.scan_id;
  if (!scan.geometry) return showNews("bad", h("p", {}, t("annotate.unusable")));
  showFacts(scan);
  const opened = viewer.open(scan);
  opened.catch(() => {}); // the viewer says so itself
  const annotations = await attempt(null, () => asked);
  if (!annotations) return;
  const draft = draftOf(user, scanId);
  takeSaved(annotations);
  if (draft) restore(draft);
  showNeighbours();
  showOffer(scanId, byId("offers"), { state: () => history.state, take: takeOver });
}

const stateOf = ({ findings, is_read: isRead }) => ({ ...NOTHING, findings: findings ?? [], isRead: Boolean(isRead) });

function takeSaved(annotations) {
  saved = { version: annotations.version ?? 0, ...stateOf(annotations) };
  history.reset({ ...stateOf(annotations), dealt: history.state.dealt });
  showVersions(annotations.history ?? []);
}

/** What was not saved goes on top of what there is now. */
function restore(draft) {
  const { state } = rebased(draft.base, draft.mine, saved);
  if (isSame(state, saved)) return;
  const drop = h("button.button.button-small", { type: "button", "data-testid": "drop-draft", onClick: dropChanges }, t("annotate.drop_draft"));
  showNews("info", h("p", {}, t("annotate.draft", { when: dateTime(draft.time) })), drop);
  history.push(state);
}

function dropChanges() {
  history.push({ ...saved, dealt: history.state.dealt });
  fill(byId("annotate-news"));
}

async function save() {
  if (isSame(history.state, saved)) return;
  const { findings, isRead } = history.state;
  const isNew = (one) => !saved.findings.some(({ id }) => id === one.id);
  const origin = findings.some((one) => one.origin === "prediction" && isNew(one)) ? "prediction" : "click";
  const sent = history.state;
  try {
    byId("save").disabled = true;
    const answer = await api.put(`${path}/annotations`, { version: saved.version, is_read: isRead, findings, origin });
    saved = { version: answer.version, ...stateOf({ findings: answer.findings ?? sent.findings, is_read: sent.isRead }) };
    fill(byId("annotate-news"));
    toast(t("annotate.saved", { version: number(saved.version) }));
    if (history.state === sent) history.push({ ...sent, findings: saved.findings }, "saved");
    else onState(history.state);
    showVersions(answer.history ?? (await api.get(`${path}/annotations`)).history ?? []);
  } catch (error) {
    if (error.status === 409) await attempt(null, mergeTheirs);
    else toast(error.message, "bad");
    onState(history.state);
  }
}

/** Somebody was quicker: their version below, the own changes on top, and both told. */
async function mergeTheirs() {
  const theirs = await api.get(`${path}/annotations`);
  const { state, ...counts } = rebased(saved, history.state, stateOf(theirs));
  saved = { version: theirs.version, ...stateOf(theirs) };
  history.push(state);
  showVersions(theirs.history ?? []);
  const tells = [["they_added", counts.theyAdded], ["they_changed", counts.theyChanged], ["they_removed", counts.theyRemoved], ["clashes", counts.clashes]];
  const lines = tells.filter(([, count]) => count).map(([key, count]) => h("li", {}, tn(`annotate.${key}`, count)));
  showNews("warn", h("div", { "data-testid": "conflict" }, h("p", {}, t("annotate.conflict", { author: theirs.author, version: number(theirs.version) })), h("ul", {}, lines)));
}

function showNews(tone, ...content) {
  fill(byId("annotate-news"), h(`div.alert.alert-${tone}`, {}, icon(tone === "info" ? "circle-info" : "triangle-exclamation"), h("div", {}, content)));
}

// --- the state on the page -----------------------------------------------------------------------------------

function onState(state) {
  const isDirty = !isSame(state, saved);
  if (isDirty) keepDraft(user, scanId, { version: saved.version, base: { findings: saved.findings, isRead: saved.isRead }, mine: state });
  else dropDraft(user, scanId);
  byId("save").disabled = !isDirty;
  byId("undo").disabled = !history.canUndo;
  byId("redo").disabled = !history.canRedo;
  byId("save-state").textContent = isDirty ? t("annotate.unsaved") : saved.version ? t("annotate.is_saved", { version: number(saved.version) }) : "";
  byId("is-read").checked = state.isRead;
  byId("read-words").textContent = t(state.findings.length ? "annotate.read_all" : "annotate.read_none");
  show();
}

function show() {
  const { findings } = history.state;
  const sliceOf = ({ center_xyz_mm }) => (viewer.grid ? Math.round(viewer.grid.toIndex(center_xyz_mm)[2]) + 1 : NaN);
  const suggestions = shownSuggestions();
  findingList.show(findings.map((one, place) => ({ ...one, label: String(place + 1), slice: sliceOf(one), isChosen: one.id === chosen })));
  suggestionList.show(suggestions.map((one, place) => ({ ...one, label: `S${place + 1}`, isChosen: one.id === chosen })));
  viewer.setMarks([
    ...findings.map((one, place) => asMark(one, String(place + 1), one.kind === "ignore" ? "ignore" : "nodule", false)),
    ...suggestions.map((one, place) => asMark(one, `S${place + 1}`, "suggestion", true)),
  ]);
  const count = suggestions.length;
  byId("accept-all").disabled = !count;
  fill(byId("accept-all"), icon("check-double"), tn("annotate.accept_all", count, { threshold: percent(threshold()) }));
}

const UNKNOWN_DIAMETER_MM = 5; // shown for findings whose size nobody wrote down

function asMark({ id, center_xyz_mm, diameter_mm }, label, style, fixed) {
  return { id, center_xyz_mm, diameter_mm: diameter_mm > 0 ? diameter_mm : UNKNOWN_DIAMETER_MM, label, style, fixed, selected: id === chosen };
}

const threshold = () => Number(byId("threshold").value);
const shownSuggestions = () => openSuggestions(history.state, candidates, threshold());
const anyOf = (id) => [...history.state.findings, ...candidates].find((one) => one.id === id);

/** Choose in a list: the planes go there. */
function choose(id) {
  chosen = id;
  show();
  if (anyOf(id)) viewer.goTo(anyOf(id).center_xyz_mm);
}

function takeOver(findings) {
  history.push({ ...history.state, findings: [...history.state.findings, ...findings] });
}

function remove(id) {
  if (id === chosen) chosen = null;
  history.push(removed(history.state, id));
}

function resize(id, by_mm) {
  history.push(changed(history.state, id, { diameter_mm: heldDiameter(anyOf(id).diameter_mm + by_mm) }), `size ${id}`);
}

// --- suggestions ----------------------------------------------------------------------------------------------

async function suggest() {
  const prediction = await attempt(byId("suggest"), () => suggesting.ask(scanId));
  fill(byId("suggest-progress"));
  if (!prediction) return;
  if (prediction.state !== "finished") {
    fill(byId("suggest-progress"), h("div.alert.alert-bad", { role: "alert" }, icon("circle-exclamation"), h("p", {}, t("annotate.suggest_failed", { reason: prediction.error ?? "" }))));
    return;
  }
  candidates = prediction.candidates.map((one) => ({ ...one, id: `${prediction.id} ${one.id}` })); // theirs count anew in every prediction
  if (Number.isFinite(prediction.threshold)) byId("threshold").value = String(prediction.threshold);
  byId("suggest-tools").hidden = !candidates.length;
  show();
  const count = shownSuggestions().length;
  fill(byId("suggest-progress"), h("p", { "data-testid": "suggest-state" }, count ? tn("annotate.suggested", count) : t("annotate.suggest_none")));
}

function showProgress({ state, progress = 0, queue_position: position }) {
  const words = state === "queued" ? t("annotate.suggest_waits", { position: number(position ?? 0) }) : t("annotate.suggest_runs", { share: percent(progress) });
  fill(byId("suggest-progress"), h("p.small.muted", {}, words));
}

function accept(ids) {
  const taken = shownSuggestions().filter(({ id }) => ids.includes(id));
  if (!taken.length) return;
  const state = accepted(history.state, taken);
  if (ids.includes(chosen)) chosen = state.findings.at(-taken.length).id;
  history.push(state);
}

function reject(id) {
  const shown = shownSuggestions();
  const next = shown[shown.findIndex((one) => one.id === id) + 1];
  history.push(rejected(history.state, id));
  if (id === chosen) next ? choose(next.id) : choose(null);
}

// --- around -----------------------------------------------------------------------------------------------------

function showFacts({ geometry }) {
  const size = [...geometry.spacing_zyx_mm].reverse().map((value) => number(value, 2)).join(" × ");
  byId("scan-facts").textContent = t("annotate.facts", { size, slices: number(geometry.shape_zyx[0]) });
}

/** The list goes from the scan that the model is least sure of to the surest; scans that it did not read come last. */
async function showNeighbours() {
  const answer = await api.get("/api/scans").catch(() => null);
  const scans = [...(answer?.scans ?? [])].filter(({ state }) => state !== "refused");
  scans.sort((one, other) => (other.uncertainty ?? -1) - (one.uncertainty ?? -1) || String(one.label).localeCompare(String(other.label)));
  const at = scans.findIndex((one) => one.scan_id === scanId);
  for (const [id, scan] of [["scan-before", scans[at - 1]], ["scan-after", at < 0 ? undefined : scans[at + 1]]]) {
    byId(id).hidden = !scan;
    if (scan) byId(id).href = `/client/scans/${encodeURIComponent(scan.scan_id)}`;
  }
}

function showVersions(versions) {
  const lines = [...versions].sort((one, other) => other.version - one.version).map(({ version, author, time, origin, findings }) => h(
    "li.row.row-between",
    {},
    h("div", {}, h("div", {}, t("annotate.version", { version: number(version), count: tn("annotate.count", findings.length), origin: t(`annotate.from_${origin}`) })), h("div.muted", {}, t("annotate.version_by", { author: author || "–", when: dateTime(time) }))),
    version !== saved.version && h("button.button.button-small", { type: "button", onClick: () => history.push({ ...history.state, findings }) }, t("annotate.take_back")),
  ));
  fill(byId("versions"), lines.length ? lines : h("li.muted", {}, t("annotate.no_versions")));
}

function useKey(event) {
  const { key, ctrl, shift } = event.detail;
  const letter = key.toLowerCase();
  const isFinding = history.state.findings.some(({ id }) => id === chosen);
  const isSuggestion = candidates.some(({ id }) => id === chosen);
  if (ctrl && letter === "z" && !shift) history.undo();
  else if (ctrl && (letter === "y" || (letter === "z" && shift))) history.redo();
  else if (ctrl && letter === "s") save();
  else if (!ctrl && (key === "Delete" || key === "Backspace") && chosen) isSuggestion ? reject(chosen) : remove(chosen);
  else if (!ctrl && letter === "h" && isFinding) history.push(changed(history.state, chosen, { center_xyz_mm: viewer.position_xyz_mm }));
  else if (!ctrl && key in SIZE_KEYS_MM && isFinding) resize(chosen, SIZE_KEYS_MM[key]);
  else if (!ctrl && letter === "d") viewer.setTool(viewer.tool === "add" ? "browse" : "add");
  else if (!ctrl && letter === "a" && isSuggestion) accept([chosen]);
  else if (!ctrl && letter === "r" && isSuggestion) reject(chosen);
  else return;
  event.preventDefault();
}

viewer.events.addEventListener("select", ({ detail }) => {
  chosen = detail.id;
  show();
});
viewer.events.addEventListener("add", ({ detail }) => {
  const id = newId();
  chosen = id;
  history.push(added(history.state, { id, ...detail }));
});
viewer.events.addEventListener("change", ({ detail: { id, ...change } }) => history.push(changed(history.state, id, change)));
viewer.events.addEventListener("key", useKey);
byId("save").addEventListener("click", save);
byId("undo").addEventListener("click", () => history.undo());
byId("redo").addEventListener("click", () => history.redo());
byId("is-read").addEventListener("change", ({ target }) => history.push({ ...history.state, isRead: target.checked }));
byId("suggest").addEventListener("click", suggest);
byId("threshold").addEventListener("input", show);
byId("accept-all").addEventListener("click", () => accept(shownSuggestions().map(({ id }) => id)));
load();
