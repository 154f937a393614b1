/* Past runs: a table to sort and filter, and several runs over one another. */

import { api } from "./api.js";
import { ChartGroup } from "./charts.js";
import { configTable } from "./config_diff.js";
import { byId, fill, h, oncePerFrame } from "./dom.js";
import { ago, dateTime, metric, number, t, tn } from "./i18n.js";
import { live } from "./live.js";
import { METRICS, lastGlobal, metricHelp, metricTitle, seriesOf } from "./metrics.js";
import { statePill } from "./run_panel.js";
import { applyFilter, makeFilter, makeSortable, sortRows } from "./tables.js";
import { attempt } from "./toasts.js";
import { hospitalName, learnNames, stateWords, strategyName } from "./words.js";

const MOST_COMPARED = 8;
const chosen = new Set(new URLSearchParams(location.search).getAll("run"));
const group = new ChartGroup({ fileName: () => "fedlung-compare" });
const table = byId("runs-table");
const search = byId("runs-search");
const stateFilter = byId("runs-state");
let runs = [];
let compared = [];

function row(run) {
  const box = h("input", {
    type: "checkbox", checked: chosen.has(run.id), "aria-label": t("history.choose", { run: run.id }), "data-run-id": run.id,
    onChange: (event) => choose(run.id, event.target.checked),
  });
  const hospitals = run.config?.hospitals ?? Object.keys(run.scans ?? {});
  return h(
    `tr${chosen.has(run.id) ? ".is-chosen" : ""}`,
    { "data-state": run.state, "data-search": [run.id, run.note, run.started_by, strategyName(run.config?.strategy), stateWords(run).text, ...hospitals.map(hospitalName)].join(" ") },
    h("td.is-tight", {}, box),
    h("th", { scope: "row" }, h("a", { href: `/history/${encodeURIComponent(run.id)}` }, run.id), run.note && h("div.small.muted.run-note", {}, run.note)),
    h("td", { "data-value": stateWords(run).text }, statePill(run)),
    h("td", { "data-value": run.created }, h("time", { datetime: run.created, title: dateTime(run.created) }, ago(run.created))),
    h("td.is-number", { "data-value": run.round }, `${number(run.round)} / ${number(run.rounds)}`),
    h("td", {}, strategyName(run.config?.strategy)),
    h("td.is-number", { "data-value": hospitals.length }, number(hospitals.length)),
    ["loss", "sensitivity", "dice"].map((id) => h("td.is-number", { "data-value": lastGlobal(run, id) ?? "" }, metric(lastGlobal(run, id)))),
    h("td", {}, run.started_by ?? "–"),
  );
}

const draw = oncePerFrame(() => {
  fill(table.tBodies[0], runs.map(row));
  sortRows(table);
  filter();
  byId("runs").hidden = !runs.length;
  byId("runs-empty").hidden = runs.length > 0;
  byId("runs-loading").hidden = true;
  drawChoice();
});

function filter() {
  applyFilter(search);
  const wanted = stateFilter.value;
  for (const line of table.tBodies[0].rows) if (wanted && line.dataset.state !== wanted) line.hidden = true;
  const shown = [...table.tBodies[0].rows].filter((line) => !line.hidden).length;
  byId("runs-count").textContent = tn("count.runs_shown", shown);
}

function choose(id, isChosen) {
  if (isChosen) chosen.add(id);
  else chosen.delete(id);
  for (const line of table.tBodies[0].rows) {
    const box = line.querySelector("[data-run-id]");
    line.classList.toggle("is-chosen", chosen.has(box.dataset.runId));
  }
  drawChoice();
}

function drawChoice() {
  const button = byId("compare-runs");
  const enough = chosen.size >= 2 && chosen.size <= MOST_COMPARED;
  button.disabled = !enough;
  byId("compare-hint").textContent = chosen.size > MOST_COMPARED ? t("compare.too_many", { most: MOST_COMPARED }) : chosen.size < 2 ? t("compare.hint") : tn("compare.chosen", chosen.size);
}

async function compare() {
  const ids = [...chosen].sort();
  const found = await attempt(byId("compare-runs"), () => Promise.all(ids.map((id) => api.get(`/api/runs/${encodeURIComponent(id)}`))));
  drawChoice();
  if (!found) return;
  compared = found;
  history.replaceState(null, "", `?${new URLSearchParams(ids.map((id) => ["run", id]))}`);
  byId("comparison").hidden = false;
  drawComparison();
  byId("comparison-title").focus();
}

function drawComparison() {
  const lines = (metricId) => compared.map((run, index) => ({
    ...seriesOf(run, metricId, hospitalName)[0], id: run.id, label: run.id, color: `--series-${(index % 8) + 1}`, wide: false, marker: index % 4,
  }));
  for (const chart of charts) chart.set(lines(chart.id), t("chart.none"));
  fill(byId("config-diff"), configTable(compared, { onlyDifferent: byId("only-different").checked }));
  fill(byId("result-table"), resultTable());
}

function resultTable() {
  const shown = METRICS.map((one) => ({ ...one, values: compared.map((run) => lastGlobal(run, one.id)) })).filter(({ values }) => values.some(Number.isFinite));
  const best = ({ values, lower }) => (lower ? Math.min : Math.max)(...values.filter(Number.isFinite));
  const rows = shown.map((one) => h("tr", {}, h("th", { scope: "row" }, metricTitle(one.id)), one.values.map((value) => {
    const isBest = value === best(one) && one.values.length > 1;
    return h(`td.is-number${isBest ? ".is-best" : ""}`, {}, metric(value), isBest && h("span.visually-hidden", {}, ` (${t("compare.best")})`));
  })));
  return h(
    "div.table-wrap", { tabindex: 0, role: "group", "aria-label": t("compare.results") },
    h("table.table", {}, h("caption.visually-hidden", {}, t("compare.results")), h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("compare.metric")), compared.map((run) => h("th.is-number", { scope: "col" }, run.id)))), h("tbody", {}, rows)),
  );
}

const charts = METRICS.map(({ id }) => group.add({ id, title: metricTitle(id), help: metricHelp(id) }));
fill(byId("comparison-charts"), charts.map((chart) => chart.element));
fill(byId("comparison-tools"), group.toolbar());
makeSortable(table);
makeFilter(search);
search.addEventListener("input", filter);
stateFilter.addEventListener("change", filter);
byId("compare-runs").addEventListener("click", compare);
byId("only-different").addEventListener("change", drawComparison);

async function load() {
  const answer = await attempt(null, () => api.get("/api/runs"));
  if (!answer) return;
  runs = answer;
  draw();
}

let wasChosen = chosen.size >= 2;
live.subscribe({
  async snapshot(status) {
    learnNames(status.hospitals);
    await load();
    if (wasChosen) compare();
    wasChosen = false;
  },
  event(event) {
    if (["training_status", "run_finished", "round_finished"].includes(event.event)) load();
  },
});
