/* The sample page: the same components as on the other pages, with made-up values. */

import { byId, fill, h } from "./dom.js";
import { drawHospitals } from "./hospital_cards.js";
import { Feed } from "./feed.js";
import { t } from "./i18n.js";
import { meter } from "./machine.js";
import { progressBar } from "./run_panel.js";
import { RunView, placesIn } from "./run_view.js";
import { toast } from "./toasts.js";
import { learnNames } from "./words.js";

const COLOURS = [
  "canvas", "surface", "surface-sunken", "line", "line-strong", "line-control", "ink", "ink-muted", "ink-faint", "accent", "accent-strong", "accent-soft",
  "good", "good-soft", "warn", "warn-soft", "bad", "bad-soft", "info", "info-soft",
  "series-global", "series-1", "series-2", "series-3", "series-4", "series-5", "series-6", "series-7", "series-8",
];

function swatch(name) {
  const colour = h("div.swatch-colour");
  colour.style.background = `var(--${name})`;
  return h("div.swatch", {}, colour, name);
}

const START = Date.UTC(2026, 0, 5, 8, 0, 0);
const at = (minutes) => new Date(START + minutes * 60_000).toISOString();
const ids = ["hospital_a", "hospital_b", "hospital_c"];
const hospitals = ["a", "b", "c"].map((letter, index) => ({
  id: ids[index], name: t(`sample.hospital_${letter}`), online: index < 2, ready: index < 1 || index > 1, scans: 42 - 12 * index, nodules: 61 - 17 * index, annotated_scans: 31 - 9 * index,
  size_histogram: { edges_mm: [3, 5, 8, 12, 20, 30], counts: [9 - index, 22 - 3 * index, 14, 8, 3] }, last_error: index === 2 ? t("sample.error") : null, last_seen: at(0),
}));

function record(round) {
  const loss = (index) => 0.9 * Math.exp(-round / 6) + 0.12 + 0.03 * index + 0.02 * Math.sin(round * (index + 2));
  const late = round === 4 ? { hospital_b: "no answer within 600 s" } : round === 6 ? { hospital_c: "delta of x holds NaN or infinite values" } : {};
  const there = ids.filter((id) => !(id in late));
  return {
    event: "round_finished", run_id: "sample", round, rounds: 12, time: at(round * 3), num_examples: 96, seconds: 171, learning_rate: 0.002, dropped: late,
    metrics: { loss: loss(1), dice: 1 - loss(1) },
    hospitals: there.map((id, index) => ({ hospital: id, num_examples: 32, seconds: 90 + index, metrics: { loss: loss(index), dice: 1 - loss(index) } })),
    validation: Object.fromEntries(ids.map((id, index) => [id, { sensitivity_at_1_fp: 0.95 - loss(index) / 1.4, dice: 0.8 - loss(index) / 2, cpm: 0.85 - loss(index) / 1.5, num_nodules: 20, num_scans: 8 }])),
  };
}

const run = {
  id: "sample", state: "running", round: 8, rounds: 12, reason: "", created: at(0), started_by: "admin", note: "", can_resume: false, eta_seconds: 720,
  config: { strategy: "fedavg", local_epochs: 1 }, scans: { hospital_a: 42, hospital_b: 30, hospital_c: 18 },
  records: Array.from({ length: 8 }, (_, index) => record(index + 1)),
  current: { round: 9, learning_rate: 0.002, hospitals: { hospital_a: { state: "done", fraction: 1 }, hospital_b: { state: "training", fraction: 0.62 }, hospital_c: { state: "waiting", fraction: 0 } } },
};

learnNames(hospitals);
fill(byId("swatches"), COLOURS.map(swatch));
fill(byId("sample-progress"), progressBar(run));
drawHospitals(byId("sample-hospitals"), hospitals, null);
new RunView(placesIn(document), { metrics: ["loss", "sensitivity"] }).show(run);
const feed = new Feed(byId("sample-feed"));
feed.add([
  { event: "training_status", run_id: "sample", state: "running", round: 0, rounds: 12, time: at(0) },
  { event: "round_started", run_id: "sample", round: 6, hospitals: ids, time: at(15) },
  { event: "client_progress", run_id: "sample", round: 6, hospital: "hospital_a", state: "done", time: at(16) },
  { event: "client_progress", run_id: "sample", round: 6, hospital: "hospital_c", state: "dropped", reason: "delta of x holds NaN or infinite values", time: at(17) },
  record(6),
]);
fill(byId("sample-meters"), meter(t("machine.cpu"), 0.42, "42 %"), meter(t("machine.memory"), 0.9, "90 %"), meter(t("machine.gpu"), 0.97, "97 %"));
for (const button of document.querySelectorAll("[data-toast]")) {
  button.addEventListener("click", () => toast(t(button.dataset.toast === "good" ? "note.saved" : "error.unreachable"), button.dataset.toast));
}
