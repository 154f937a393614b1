/* Tables that sort and filter.
 *
 * <table class="table" data-sortable> with <th data-sort="text|number|date">; a cell sorts by its data-value, else its
 * text. <input data-filters="table-id"> shows only rows with all of its words. Also for tables that a page makes. */

import { h, icon } from "./dom.js";
import { locale, tn } from "./i18n.js";

const collator = new Intl.Collator(locale, { numeric: true, sensitivity: "base" });

export function wireTables(root = document) {
  for (const table of root.querySelectorAll("table[data-sortable]")) makeSortable(table);
  for (const input of root.querySelectorAll("[data-filters]")) makeFilter(input);
}

/** Heads become buttons. `aria-sort` in the markup says how the rows are sorted at first. */
export function makeSortable(table) {
  for (const head of table.querySelectorAll("th[data-sort]")) {
    if (head.querySelector(".sort-button")) continue;
    const button = h("button.sort-button", { type: "button", onClick: () => sortBy(table, head) }, [...head.childNodes], icon("sort"));
    head.replaceChildren(button);
    showDirection(head, head.getAttribute("aria-sort"));
  }
}

function sortBy(table, head) {
  const numbersFirstDown = head.dataset.sort !== "text";
  const before = head.getAttribute("aria-sort");
  const direction = before ? (before === "ascending" ? "descending" : "ascending") : numbersFirstDown ? "descending" : "ascending";
  for (const other of table.querySelectorAll("th[aria-sort]")) {
    other.removeAttribute("aria-sort");
    showDirection(other, null);
  }
  head.setAttribute("aria-sort", direction);
  showDirection(head, direction);
  sortRows(table);
}

/** Sort the rows as the heads say; call it again after rows were added. */
export function sortRows(table) {
  const head = table.querySelector("th[aria-sort]");
  if (!head) return;
  const column = [...head.parentElement.children].indexOf(head);
  const sign = head.getAttribute("aria-sort") === "descending" ? -1 : 1;
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => ({ row, value: cellValue(row.cells[column], head.dataset.sort) }));
  rows.sort((a, b) => compare(a.value, b.value, sign));
  body.append(...rows.map((one) => one.row));
}

/** Empty values come last, whichever way. */
function compare(a, b, sign) {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  return sign * (typeof a === "number" ? a - b : collator.compare(a, b));
}

function cellValue(cell, kind) {
  const text = (cell?.dataset.value ?? cell?.textContent ?? "").trim();
  if (text === "") return null;
  if (kind === "text") return text;
  const value = kind === "date" ? Date.parse(text) : Number(text);
  return Number.isNaN(value) ? null : value;
}

function showDirection(head, direction) {
  const mark = head.querySelector(".sort-button .fa-solid");
  const name = direction === "ascending" ? "sort-up" : direction === "descending" ? "sort-down" : "sort";
  mark.className = `fa-solid fa-${name}`;
}

/** An input filters the rows of the table whose id it names; [data-count="table-id"] tells how many are left. */
export function makeFilter(input) {
  const apply = () => applyFilter(input);
  input.addEventListener("input", apply);
  apply();
}

export function applyFilter(input) {
  const table = document.getElementById(input.dataset.filters);
  if (!table?.tBodies[0]) return;
  const words = input.value.trim().toLocaleLowerCase(locale).split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of table.tBodies[0].rows) {
    const text = (row.dataset.search ?? row.textContent).toLocaleLowerCase(locale);
    row.hidden = !words.every((word) => text.includes(word));
    if (!row.hidden) shown += 1;
  }
  for (const place of document.querySelectorAll(`[data-count="${table.id}"]`)) place.textContent = tn("count.shown", shown);
}
