/* The row above the planes: window, tools, what is shown; and the lines below with positions. */

import { showDialog } from "../dialogs.js";
import { fill, h, icon } from "../dom.js";
import { number, t } from "../i18n.js";
import { areLettersOn, setLetters } from "./keys.js";
import { PRESET_NAMES, presetOf } from "./windowing.js";

const TOOLS = [["browse", "arrows-up-down-left-right"], ["add", "circle-plus"], ["ruler", "ruler"]];
const KEYS = ["slices", "jump", "ends", "shift", "marks", "windows", "zoom", "overlay", "crosshair", "ruler", "enter", "escape"];
const KEYS_OF_EDITORS = new Set(["enter"]);

export class Toolbar {
  /**
   * @param {{isEditable: boolean, setWindow: Function, setTool: Function, setOverlay: Function, setCrosshair: Function, fit: Function}} actions
   */
  constructor(actions) {
    this.actions = actions;
    const group = (label, ...buttons) => h("div.viewer-tools", { role: "group", "aria-label": label }, buttons);
    this.presets = PRESET_NAMES.map((name, place) => toggle(t(`viewer.${name}`), `window-${name}`, () => actions.setWindow(name), { name, title: t("viewer.with_key", { what: t(`viewer.${name}`), key: place + 1 }) }));
    this.tools = TOOLS.filter(([name]) => name !== "add" || actions.isEditable).map(([name, sign]) => toggle([icon(sign), t(`viewer.${name}`)], `tool-${name}`, () => actions.setTool(name), { name }));
    this.overlay = toggle([icon("eye"), t("viewer.overlay")], "toggle-overlay", () => actions.setOverlay(!isPressed(this.overlay)), { title: t("viewer.with_key", { what: t("viewer.overlay"), key: "O" }) });
    this.crosshair = toggle([icon("crosshairs"), t("viewer.crosshair")], "toggle-crosshair", () => actions.setCrosshair(!isPressed(this.crosshair)), { title: t("viewer.with_key", { what: t("viewer.crosshair"), key: "X" }) });
    this.window = h("span.viewer-window.number", { "data-testid": "window-values" });
    this.element = h(
      "div.viewer-bar",
      {},
      group(t("viewer.window"), this.presets, this.window),
      group(t("viewer.tools"), this.tools),
      group(t("viewer.shown"), this.overlay, this.crosshair, plain([icon("maximize"), t("viewer.fit")], "fit", actions.fit), plain([icon("keyboard"), t("viewer.keys")], "viewer-keys", () => showKeys(actions.isEditable))),
    );
    this.position = h("span.number", { "data-testid": "position" });
    this.pointer = h("span.number", { "data-testid": "pointer-position" });
    this.hint = h("span.viewer-hint");
    this.status = h("div.viewer-status.small.muted", {}, h("span", {}, t("viewer.at"), " ", this.position), h("span", {}, t("viewer.under_pointer"), " ", this.pointer), this.hint);
  }

  showWindow(window) {
    const chosen = presetOf(window);
    for (const button of this.presets) press(button, button.dataset.name === chosen);
    this.window.textContent = t("viewer.window_values", { width: number(window.width), level: number(window.level) });
  }

  showTool(tool) {
    for (const button of this.tools) press(button, button.dataset.name === tool);
    this.hint.textContent = tool === "browse" ? "" : t(`viewer.hint_${tool}`);
  }

  showOverlay(isShown) {
    press(this.overlay, isShown);
  }

  showCrosshair(isShown) {
    press(this.crosshair, isShown);
  }

  showPosition(place, hu) {
    this.position.textContent = placeWords(place, hu);
  }

  showPointer(place, hu) {
    this.pointer.textContent = place ? placeWords(place, hu) : "–";
  }
}

function placeWords([x, y, z], hu) {
  const [east, back, up] = [x, y, z].map((value) => number(value, 1));
  return hu === null ? t("viewer.place", { x: east, y: back, z: up }) : t("viewer.place_hu", { x: east, y: back, z: up, hu: number(hu) });
}

const isPressed = (button) => button.getAttribute("aria-pressed") === "true";

function press(button, isOn) {
  button.setAttribute("aria-pressed", String(isOn));
}

function toggle(content, testid, action, { name, title } = {}) {
  return h("button.button.button-small.viewer-toggle", { type: "button", "aria-pressed": "false", "data-testid": testid, "data-name": name, title, onClick: action }, content);
}

function plain(content, testid, action) {
  return h("button.button.button-small.button-quiet", { type: "button", "data-testid": testid, onClick: action }, content);
}

function showKeys(isEditable) {
  const lines = KEYS.filter((name) => isEditable || !KEYS_OF_EDITORS.has(name)).map((name) => [h("dt", {}, t(`viewer.key_${name}`)), h("dd", {}, t(`viewer.does_${name}`))]);
  const box = h("input", { type: "checkbox", onChange: ({ target }) => setLetters(target.checked) });
  box.checked = areLettersOn();
  const extra = document.querySelector("template[data-viewer-keys]");
  showDialog(t("viewer.keys"), h("dl.facts", {}, lines, extra?.content.cloneNode(true)), h("label.check.viewer-letters", {}, box, h("span", {}, t("viewer.letters"))));
}

/** What is said while voxels come, and when they do not. */
export class Progress {
  constructor() {
    this.bar = h("div.bar-fill");
    this.words = h("span.small", { role: "status" });
    this.element = h("div.viewer-progress", { hidden: true }, h("div.bar", { role: "progressbar", "aria-label": t("viewer.loading"), "aria-valuemin": 0, "aria-valuemax": 100 }, this.bar), this.words);
  }

  show(share) {
    const percent = Math.round(share * 100);
    this.element.hidden = share >= 1;
    this.bar.style.width = `${percent}%`;
    this.bar.parentElement.setAttribute("aria-valuenow", String(percent));
    fill(this.words, share < 1 ? t("viewer.loading") : "");
  }

  fail(reason, again) {
    this.element.hidden = false;
    const button = h("button.button.button-small", { type: "button", "data-testid": "load-again", onClick: again }, t("viewer.again"));
    fill(this.words, h("div.alert.alert-bad", { role: "alert" }, icon("circle-exclamation"), h("p", {}, reason), button));
  }
}
