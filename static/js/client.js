/* The page of a hospital's staff: bring scans, see what state they are in, declare them ready; the own rounds, and own
 * numbers beside those of the federation. */

import { api } from "./api.js";
import { drawFigures } from "./client_figures.js";
import { showImport } from "./client_import.js";
import { showScan } from "./client_scan_details.js";
import { ScanTable } from "./client_scans.js";
import { byId, fill, h } from "./dom.js";
import { hospitalCounts, presence, trouble } from "./hospital_cards.js";
import { t, tn } from "./i18n.js";
import { live } from "./live.js";
import { seriesOf } from "./metrics.js";
import { isNews } from "./run_state.js";
import { RunView, placesIn } from "./run_view.js";
import { attempt, toast } from "./toasts.js";
import { UploadPanel } from "./uploads/upload_panel.js";
import { hospitalName, learnNames } from "./words.js";

const page = byId("client");
const own = page.dataset.hospital;
const view = new RunView(placesIn(byId("run")), { metrics: ["loss", "train_dice", "sensitivity", "dice"], series: ownSeries });
const table = new ScanTable({ onOpen: open, onChange: loadScans });
const uploads = new UploadPanel({ hospital: own, onOpen: openById, onScans: loadScans, onAnnotations: (file) => importAnnotations(file) });
let scans = [];
let card = null;
let isReady = null; // the hospital's switch, once it is known

/** The federation and the own hospital; nothing of others is here anyway. */
function ownSeries(run, metricId) {
  return seriesOf(run, metricId, hospitalName, { only: [own] }).map((line) => (line.id === own ? { ...line, color: "--series-1", marker: 0 } : line));
}

function showOwn() {
  const place = byId("own-data");
  if (!card) {
    fill(place, h("div.card-body", {}, h("p.muted", {}, t("client.no_folder"))));
    return;
  }
  if (place.contains(document.activeElement)) return; // the switch is being used
  fill(
    place,
    h("div.card-head", {}, h("h2", {}, card.name), presence(card)),
    h("div.card-body.stack", {}, hospitalCounts(card), trouble(card), isReady !== null && readySwitch()),
  );
}

/** What the coordinator sees of all this: whether, and how many. */
function readySwitch() {
  const box = h("input", { type: "checkbox", id: "hospital-ready", checked: isReady, "aria-describedby": "hospital-ready-help", "data-testid": "hospital-ready" });
  box.addEventListener("change", async () => {
    const answer = await attempt(box, () => api.put("/api/scans/readiness", { is_ready: box.checked }));
    if (answer === undefined) box.checked = isReady;
    else toast(t(box.checked ? "scan.hospital_is_ready" : "scan.hospital_is_not_ready"));
    await loadScans();
    live.resync();
  });
  const ready = scans.filter((scan) => scan.is_ready).length;
  return h(
    "div.ready-switch",
    {},
    h("label.check", {}, box, h("span.strong", {}, t("scan.hospital_ready"))),
    h("p.field-help", { id: "hospital-ready-help" }, t("page.two_sentences", { one: tn("scan.ready_count", ready, { all: tn("count.scans", scans.length) }), two: t("scan.hospital_ready_help") })),
  );
}

async function loadScans() {
  const answer = await attempt(null, () => api.get("/api/scans"));
  if (!answer) return;
  ({ scans, is_ready: isReady } = answer);
  byId("keep-originals").checked = answer.keep_original_dicom;
  byId("scans-loading").hidden = true;
  byId("scans-empty").hidden = scans.length > 0;
  byId("scans-content").hidden = !scans.length;
  table.show(scans);
  drawFigures(byId("figures"), answer);
  showOwn();
}

function open(scan) {
  showScan(scan, { onChange: loadScans });
}

async function openById(scanId) {
  const scan = await attempt(null, () => api.get(`/api/scans/${encodeURIComponent(scanId)}`));
  if (scan) open(scan);
}

const nameOf = (id) => scans.find(({ scan_id: known }) => known === id)?.label ?? id;

function importAnnotations(file) {
  showImport({ nameOf, file, onChange: loadScans });
}

byId("keep-originals").addEventListener("change", async ({ target }) => {
  const answer = await attempt(target, () => api.put("/api/scans/readiness", { keep_original_dicom: target.checked }));
  if (answer === undefined) target.checked = !target.checked;
  else toast(t(target.checked ? "scan.keeps_originals" : "scan.keeps_no_originals"));
});

for (const button of document.querySelectorAll("[data-imports]")) button.addEventListener("click", () => importAnnotations());

live.subscribe({
  snapshot(status) {
    learnNames(status.hospitals);
    card = (status.hospitals ?? []).find(({ id }) => id === own) ?? null;
    showOwn();
    loadScans();
    uploads.load();
    view.show(status.run, status.events);
    byId("run").hidden = !status.run;
    byId("no-run").hidden = Boolean(status.run);
    if (status.run) byId("run-link").href = `/history/${encodeURIComponent(status.run.id)}`;
  },
  event(event) {
    if (event.uploads) uploads.load();
    if (event.event === "round_finished") loadScans();
    if (event.scans_changed || isNews(view.run, event)) live.resync(); // the snapshot has the numbers of the hospital, too
    else view.apply(event);
  },
});
