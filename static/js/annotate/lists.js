/* The list of findings, the chosen one with its fields, and the list of the model's suggestions. Rows stay while somebody types in them. */

import { fill, h, icon } from "../dom.js";
import { number, percent, t } from "../i18n.js";
import { DIAMETERS_MM } from "../viewer/marks.js";

const KINDS = ["nodule", "ignore"];

/** A list whose rows are kept by id: a change never takes the focus out of a field. */
class KeptRows {
  constructor(place, make, update) {
    Object.assign(this, { place, make, update });
    this.rows = new Map();
  }

  show(items) {
    const ids = new Set(items.map(({ id }) => id));
    for (const [id, row] of this.rows) {
      if (ids.has(id)) continue;
      row.remove();
      this.rows.delete(id);
    }
    items.forEach((item, place) => {
      if (!this.rows.has(item.id)) this.rows.set(item.id, this.make(item));
      const row = this.rows.get(item.id);
      if (this.place.children[place] !== row) this.place.insertBefore(row, this.place.children[place] ?? null);
      this.update(row, item);
    });
  }
}

const iconButton = (name, testid, action) => h("button.button.button-quiet.button-icon.button-small", { type: "button", "data-testid": testid, onClick: action }, icon(name));

function name(element, words) {
  element.setAttribute("aria-label", words);
  if (element.tagName === "BUTTON") element.title = words;
}

/** Put a value into a field, unless somebody is in it. */
function put(field, value) {
  if (document.activeElement !== field) field.value = value;
}

export class FindingList {
  /**
   * @param {HTMLElement} place a <ul>
   * @param {{choose(id): void, change(id, change, joins): void, remove(id): void}} actions
   */
  constructor(place, actions) {
    this.place = place;
    this.empty = h("li.finding-none", {}, h("p.muted.small", {}, t("annotate.none")));
    this.rows = new KeptRows(place, ({ id }) => findingRow(id, actions), showFinding);
  }

  /** @param {{id: string, label: string, kind: string, diameter_mm: number, comment: string, slice: number, isChosen: boolean}[]} findings */
  show(findings) {
    this.empty.remove();
    this.rows.show(findings);
    if (!findings.length) fill(this.place, this.empty);
    this.#bringIntoView(findings.find(({ isChosen }) => isChosen)?.id);
  }

  #chosen = undefined;

  /** A mark that was just made or chosen in the picture may be far down in the list. Only the list scrolls, not the page. */
  #bringIntoView(id) {
    if (id === this.#chosen) return;
    this.#chosen = id;
    const row = this.rows.rows.get(id);
    if (!row) return;
    const [list, own] = [this.place.getBoundingClientRect(), row.getBoundingClientRect()];
    if (own.bottom > list.bottom) this.place.scrollTop += own.bottom - list.bottom;
    else if (own.top < list.top) this.place.scrollTop -= list.top - own.top;
  }
}

function findingRow(id, actions) {
  const [least, most] = DIAMETERS_MM;
  const kind = h("select.select", { "data-field": "kind", onChange: ({ target }) => actions.change(id, { kind: target.value }) }, KINDS.map((one) => h("option", { value: one }, t(`annotate.${one}`))));
  const diameter = h("input.input.number", { type: "number", "data-field": "diameter", min: least, max: most, step: 0.1, inputmode: "decimal" });
  diameter.addEventListener("change", () => {
    if (diameter.checkValidity() && diameter.value) actions.change(id, { diameter_mm: Number(diameter.value) });
    else diameter.reportValidity();
  });
  const comment = h("input.input", { "data-field": "comment", maxlength: 500, placeholder: t("annotate.comment_here"), autocomplete: "off" });
  comment.addEventListener("input", () => actions.change(id, { comment: comment.value }, `comment ${id}`));
  return h(
    "li.finding",
    { "data-testid": `mark-${id}` },
    h("span.finding-mark", { "aria-hidden": "true" }),
    h("button.finding-go", { type: "button", onClick: () => actions.choose(id) }),
    iconButton("trash", `remove-${id}`, () => actions.remove(id)),
    h("div.finding-fields", {}, kind, h("div.with-unit", {}, diameter, h("span.with-unit-text", { "aria-hidden": "true" }, t("viewer.mm", { value: "" }).trim())), h("div.finding-comment", {}, comment)),
  );
}

function showFinding(row, { label, kind, diameter_mm, comment, slice, isChosen }) {
  row.classList.toggle("is-chosen", isChosen);
  const [sign, go, remove] = row.children;
  sign.textContent = label;
  sign.classList.toggle("finding-mark-ignore", kind === "ignore");
  const size = diameter_mm > 0 ? number(diameter_mm, 1) : "?";
  fill(go, h("span", {}, t("annotate.go_to", { kind: t(`annotate.${kind}`), diameter: size, slice: number(slice) })), comment && !isChosen && h("span.finding-said.small.muted", {}, comment));
  go.setAttribute("aria-expanded", String(isChosen));
  name(remove, t("annotate.remove", { label }));
  const field = (one) => row.querySelector(`[data-field=${one}]`);
  put(field("kind"), kind);
  put(field("diameter"), diameter_mm > 0 ? String(Math.round(diameter_mm * 10) / 10) : "");
  put(field("comment"), comment ?? "");
  for (const one of ["kind", "diameter", "comment"]) name(field(one), t(`annotate.${one}`, { label }));
}

export class SuggestionList {
  /** @param {{choose(id): void, accept(id): void, reject(id): void}} actions */
  constructor(place, actions) {
    this.rows = new KeptRows(place, ({ id }) => suggestionRow(id, actions), showSuggestion);
  }

  /** @param {{id: string, label: string, diameter_mm: number, probability: number, isChosen: boolean}[]} suggestions */
  show(suggestions) {
    this.rows.show(suggestions);
  }
}

function suggestionRow(id, actions) {
  return h(
    "li.finding",
    { "data-testid": `suggestion-${id}` },
    h("span.finding-mark.finding-mark-suggestion", { "aria-hidden": "true" }),
    h("button.finding-go", { type: "button", onClick: () => actions.choose(id) }),
    h("span.row.row-nowrap", {}, iconButton("check", `accept-${id}`, () => actions.accept(id)), iconButton("xmark", `reject-${id}`, () => actions.reject(id))),
  );
}

function showSuggestion(row, { label, diameter_mm, probability, isChosen }) {
  row.classList.toggle("is-chosen", isChosen);
  const [sign, go, buttons] = row.children;
  sign.textContent = label;
  go.textContent = t("annotate.suggestion", { diameter: number(diameter_mm, 1), probability: percent(probability) });
  go.setAttribute("aria-current", String(isChosen));
  name(buttons.children[0], t("annotate.accept_one", { label }));
  name(buttons.children[1], t("annotate.reject_one", { label }));
}
