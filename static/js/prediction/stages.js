/* How far the reading of a scan is: its stages one under the other, and the seconds that each took. */

import { fill, h, icon } from "../dom.js";
import { number, percent, t, tn } from "../i18n.js";

/** Seconds as they are measured: "0.4 s", "12 s". */
export const secondsWords = (seconds) => t("predict.seconds", { value: number(seconds, seconds < 10 ? 1 : 0) });

export class Stages {
  #place;
  #stages = []; // [{stage, text}], in order
  #now = {};

  constructor(place) {
    this.#place = place;
  }

  /** @param {{state?: string, stage?: string, stages?: any[], progress?: number, queue_position?: number}} news */
  show(news) {
    this.#stages = news.stages ?? this.#stages;
    this.#now = { ...this.#now, ...news };
    const { state, queue_position: position } = this.#now;
    if (state === "queued") {
      const words = position > 1 ? tn("predict.waits_behind", position - 1) : t("predict.waits_next");
      fill(this.#place, h("p.row", { "data-testid": "queue-words" }, icon("hourglass-half"), words));
    } else {
      fill(this.#place, h("ol.stage-list", { "data-testid": "stages" }, this.#stages.map((one, place) => this.#line(one, place))));
    }
  }

  #line({ stage, text }, place) {
    const at = this.#stages.findIndex((one) => one.stage === this.#now.stage);
    const state = place < at ? "done" : place === at ? "now" : "later";
    const share = state === "now" ? this.#now.progress ?? 0 : 0;
    const [name, word] = { done: ["circle-check", t("predict.stage_done")], now: ["circle-play", percent(share)], later: ["circle", t("predict.stage_later")] }[state];
    return h(`li.stage.stage-${state}`, { "data-stage": stage, "aria-current": state === "now" && "step" }, icon(name), h("span", {}, text), h("span.small.muted", {}, word), state === "now" && bar(share));
  }
}

/** A share as a bar; its words stand beside it. */
export function bar(share) {
  const filled = h("div.bar-fill");
  filled.style.width = `${Math.round(share * 100)}%`;
  return h("div.bar", { "aria-hidden": "true" }, filled);
}

/** Time per stage as a table; what came first stands first. */
export function timesTable({ seconds, total_seconds: total, stages }) {
  const lines = stages.filter(({ stage }) => stage in seconds).map(({ stage, text }) => [text, seconds[stage]]);
  const row = ([text, value], isTotal = false) => h(`tr${isTotal ? ".is-total" : ""}`, {}, h("th", { scope: "row" }, text), h("td.is-number", {}, secondsWords(value)));
  return h("table.table.times", { "data-testid": "stage-times" }, h("caption.visually-hidden", {}, t("predict.times")), h("tbody", {}, lines.map((line) => row(line)), row([t("predict.total"), total], true)));
}
