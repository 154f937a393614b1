/* The form for a new run: fields explained in the page, checked here for quick answers and by the server for good. */

import { api, ApiError } from "./api.js";
import { fill, h } from "./dom.js";
import { showFieldError } from "./form_errors.js";
import { number, t, tn, tOr } from "./i18n.js";

const SOON_MS = 250;
const WHOLE = ["rounds", "local_epochs", "seed", "quorum", "validate_every"];

export class RunForm {
  #form;
  #hospitals = [];
  #strategies = [];
  #onStarted;

  /** @param form the <form>; @param onStarted called with the answer of POST /api/runs */
  constructor(form, onStarted) {
    this.#form = form;
    this.#onStarted = onStarted;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    form.addEventListener("input", ({ target }) => {
      this.#summarise();
      if (target.name && target.validity.valid) showFieldError(this.#form, target.name, "");
    });
    form.addEventListener("change", (event) => this.#changed(event));
    form.elements.strategy.addEventListener("change", () => this.#drawOptions());
  }

  setStrategies(strategies) {
    this.#strategies = strategies;
    const select = this.#form.elements.strategy;
    fill(select, strategies.map(({ name, label }) => h("option", { value: name }, label ?? tOr(`strategy.${name}`, name))));
    this.#drawOptions();
  }

  /** Defaults and limits as the server has them, in the units of the form. */
  setDefaults(defaults = {}, limits = {}) {
    for (const input of this.#form.querySelectorAll("[data-field]")) {
      const { min, max } = limits[input.name] ?? {};
      if (min !== undefined) input.min = shown(min, input);
      if (max !== undefined) input.max = shown(max, input);
      if (input.name in defaults) input.value = shown(defaults[input.name], input);
    }
    this.#summarise();
  }

  /** Tick boxes for those that can take part; what was chosen stays chosen. */
  setHospitals(hospitals) {
    const key = JSON.stringify(hospitals.map(({ id, name, ready, online, scans }) => [id, name, ready, online, scans]));
    if (key === this.#form.dataset.hospitals) return;
    this.#form.dataset.hospitals = key;
    const unticked = new Set(this.#boxes().filter((box) => !box.checked && !box.disabled).map((box) => box.value));
    this.#hospitals = hospitals;
    const place = this.#form.querySelector("[data-participants]");
    fill(place, hospitals.length ? hospitals.map((hospital) => this.#box(hospital, unticked)) : h("p.small.muted", {}, t("form.no_hospitals")));
    this.#form.querySelector("[type=submit]").disabled = !hospitals.some(canTrain);
    this.#summarise();
  }

  #box(hospital, unticked) {
    const able = canTrain(hospital);
    const checked = able && !unticked.has(hospital.id);
    const note = able ? tn("count.scans", hospital.scans) : t("form.cannot_train");
    const input = h("input", { type: "checkbox", name: "hospitals", value: hospital.id, checked, disabled: !able });
    return h(`label.check.check-card${checked ? ".is-checked" : ""}${able ? "" : ".is-disabled"}`, {}, input, h("span", {}, h("span.strong", {}, hospital.name), h("br"), h("span.small.muted", {}, note)));
  }

  #boxes() {
    return [...this.#form.querySelectorAll("input[name=hospitals]")];
  }

  #changed({ target }) {
    if (target.name === "hospitals") {
      target.closest(".check-card").classList.toggle("is-checked", target.checked);
      showFieldError(this.#form, "hospitals", "");
    } else if (target.name && !target.validity.valid) {
      // Later than the click that may have ended the typing: a line that appears must not move the button away from it.
      setTimeout(() => showFieldError(this.#form, target.name, target.validity.valid ? "" : problemOf(target)), SOON_MS);
    }
  }

  #drawOptions() {
    const strategy = this.#strategies.find(({ name }) => name === this.#form.elements.strategy.value);
    const help = this.#form.querySelector("[data-strategy-help]");
    help.textContent = strategy?.help ?? "";
    fill(this.#form.querySelector("[data-strategy-options]"), (strategy?.fields ?? []).map(optionField));
  }

  #summarise() {
    const chosen = this.#boxes().filter((box) => box.checked).map((box) => box.value);
    const scans = this.#hospitals.filter(({ id }) => chosen.includes(id)).reduce((sum, one) => sum + one.scans, 0);
    const { rounds } = this.#form.elements;
    const words = [tn("count.hospitals", chosen.length), tn("count.scans", scans), ...(rounds.validity.valid ? [tn("count.rounds", Number(rounds.value))] : [])];
    this.#form.querySelector("[data-summary]").textContent = words.join(" · ");
  }

  /** What the API is asked for. Empty optional fields are left out, so that the server's defaults hold. */
  #request() {
    const { elements } = this.#form;
    const boxes = this.#boxes().filter((box) => !box.disabled);
    const chosen = boxes.filter((box) => box.checked).map((box) => box.value);
    const request = { hospitals: chosen.length === this.#boxes().length ? null : chosen, strategy: elements.strategy.value };
    for (const input of this.#form.querySelectorAll("[data-field]")) {
      if (input.value === "") continue;
      const isNumber = input.type === "number";
      request[input.name] = isNumber ? plain(Number(input.value) * timesOf(input)) : input.value;
    }
    const options = [...this.#form.querySelectorAll("[data-option]")].filter((input) => input.value !== "");
    if (options.length) request.strategy_options = Object.fromEntries(options.map((input) => [input.name.replace("option.", ""), Number(input.value)]));
    for (const name of WHOLE) if (name in request) request[name] = Math.round(request[name]);
    return request;
  }

  #valid() {
    this.#clearErrors();
    const wrong = [...this.#form.querySelectorAll("input, select")].filter((input) => !input.disabled && !input.validity.valid);
    for (const input of wrong) showFieldError(this.#form, input.name, problemOf(input));
    const someone = this.#boxes().some((box) => box.checked);
    if (!someone) showFieldError(this.#form, "hospitals", t("form.choose_hospital"));
    (wrong[0] ?? (someone ? null : this.#boxes()[0]))?.focus();
    return !wrong.length && someone;
  }

  async #submit() {
    const button = this.#form.querySelector("[type=submit]");
    if (button.getAttribute("aria-busy") === "true" || !this.#valid()) return;
    button.setAttribute("aria-busy", "true");
    button.disabled = true;
    try {
      this.#onStarted(await api.post("/api/runs", this.#request()));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#showServerErrors(error);
    } finally {
      button.removeAttribute("aria-busy");
      button.disabled = false;
    }
  }

  #showServerErrors(error) {
    const unknown = [];
    for (const [path, text] of Object.entries(error.fields)) {
      const name = path.startsWith("strategy_options.") ? path.replace("strategy_options.", "option.") : path.split(".")[0];
      if (!showFieldError(this.#form, name, text)) unknown.push(`${path}: ${text}`);
    }
    const known = Object.keys(error.fields).length > unknown.length;
    showFieldError(this.#form, "form", unknown.length ? unknown.join("; ") : known ? t("form.look_at_fields") : error.message);
    this.#form.querySelector(".has-error .input, .has-error input, .has-error .select")?.focus();
  }

  #clearErrors() {
    for (const place of this.#form.querySelectorAll("[data-error]")) showFieldError(this.#form, place.dataset.error, "");
  }
}

const canTrain = (hospital) => hospital.online !== false && hospital.ready !== false && hospital.scans > 0;

/** A field may show minutes or per cent where the server has seconds or shares: `data-times` is the factor. */
const timesOf = (input) => Number(input.dataset.times ?? 1);
const shown = (value, input) => (typeof value === "number" ? String(plain(value / timesOf(input))) : (value ?? ""));
const plain = (value) => Number(value.toPrecision(12)); // 0.2 / 0.01 is not quite 20

/** The end of a range with all the digits that it has: 0.000001 must not read as 0, which is outside. */
const border = (text) => number(Number(Number(text).toPrecision(Math.abs(Number(text)) < 1 ? 3 : 12)), 12);

function problemOf(input) {
  const { validity, min, max } = input;
  if (validity.valueMissing) return t("form.missing");
  if (validity.rangeUnderflow || validity.rangeOverflow) {
    return min !== "" && max !== "" ? t("form.between", { min: border(min), max: border(max) }) : t("form.at_least", { min: border(min) });
  }
  if (validity.stepMismatch) return t("form.whole");
  return t("form.not_a_number");
}

function optionField({ name, label, help, default: value, min, max, step }) {
  const id = `option-${name}`;
  const input = h("input.input", {
    id, name: `option.${name}`, type: "number", step: step ?? "any", min, max, value, "data-option": true, "aria-describedby": `${id}-help ${id}-error`,
  });
  return h(
    "div.field",
    {},
    h("label", { for: id }, label ?? tOr(`option.${name}`, name)),
    input,
    h("p.field-help", { id: `${id}-help` }, help ?? ""),
    h("p.field-error", { id: `${id}-error`, "data-error": `option.${name}`, role: "alert" }),
  );
}
