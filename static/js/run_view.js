/* Everything that shows one run, put into the places that a page has for it. */

import { api } from "./api.js";
import { ChartGroup } from "./charts.js";
import { fill, h, oncePerFrame, whileVisible } from "./dom.js";
import { Feed } from "./feed.js";
import { t } from "./i18n.js";
import { METRICS, metricHelp, metricTitle, seriesOf } from "./metrics.js";
import { RoundGrid } from "./round_grid.js";
import { drawButtons, progressBar, reasonAlert, runStats, statePill } from "./run_panel.js";
import { applyEvent, isActive } from "./run_state.js";
import { hospitalName } from "./words.js";

export class RunView {
  run = null;
  #charts = [];
  #drawnRecords = null;
  #group;
  #options;

  /**
   * @param places elements by what they show: state, stats, progress, reason, buttons, grid, feed, charts, tools;
   *   each may be absent
   * @param options `leads`: show buttons; `changed()`: one of them was pressed; `metrics`: ids of charts; `series(run, metricId)`: lines of a chart
   */
  constructor(places, options = {}) {
    this.places = places;
    this.#options = { leads: false, changed: () => {}, metrics: METRICS.map(({ id }) => id), series: (run, id) => seriesOf(run, id, hospitalName), ...options };
    this.#group = new ChartGroup({ fileName: () => this.run?.id ?? "fedlung" });
    if (places.tools) fill(places.tools, this.#group.toolbar());
    if (places.charts) this.#makeCharts();
    this.grid = places.grid ? new RoundGrid(places.grid) : null;
    this.feed = places.feed ? new Feed(places.feed) : null;
    this.draw = oncePerFrame(() => this.#draw());
    whileVisible(5, () => this.run && isActive(this.run) && this.draw());
  }

  /** Show `run` as the server gave it; `events` are those that happened since the page looked last. */
  show(run, events = null) {
    const isOther = run?.id !== this.run?.id;
    this.run = run;
    if (isOther) {
      this.#drawnRecords = null;
      this.feed?.clear();
      if (run && this.feed) this.#loadFeed(run.id);
    } else if (events) {
      this.feed?.add(events.filter((event) => event.run_id === run?.id));
    }
    this.draw();
  }

  /** Take in one event of this run. */
  apply(event) {
    const before = this.run;
    if (event.run_id !== before?.id || !before) return; // an event may belong to no run at all
    this.run = applyEvent(before, event);
    this.feed?.add([event]);
    if (this.run !== before) this.draw();
  }

  async #loadFeed(runId) {
    const events = await api.get(`/api/runs/${encodeURIComponent(runId)}/events?format=json`).catch(() => this.run?.records ?? []);
    if (this.run?.id === runId) this.feed.add(events);
  }

  #makeCharts() {
    this.#charts = this.#options.metrics.map((id) => this.#group.add({ id, title: metricTitle(id), help: metricHelp(id) }));
    fill(this.places.charts, this.#charts.map((chart) => chart.element));
  }

  #draw() {
    const { places, run } = this;
    if (!run) return;
    if (places.state) fill(places.state, statePill(run));
    if (places.stats) fill(places.stats, runStats(run));
    if (places.progress) fill(places.progress, progressBar(run));
    if (places.reason) fill(places.reason, reasonAlert(run));
    if (places.buttons && this.#options.leads) drawButtons(places.buttons, run, (answer) => {
      this.show(answer);
      this.#options.changed();
    });
    this.grid?.draw(run);
    if (this.#drawnRecords === run.records) return;
    this.#drawnRecords = run.records;
    const empty = t(run.records.length ? "chart.none" : "chart.empty");
    for (const chart of this.#charts) chart.set(this.#options.series(run, chart.id), empty);
  }
}

/** The elements [data-run="state"], [data-run="grid"] ... below `root`, by their names. */
export function placesIn(root) {
  return Object.fromEntries([...root.querySelectorAll("[data-run]")].map((place) => [place.dataset.run, place]));
}

/** A place that says that something is still on its way. */
export function waitingNote() {
  return h("p.muted.small", { role: "status" }, t("page.loading"));
}
