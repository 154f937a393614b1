/* The marks as a table, the surest first: two lines for each, numbers and words. Rows are kept, so that the focus stays. */

import { fill, h, icon } from "../dom.js";
import { number, percent, t } from "../i18n.js";

const COLUMNS = ["confidence", "diameter", "volume", "slice"];
const SIGNS = { accepted: "check", rejected: "xmark" };

export class MarkTable {
  #rows = new Map(); // id -> <tbody>
  #actions;

  /**
   * @param {HTMLTableElement} table
   * @param {{choose(id: string): void, judge(id: string, status: string): void}} actions
   */
  constructor(table, actions) {
    this.table = table;
    this.#actions = actions;
    const heads = COLUMNS.map((column) => h("th.is-number", { scope: "col" }, t(`predict.column_${column}`)));
    const hidden = (words) => h("th", { scope: "col" }, h("span.visually-hidden", {}, words));
    table.append(h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("predict.column_mark")), heads, hidden(t("predict.column_judgement")))));
  }

  /** @param {any[]} rows of `rowsOf`, each with {slice, isChosen, signature} */
  show(rows) {
    const ids = new Set(rows.map(({ id }) => id));
    for (const [id, body] of this.#rows) {
      if (ids.has(id)) continue;
      body.remove();
      this.#rows.delete(id);
    }
    rows.forEach((row, place) => {
      if (!this.#rows.has(row.id)) this.#rows.set(row.id, this.#newRow(row.id));
      const body = this.#rows.get(row.id);
      if (this.table.tBodies[place] !== body) this.table.insertBefore(body, this.table.tBodies[place] ?? null);
      show(body, row);
    });
    this.table.hidden = !rows.length;
  }

  /** Bring the row of the chosen mark into sight, without moving the page. */
  reveal(id) {
    const body = this.#rows.get(id);
    const box = this.table.parentElement;
    if (!body) return;
    const [row, view] = [body.getBoundingClientRect(), box.getBoundingClientRect()];
    const head = this.table.tHead.offsetHeight;
    if (row.top < view.top + head) box.scrollTop -= view.top + head - row.top;
    else if (row.bottom > view.bottom) box.scrollTop += row.bottom - view.bottom;
  }

  #newRow(id) {
    const { choose, judge } = this.#actions;
    const judgement = (status) => h("button.button.button-quiet.button-icon.button-small.judge", { type: "button", "data-testid": `${status}-${id}`, "data-status": status, onClick: (event) => { event.stopPropagation(); judge(id, status); } }, icon(SIGNS[status]));
    return h(
      "tbody.mark",
      { "data-testid": `mark-${id}`, onClick: () => choose(id) },
      h("tr.mark-numbers", {}, h("th", { scope: "row" }, h("button.mark-go", { type: "button", "data-testid": `go-${id}` }, h("span.finding-mark"))), COLUMNS.map((column) => h("td.is-number", { "data-column": column })), h("td.is-tight", {}, h("span.judges", {}, judgement("accepted"), judgement("rejected")))),
      h("tr.mark-words", {}, h("td", { colspan: COLUMNS.length + 2 })),
    );
  }
}

function show(body, row) {
  body.classList.toggle("is-chosen", row.isChosen);
  body.dataset.status = row.status;
  const go = body.querySelector(".mark-go");
  go.firstElementChild.textContent = row.label;
  go.firstElementChild.className = `finding-mark mark-sign mark-sign-${row.source === "reader" ? "reader" : row.status}`;
  go.setAttribute("aria-label", t("predict.go_to", { label: row.label, diameter: number(row.diameter_mm, 1), slice: number(row.slice) }));
  go.setAttribute("aria-current", String(row.isChosen));
  const values = {
    confidence: row.probability === null ? t("predict.readers") : percent(row.probability),
    diameter: oneDigit(row.diameter_mm),
    volume: number(row.volume_mm3),
    slice: number(row.slice),
  };
  for (const column of COLUMNS) body.querySelector(`[data-column=${column}]`).textContent = values[column];
  for (const button of body.querySelectorAll(".judge")) {
    const { status } = button.dataset;
    const words = t(status === "accepted" ? "predict.accept_mark" : "predict.reject_mark", { label: row.label });
    button.setAttribute("aria-pressed", String(row.status === status));
    button.setAttribute("aria-label", words);
    button.title = words;
    // What a reader added is there because it was accepted; who is wrong about it removes it.
    button.hidden = row.source === "reader";
  }
  fill(body.querySelector(".mark-words td"), wordsOf(row).join(" · "));
}

/** What is known besides numbers, in order of use. */
function wordsOf(row) {
  const { candidate, isMeasured, status, source, comment } = row;
  return [
    status === "open" ? "" : t(`predict.is_${source === "reader" ? "added" : status}`),
    isMeasured ? candidate.position.text : "",
    isMeasured ? candidate.attenuation_text : "",
    candidate && !isMeasured ? t("predict.was_changed") : "",
    comment,
  ].filter(Boolean);
}

/** Always one digit after the point: "6.0", as sizes of nodules are written. */
export function oneDigit(value) {
  return value.toFixed(1);
}
