/* One run: what was asked, what came out, round by round, what happened, and notes. */

import { api } from "./api.js";
import { configFacts } from "./config_diff.js";
import { byId, fill, h, icon } from "./dom.js";
import { duration, exactTime, list, metric, number, percent, t, tOr } from "./i18n.js";
import { live } from "./live.js";
import { METRICS, globalValue, hospitalValue, metricTitle } from "./metrics.js";
import { hospitalsOf, isActive } from "./run_state.js";
import { RunView, placesIn } from "./run_view.js";
import { sentence } from "./feed.js";
import { applyFilter, makeFilter, makeSortable, sortRows } from "./tables.js";
import { attempt, toast } from "./toasts.js";
import { endWords, hospitalName, learnNames, reasonWords } from "./words.js";

const page = byId("run");
const path = `/api/runs/${encodeURIComponent(page.dataset.id)}`;
const view = new RunView(placesIn(page), { leads: page.dataset.leads === "true" });
let drawnRecords = null;
let noteShown = false;

async function load() {
  const run = await attempt(null, () => api.get(path));
  if (!run) return;
  byId("run-loading").hidden = true;
  page.hidden = false;
  view.show(run);
  fill(byId("config"), configFacts({ ...run.config, ...(run.model_id ? { model: run.model_id } : {}) }));
  if (!noteShown) byId("note").value = run.note ?? "";
  noteShown = true; // from now on it is the writer's
  drawRounds();
  loadEvents();
}

function drawRounds() {
  const { run } = view;
  if (!run || drawnRecords === run.records) return;
  drawnRecords = run.records;
  byId("rounds-empty").hidden = run.records.length > 0;
  byId("rounds-wrap").hidden = !run.records.length;
  const which = byId("rounds-of").value;
  const shown = METRICS.filter((one) => run.records.some((record) => Number.isFinite(valueOf(record, one, which))));
  const table = byId("rounds-table");
  const sortedBy = table.querySelector("th[aria-sort]")?.dataset.column;
  const direction = table.querySelector("th[aria-sort]")?.getAttribute("aria-sort");
  const head = (id, label) => h("th.is-number", { scope: "col", "data-sort": "number", "data-column": id, "aria-sort": id === sortedBy ? direction : null }, label);
  fill(table.tHead, h(
    "tr", {}, head("round", t("chart.round")), shown.map((one) => head(one.id, metricTitle(one.id))), head("rate", t("config.learning_rate")), head("seconds", t("rounds.seconds")), head("scans", t("hospital.scans")), h("th", { scope: "col" }, t("rounds.left_out")),
  ));
  fill(table.tBodies[0], run.records.map((record) => roundRow(record, shown, which)));
  makeSortable(table);
  sortRows(table);
}

const valueOf = (record, one, which) => (which === "*" ? globalValue(record, one) : hospitalValue(record, one, which));

function roundRow(record, shown, which) {
  const own = record.hospitals.find((one) => one.hospital === which);
  const seconds = which === "*" ? record.seconds : own?.seconds;
  const scans = which === "*" ? record.num_examples : own?.num_examples;
  const values = shown.map((one) => valueOf(record, one, which));
  const left = Object.entries(record.dropped ?? {}).map(([id, reason]) => t("page.pair", { name: hospitalName(id), value: reasonWords(reason) }));
  const cell = (value, text) => h("td.is-number", { "data-value": value ?? "" }, text);
  return h(
    "tr",
    {},
    h("th.is-number", { scope: "row", "data-value": record.round }, number(record.round)),
    values.map((value) => cell(value, metric(value))),
    cell(record.learning_rate, number(record.learning_rate, 6)),
    h("td.is-number.nowrap", { "data-value": seconds ?? "" }, duration(seconds)),
    cell(scans, number(scans)),
    h("td", {}, left.length ? left.join("; ") : "–"),
  );
}

function offerHospitals() {
  const select = byId("rounds-of");
  const ids = hospitalsOf(view.run);
  if (select.options.length === ids.length + 1) return;
  fill(select, h("option", { value: "*" }, t("chart.federation")), ids.map((id) => h("option", { value: id }, hospitalName(id))));
}

async function loadEvents() {
  const events = await api.get(`${path}/events?format=json`).catch(() => []);
  byId("events-card").hidden = !events.length;
  const rows = events.map((event) => {
    const words = sentence(event);
    return h(
      "tr",
      {},
      h("td.is-number", { "data-value": event.seq }, number(event.seq)),
      h("td.nowrap", { "data-value": event.time }, exactTime(event.time)),
      h("td", {}, h("code", {}, event.event)),
      h("td", {}, words ? words.text : h("span.muted", {}, plainFields(event))),
    );
  });
  fill(byId("events-table").tBodies[0], rows);
  sortRows(byId("events-table"));
  applyFilter(byId("events-search"));
}

function plainFields(event) {
  const own = ["seq", "time", "event", "run_id"];
  const told = Object.entries(event).filter(([name, value]) => !own.includes(name) && typeof value !== "object" && value !== "");
  return list(told.map(([name, value]) => t("page.pair", { name: tOr(`event.${name}`, name), value: fieldWords(name, value) })));
}

const FIELDS = {
  state: (value) => tOr(`state.${value}`, value),
  reason: (value) => reasonWords(endWords(value)),
  hospital: hospitalName,
  pending: (value) => tOr(`event.pending_${value}`, value),
  fraction: percent,
};

const fieldWords = (name, value) => FIELDS[name]?.(value) ?? (typeof value === "number" ? number(value, 6) : String(value));

async function saveNote(event) {
  event.preventDefault();
  const saved = await attempt(event.submitter, () => api.put(`${path}/note`, { text: byId("note").value }));
  if (saved !== undefined) toast(t("note.saved"));
}

byId("rounds-of").addEventListener("change", () => {
  drawnRecords = null;
  drawRounds();
});
document.getElementById("note-form")?.addEventListener("submit", saveNote);
byId("copy-link").addEventListener("click", async () => {
  await navigator.clipboard?.writeText(location.href.split("?")[0]);
  toast(t("page.link_copied"));
});
byId("print").addEventListener("click", () => window.print());
fill(byId("copy-link"), icon("copy"), t("page.copy_link"));
fill(byId("print"), icon("print"), t("page.print"));
makeSortable(byId("events-table"));
makeFilter(byId("events-search"));

live.subscribe({
  async snapshot(status) {
    learnNames(status.hospitals);
    await load();
    if (view.run) offerHospitals();
  },
  event(event) {
    if (event.run_id !== view.run?.id) return;
    view.apply(event);
    drawRounds();
    if (event.event === "run_finished" || (event.event === "training_status" && !isActive(view.run))) load();
  },
});
