/* Line charts that belong together: one smoothing, one scale, one hover line; each with its table and its exports.
 *
 * Chart.js (a plain script before this module) draws; everything else is here. However many events arrive, a chart is
 * drawn once per frame. */

import { seenOn } from "./accuracy.js";
import { asCsv, asRows, decimated, nearest, smoothed } from "./chart_data.js";
import { h, icon, fill, download, oncePerFrame } from "./dom.js";
import { metric, number, t, tn } from "./i18n.js";

const MARKERS = ["circle", "rectRot", "triangle", "rect"];
const MARKED_POINTS = 60; // more points than this are a line without markers
const RAW_ALPHA = "55";
const MOST_ROWS = 200; // of the table beside a chart; the CSV has all of them

const PICTURE_WIDTH = 1600; // pixels of an exported picture, at least
const OPTIONS = {
  animation: false, parsing: false, normalized: true, maintainAspectRatio: false, events: [],
  layout: { padding: { top: 6, right: 8 } },
  plugins: { legend: { display: false }, tooltip: { enabled: false } },
};

const LEGEND_FONT = () => `11px ${style("--font")}`;
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Vertical line where the pointer is, in every chart of the group. */
const crossLine = {
  id: "crossLine",
  afterDatasetsDraw(chart) {
    const x = chart.crossAt;
    if (x === null || x === undefined) return;
    const pixel = chart.scales.x.getPixelForValue(x);
    const { top, bottom, left, right } = chart.chartArea;
    if (pixel < left || pixel > right) return;
    const { ctx } = chart;
    ctx.save();
    ctx.strokeStyle = style("--chart-cross");
    ctx.setLineDash([3, 3]);
    ctx.beginPath();
    ctx.moveTo(pixel, top);
    ctx.lineTo(pixel, bottom);
    ctx.stroke();
    ctx.restore();
  },
};

/** Charts over the same x axis, with one toolbar. */
export class ChartGroup {
  #charts = [];
  #hidden = new Set();
  smoothing = 0;
  log = false;
  axis = "round";

  /** @param {{fileName?: () => string}} [options] `fileName`: start of the names of exported files */
  constructor({ fileName = () => "fedlung" } = {}) {
    this.fileName = fileName;
    this.redraw = oncePerFrame(() => this.#charts.forEach((chart) => chart.draw()));
    document.addEventListener("themechange", this.redraw);
  }

  /** A new chart; put `chart.element` into the page. */
  add(options) {
    const chart = new LineChart(this, options);
    this.#charts.push(chart);
    return chart;
  }

  isHidden(id) {
    return this.#hidden.has(id);
  }

  toggle(id) {
    if (!this.#hidden.delete(id)) this.#hidden.add(id);
    this.redraw();
  }

  hover(x) {
    for (const chart of this.#charts) chart.hover(x);
  }

  /** Smoothing, scale and x axis for all charts of the group. */
  toolbar() {
    const value = h("output.number", {}, number(this.smoothing, 2));
    const slider = h("input.range", {
      type: "range", min: 0, max: 0.95, step: 0.05, value: this.smoothing, "data-testid": "smoothing",
      onInput: (event) => {
        this.smoothing = Number(event.target.value);
        value.textContent = number(this.smoothing, 2);
        this.redraw();
      },
    });
    const log = h("input", { type: "checkbox", "data-testid": "log-scale", onChange: (event) => {
      this.log = event.target.checked;
      this.redraw();
    } });
    ChartGroup.#count += 1;
    const name = `axis-${ChartGroup.#count}`;
    const axes = ["round", "time"].map((axis) => h("label", {}, h("input", {
      type: "radio", name, value: axis, checked: axis === this.axis, onChange: () => this.#setAxis(axis),
    }), h("span", {}, t(`chart.by_${axis}`))));
    return h(
      "div.chart-toolbar.no-print",
      {},
      h("label", {}, t("chart.smoothing"), slider, value),
      h("label.check", {}, log, t("chart.log")),
      h("div.segmented", { role: "radiogroup", "aria-label": t("chart.axis") }, axes),
    );
  }

  static #count = 0;

  #setAxis(axis) {
    this.axis = axis;
    this.hover(null);
    this.redraw();
  }
}

class LineChart {
  #chart = null;
  #series = [];
  #hovered = null;
  #tabled = ""; // axis and data that the table shows

  constructor(group, { id, title, help = "" }) {
    this.group = group;
    this.id = id;
    this.title = title;
    this.canvas = h("canvas", { role: "img", "aria-label": t("chart.label", { title }) });
    this.legend = h("div.chart-legend");
    this.table = h("div.chart-table.visually-hidden", { role: "group", "aria-label": title });
    this.nothing = h("p.chart-empty");
    this.note = h("p.chart-note", { "data-testid": "chart-note" });
    const button = (name, label, run) => h(
      "button.button.button-quiet.button-icon.button-small",
      { type: "button", title: label, "aria-label": t("page.pair", { name: label, value: title }), onClick: run }, icon(name),
    );
    const asTable = button("table", t("chart.as_table"), () => {
      const shown = this.element.classList.toggle("is-table");
      asTable.setAttribute("aria-pressed", String(shown));
      this.table.classList.toggle("visually-hidden", !shown);
      if (shown) this.table.tabIndex = 0; // it may need scrolling
      else this.table.removeAttribute("tabindex");
    });
    asTable.setAttribute("aria-pressed", "false");
    this.element = h(
      "section.card.chart-card",
      { "data-chart": id, "aria-label": title },
      h("div.chart-head", {}, h("div", {}, h("h3", {}, title), help && h("p", {}, help)), h(
        "div.chart-tools.no-print", {}, asTable,
        button("file-csv", t("chart.save_csv"), () => this.#saveCsv()),
        button("image", t("chart.save_png"), () => this.#savePng()),
      )),
      this.legend,
      h("div.chart-box", {}, this.canvas, this.nothing),
      this.note,
      this.table,
    );
  }

  /** @param empty what to say when there is no value
   *  @param series [{id, label, color: "--variable", wide?, marker?, points: [{round, minutes, y, on?}]}]; `on`: see `seenOn` */
  set(series, empty = t("chart.empty")) {
    this.#series = series;
    this.nothing.textContent = empty;
    this.group.redraw();
  }

  hover(x) {
    if (this.#hovered === x) return;
    this.#hovered = x;
    if (!this.#chart) return;
    this.#chart.crossAt = x;
    this.#chart.draw();
    this.#showValues();
  }

  /** Called by the group, once per frame. */
  draw() {
    const lines = this.#lines();
    const hasPoints = lines.some((line) => line.points.length);
    this.nothing.hidden = hasPoints;
    this.canvas.hidden = !hasPoints;
    this.#drawLegend(lines);
    this.#drawTable(lines);
    if (!hasPoints) return;
    this.#chart ??= this.#make();
    this.#chart.data.datasets = this.#datasets(lines);
    this.#style();
    this.#chart.update("none");
  }

  #lines() {
    const x = (point) => (this.group.axis === "time" ? point.minutes : point.round);
    return this.#series.map((one) => ({ ...one, points: one.points.map((point) => ({ ...point, x: x(point) })) }));
  }

  #datasets(lines) {
    const shown = lines.filter((line) => !this.group.isHidden(line.id));
    const positive = (points) => (this.group.log ? points.filter((point) => point.y > 0) : points);
    const { smoothing } = this.group;
    return shown.flatMap((line) => {
      const color = style(line.color);
      const raw = decimated(positive(line.points));
      const base = { clip: 5, borderWidth: line.wide ? 2.75 : 1.75, order: line.wide ? 0 : 1, tension: 0, pointHitRadius: 0, pointHoverRadius: 0 };
      const marks = { pointStyle: MARKERS[line.marker ?? 0], pointRadius: raw.length <= MARKED_POINTS ? (line.wide ? 2.5 : 3) : 0 };
      const main = { ...base, borderColor: color, backgroundColor: color, pointBorderColor: color };
      if (!smoothing) return [{ ...main, ...marks, data: raw }];
      const smooth = decimated(positive(smoothed(line.points, smoothing)));
      return [
        { ...main, pointRadius: 0, data: smooth },
        { ...main, pointRadius: 0, borderWidth: 1, borderColor: color + RAW_ALPHA, order: 3, data: raw },
      ];
    });
  }

  #make() {
    const move = (event) => {
      const bounds = this.canvas.getBoundingClientRect();
      const x = this.#chart.scales.x.getValueForPixel(event.clientX - bounds.left);
      this.group.hover(this.#snapped(x));
    };
    this.canvas.addEventListener("pointermove", move);
    this.canvas.addEventListener("pointerdown", move);
    this.canvas.addEventListener("pointerleave", () => this.group.hover(null));
    return new window.Chart(this.canvas, {
      type: "line",
      data: { datasets: [] },
      plugins: [crossLine],
      options: { ...OPTIONS, responsive: true, scales: { x: { type: "linear", offset: false }, y: { type: "linear" } } },
    });
  }

  /** The x of an existing point that is nearest to the pointer. */
  #snapped(x) {
    const found = this.#lines().map((line) => nearest(line.points, x)).filter(Boolean);
    if (!found.length) return null;
    return found.reduce((best, point) => (Math.abs(point.x - x) < Math.abs(best.x - x) ? point : best)).x;
  }

  #style() {
    Object.assign(this.#chart.options.scales, this.#scales());
  }

  #scales() {
    const ticks = { color: style("--ink-muted"), font: { family: style("--font"), size: 11 }, maxRotation: 0 };
    const grid = { color: style("--chart-grid"), drawTicks: false };
    const border = { display: false };
    const time = this.group.axis === "time";
    const x = {
      type: "linear", grid: { ...grid, display: false }, border: { display: true, color: style("--line-strong") },
      ticks: { ...ticks, precision: time ? 1 : 0, maxTicksLimit: 9, padding: 6, callback: (value) => number(value, time ? 1 : 0) },
      title: { display: true, text: time ? t("chart.minutes") : t("chart.round"), color: ticks.color, font: ticks.font, padding: 0 },
    };
    const y = {
      type: this.group.log ? "logarithmic" : "linear", grid, border, grace: "5%", ...this.#bounds(),
      ticks: { ...ticks, maxTicksLimit: 6, padding: 6, callback: (value) => value.toLocaleString(document.documentElement.lang, { maximumSignificantDigits: 3 }) },
    };
    return { x, y };
  }

  /** Values from near 0 upwards are shown from 0, shares that come to 1 up to there: an axis beyond would only irritate. */
  #bounds() {
    if (this.group.log) return {};
    const values = this.#chart.data.datasets.flatMap((set) => set.data.map((point) => point.y));
    const [least, most] = [Math.min(...values), Math.max(...values)];
    return { min: least >= 0 && least < most / 4 ? 0 : undefined, max: most > 0.96 && most <= 1 ? 1 : undefined };
  }

  #drawLegend(lines) {
    const key = JSON.stringify([...lines.map((line) => [line.id, line.label, this.group.isHidden(line.id)])]);
    if (key !== this.legend.dataset.key) {
      this.legend.dataset.key = key;
      fill(this.legend, lines.map((line) => this.#legendItem(line)));
    }
    this.#showValues(lines);
  }

  #legendItem(line) {
    const mark = legendMark(line);
    return h(
      "button.legend-item",
      { type: "button", "aria-pressed": String(!this.group.isHidden(line.id)), title: t("chart.toggle"), onClick: () => this.group.toggle(line.id) },
      mark, h("span", {}, line.label), h("span.legend-value", { "data-line": line.id }),
    );
  }

  /** Values at the hover line, else the last ones. */
  #showValues(lines = this.#lines()) {
    for (const line of lines) {
      const place = [...this.legend.querySelectorAll(".legend-value")].find((one) => one.dataset.line === line.id);
      const point = this.#hovered === null ? line.points[line.points.length - 1] : line.points.find((one) => one.x === this.#hovered);
      if (!place) continue;
      place.textContent = point ? metric(point.y) : "–";
      place.parentElement.title = point?.on ? t("page.pair", { name: line.label, value: seenOn(point.on) }) : t("chart.toggle");
    }
    this.#drawNote(lines);
  }

  /** On how little the first line's value rests, and what a logarithmic scale cannot show. */
  #drawNote(lines) {
    const shown = lines.filter((line) => !this.group.isHidden(line.id));
    const at = (line) => (this.#hovered === null ? line.points.at(-1) : line.points.find((one) => one.x === this.#hovered));
    const first = shown.find((line) => at(line)?.on);
    const hidden = this.group.log ? shown.flatMap((line) => line.points).filter(({ y }) => !(y > 0)).length : 0;
    const words = [first && t("page.pair", { name: first.label, value: seenOn(at(first).on) }), hidden && tn("chart.log_hides", hidden)];
    this.note.textContent = words.filter(Boolean).join(" · ");
  }

  #drawTable(lines) {
    const shown = JSON.stringify([this.group.axis, lines.map((line) => [line.label, line.points.length, line.points.at(-1)?.y])]);
    if (shown === this.#tabled) return;
    this.#tabled = shown;
    const rows = asRows(lines).slice(-MOST_ROWS);
    const head = h("tr", {}, h("th", { scope: "col" }, this.#axisName()), lines.map((line) => h("th.is-number", { scope: "col" }, line.label)));
    const body = rows.map(({ x, values }) => h(
      "tr", {}, h("th", { scope: "row" }, number(x, 1)), values.map((value) => h("td.is-number", {}, value === null ? "–" : metric(value))),
    ));
    fill(this.table, h("table.table", {}, h("caption.visually-hidden", {}, this.title), h("thead", {}, head), h("tbody", {}, body)));
  }

  #axisName() {
    return this.group.axis === "time" ? t("chart.minutes") : t("chart.round");
  }

  #saveCsv() {
    const lines = this.#lines();
    const rows = asRows(lines).map(({ x, values }) => [x, ...values]);
    const csv = asCsv([this.#axisName(), ...lines.map((line) => line.label)], rows);
    download(`${this.group.fileName()}-${this.id}.csv`, "\ufeff" + csv, "text/csv;charset=utf-8");
  }

  #savePng() {
    if (!this.#chart) return;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const scale = Math.max(2 * (window.devicePixelRatio || 1), PICTURE_WIDTH / width);
    const legend = this.#placedLegend(width);
    const head = legend.height + 30;
    const canvas = h("canvas", { width: Math.ceil(width * scale), height: Math.ceil((height + head) * scale) });
    const context = canvas.getContext("2d");
    context.fillStyle = style("--surface");
    context.fillRect(0, 0, canvas.width, canvas.height);
    const large = this.#drawnLarge(width, height, scale);
    context.drawImage(large.canvas, 0, head * scale);
    large.destroy();
    context.scale(scale, scale);
    context.fillStyle = style("--ink");
    context.font = `600 13px ${style("--font")}`;
    context.fillText(this.title, 10, 17);
    context.font = LEGEND_FONT();
    for (const { line, left, top } of legend.items) {
      context.fillStyle = style(line.color);
      context.fillRect(left, top - 6, 12, 3);
      context.fillStyle = style("--ink");
      context.fillText(line.label, left + 17, top);
    }
    canvas.toBlob((blob) => blob && download(`${this.group.fileName()}-${this.id}.png`, blob));
  }

  /** The chart once more, with `scale` pixels for each of the page's, and with the name of its vertical axis. */
  #drawnLarge(width, height, scale) {
    const { x, y } = this.#scales();
    const title = { display: true, text: this.title, color: x.ticks.color, font: x.ticks.font };
    return new window.Chart(h("canvas", { width, height }), {
      type: "line",
      data: { datasets: this.#datasets(this.#lines()) },
      options: { ...OPTIONS, responsive: false, devicePixelRatio: scale, scales: { x, y: { ...y, title } } },
    });
  }

  /** Where the names of the lines go above an exported picture of this width, in as many rows as they need. */
  #placedLegend(width) {
    const context = h("canvas").getContext("2d");
    context.font = LEGEND_FONT();
    let [left, top] = [10, 35];
    const items = this.#series.filter((one) => !this.group.isHidden(one.id)).map((line) => {
      const wide = context.measureText(line.label).width + 34;
      if (left > 10 && left + wide > width) [left, top] = [10, top + 17];
      const item = { line, left, top };
      left += wide;
      return item;
    });
    return { items, height: top - 18 };
  }
}

/** A short piece of the line with its marker, so that colour is not the only sign. */
export function legendMark(line) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "legend-mark");
  svg.setAttribute("viewBox", "0 0 20 10");
  svg.setAttribute("aria-hidden", "true");
  const draw = (name, attributes) => {
    const shape = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, value);
    shape.style.setProperty("stroke", `var(${line.color})`);
    shape.style.setProperty("fill", `var(${line.color})`);
    svg.append(shape);
  };
  draw("line", { x1: 0, x2: 20, y1: 5, y2: 5, "stroke-width": line.wide ? 3 : 2 });
  const shapes = [["circle", { cx: 10, cy: 5, r: 3 }], ["polygon", { points: "10,1 14,5 10,9 6,5" }], ["polygon", { points: "10,1 14,9 6,9" }], ["rect", { x: 7, y: 2, width: 6, height: 6 }]];
  if (!line.wide) draw(...shapes[line.marker ?? 0]);
  return svg;
}
