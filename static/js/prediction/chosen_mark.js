/* The chosen mark: what can be said about it, and what can be done with it. */

import { fill, h, icon } from "../dom.js";
import { dateTime, number, percent, t } from "../i18n.js";
import { DIAMETERS_MM, heldDiameter } from "../viewer/marks.js";
import { oneDigit } from "./mark_table.js";

export const STEP_MM = 0.5; // of the keys that make a mark larger or smaller
const UPPER_LIMITS_MM = [[6, "2"], [8, "3"], [15, "4A"], [Infinity, "4B"]]; // Lung-RADS 1.1 and 2022, if solid, baseline

/** The category that a solid nodule of this size would have; diameters count with one decimal. */
export function categoryOf(diameter_mm) {
  const rounded = Number(diameter_mm.toFixed(1)); // times ten, 14.95 would become 149.5 and count as 15
  return UPPER_LIMITS_MM.find(([below]) => rounded < below)[1];
}

export class ChosenMark {
  #place;
  #actions;
  #id = null;

  /**
   * @param {HTMLElement} place
   * @param {{judge(id, status): void, change(id, change, joins?): void, here(id): void, restore(id): void, remove(id): void}} actions
   */
  constructor(place, actions) {
    this.#place = place;
    this.#actions = actions;
  }

  /** @param {any | null} row as of the table */
  show(row) {
    this.#place.hidden = !row;
    if (!row) return void (this.#id = null);
    if (row.id !== this.#id) this.#build(row);
    this.#update(row);
  }

  focusComment() {
    this.#field("comment")?.focus();
  }

  #field(name) {
    return this.#place.querySelector(`[data-field=${name}]`);
  }

  #build({ id, source }) {
    this.#id = id;
    const [least, most] = DIAMETERS_MM;
    const button = (name, words, testid, action) => h("button.button.button-small", { type: "button", "data-testid": testid, onClick: action }, icon(name), words);
    const judge = (status, name, words) => h("button.button.button-small.judge", { type: "button", "data-status": status, "data-testid": `chosen-${status}`, onClick: () => this.#actions.judge(id, status) }, icon(name), words);
    const diameter = h("input.input.number", { type: "number", id: "chosen-diameter", "data-field": "diameter", min: least, max: most, step: 0.1, inputmode: "decimal", onChange: () => this.#sizeTyped(id, diameter) });
    const comment = h("textarea.textarea.chosen-comment", { id: "chosen-comment", "data-field": "comment", maxlength: 1000, rows: 2, onInput: () => this.#actions.change(id, { comment: comment.value }, `comment ${id}`) });
    fill(
      this.#place,
      h("h3", { "data-part": "title" }),
      source === "reader" ? false : h("div.scan-tools", {}, judge("accepted", "check", t("predict.accept")), judge("rejected", "xmark", t("predict.reject"))),
      h("div.chosen-fields", {}, h("div.field", {}, h("label", { for: "chosen-diameter" }, t("predict.diameter")), h("div.with-unit", {}, diameter, h("span.with-unit-text", { "aria-hidden": "true" }, t("predict.mm")))), h("div.field.chosen-wide", {}, h("label", { for: "chosen-comment" }, t("predict.comment")), comment)),
      h(
        "div.scan-tools",
        {},
        button("crosshairs", t("predict.move_here"), "move-here", () => this.#actions.here(id)),
        source === "reader" ? button("trash", t("predict.remove"), "remove-mark", () => this.#actions.remove(id)) : button("clock-rotate-left", t("predict.restore"), "restore-mark", () => this.#actions.restore(id)),
      ),
      h("dl.facts", { "data-part": "facts" }),
    );
  }

  #sizeTyped(id, field) {
    if (field.value && field.checkValidity()) this.#actions.change(id, { diameter_mm: heldDiameter(Number(field.value)) });
    else field.reportValidity();
  }

  #update(row) {
    const part = (name) => this.#place.querySelector(`[data-part=${name}]`);
    part("title").textContent = t(row.source === "reader" ? "predict.own_mark" : "predict.model_mark", { label: row.label });
    fill(part("facts"), factsOf(row).map(([name, value, testid]) => [h("dt", {}, name), h("dd", { "data-testid": testid }, value)]));
    for (const button of this.#place.querySelectorAll(".judge")) button.setAttribute("aria-pressed", String(button.dataset.status === row.status));
    const restore = this.#place.querySelector("[data-testid=restore-mark]");
    if (restore) restore.disabled = row.isMeasured;
    put(this.#field("diameter"), oneDigit(row.diameter_mm));
    put(this.#field("comment"), row.comment);
  }
}

function factsOf(row) {
  const { candidate, isMeasured, signature } = row;
  const value = categoryOf(row.diameter_mm);
  const found = [
    [t("predict.column_confidence"), row.probability === null ? t("predict.no_confidence") : percent(row.probability), "chosen-confidence"],
    [t("predict.volume"), t(isMeasured && candidate.measured ? "predict.volume_mask" : "predict.volume_ball", { volume: number(row.volume_mm3) }), "chosen-volume"],
    [t("predict.place"), isMeasured && candidate.position.text ? candidate.position.text : t("predict.not_known"), "chosen-place"],
    [t("predict.type"), isMeasured && candidate.attenuation_text ? candidate.attenuation_text : t("predict.not_known"), "chosen-type"],
    [t("predict.category"), [h("strong", {}, t("predict.category_value", { value })), " ", h("span.small.muted", {}, t("predict.category_rule"))], "chosen-category"],
  ];
  if (isMeasured) found.unshift([t("predict.diameter"), [t("predict.diameter_value", { diameter: oneDigit(row.diameter_mm) }), h("br"), h("span.small.muted", {}, candidate.diameter_text)], "chosen-accuracy"]);
  if (signature) found.push([t("predict.last_change"), t("predict.by_when", { author: signature.author, when: dateTime(signature.time) }), "chosen-author"]);
  return found;
}

/** Put a value into a field, unless somebody is in it. */
function put(field, value) {
  if (document.activeElement !== field) field.value = value;
}
