/* Rounds x hospitals at a glance: who trains, who has returned, who was late or refused, and why. */

import { fill, h, icon } from "./dom.js";
import { duration, number, percent, t } from "./i18n.js";
import { cellOf, hospitalsOf, isActive } from "./run_state.js";
import { hospitalName, reasonWords } from "./words.js";

const MARKS = { done: "check", late: "clock", refused: "xmark", waiting: "hourglass", unasked: null, future: null };
const KEY = ["done", "training", "waiting", "late", "refused"];

export class RoundGrid {
  #run = null;
  #cells = new Map(); // "hospital|round" -> {element, shown}
  #shape = "";

  /** @param element where the grid is drawn; its text says why a hospital was left out */
  constructor(element) {
    this.detail = h("p.grid-detail.muted", { role: "status" });
    this.wrap = h("div.grid-wrap", { tabindex: 0, role: "group", "aria-label": t("grid.title") });
    fill(element, this.wrap, h("div.grid-foot", {}, this.detail, gridKey()));
  }

  draw(run) {
    this.#run = run;
    const hospitals = hospitalsOf(run);
    const last = isActive(run) ? run.rounds : Math.max(run.round, ...run.records.map((record) => record.round), 0);
    const shape = JSON.stringify([run.id, hospitals.map(hospitalName), last]);
    if (shape !== this.#shape) this.#build(hospitals, last, shape);
    // A run that was stopped within a round knows that round for a moment longer; its grid has no column for it.
    const current = isActive(run) ? run.current?.round ?? null : null;
    for (const head of this.wrap.querySelectorAll("thead [data-round]")) {
      head.classList.toggle("is-current", Number(head.dataset.round) === current);
    }
    for (const [key, cell] of this.#cells) this.#drawCell(key, cell, current);
    this.#keepCurrentInView(current);
  }

  #build(hospitals, last, shape) {
    this.#shape = shape;
    this.#cells.clear();
    this.#shownRound = null;
    const rounds = Array.from({ length: last }, (_, index) => index + 1);
    const every = last > 60 ? 10 : last > 24 ? 5 : 1;
    const head = rounds.map((round) => h(
      "th", { scope: "col", "data-round": round },
      h("span.visually-hidden", {}, t("grid.round", { round })), h(`span${round % every === 0 || round === 1 ? "" : ".round-quiet"}`, { "aria-hidden": "true" }, number(round)),
    ));
    const rows = hospitals.map((id) => h("tr", {}, h("th", { scope: "row", title: hospitalName(id) }, hospitalName(id)), rounds.map((round) => {
      const element = h("td");
      this.#cells.set(`${id}|${round}`, { element, shown: "" });
      return element;
    })));
    const table = h(
      "table.round-grid", { "data-testid": "round-grid" }, h("caption.visually-hidden", {}, t("grid.title")),
      h("thead", {}, h("tr", {}, h("td", {}), head)), h("tbody", {}, rows),
    );
    fill(this.wrap, table);
  }

  #drawCell(key, cell, current) {
    const [hospital, text] = key.split("|");
    const round = Number(text);
    const now = cellOf(this.#run, hospital, round);
    const shown = `${now.state}|${now.state === "training" ? Math.round(now.fraction * 100) : ""}|${now.reason ?? ""}|${round === current}`;
    if (cell.shown === shown) return;
    cell.shown = shown;
    cell.element.classList.toggle("is-current", round === current);
    cell.element.dataset.state = now.state;
    fill(cell.element, cellElement(now, () => this.#explain(hospital, round, now)));
    cell.element.onpointerenter = () => this.#explain(hospital, round, now);
  }

  #explain(hospital, round, now) {
    const words = now.reason ? `${cellWords(now)} – ${reasonWords(now.reason)}` : cellWords(now);
    const seconds = now.seconds ? ` (${duration(now.seconds)})` : "";
    this.detail.textContent = t("grid.detail", { round, hospital: hospitalName(hospital), words }) + seconds;
  }

  #shownRound = null;

  #keepCurrentInView(current) {
    if (current === null || current === this.#shownRound || !this.wrap.clientWidth) return;
    this.#shownRound = current;
    const head = this.wrap.querySelector(`thead [data-round="${current}"]`);
    const right = head.offsetLeft + head.offsetWidth + 80;
    if (right > this.wrap.scrollLeft + this.wrap.clientWidth) this.wrap.scrollLeft = right - this.wrap.clientWidth;
  }
}

function cellWords(now) {
  if (now.state === "training") return t("cell.training", { share: percent(now.fraction) });
  return t(`cell.${now.state}`);
}

/** One cell; with a reason it is a button that tells it. */
export function cellElement(now, explain) {
  const words = h("span.visually-hidden", {}, cellWords(now));
  if (now.state === "training") {
    const bar = h("span.cell-fill");
    bar.style.width = `${Math.round(now.fraction * 100)}%`;
    return h("span.cell.cell-training", {}, h("span", { "aria-hidden": "true" }, percent(now.fraction)), words, bar);
  }
  const mark = MARKS[now.state] && icon(MARKS[now.state]);
  if (!now.reason) return h(`span.cell.cell-${now.state}`, {}, mark, words);
  return h(`button.cell.cell-${now.state}`, { type: "button", onClick: explain, onFocus: explain }, mark, words);
}

function gridKey() {
  const sample = (state) => (state === "training" ? h("span.cell.cell-training") : h(`span.cell.cell-${state}`, {}, MARKS[state] && icon(MARKS[state])));
  return h("ul.grid-key", {}, KEY.map((state) => h("li", {}, sample(state), t(`key.${state}`))));
}
