/* What is being sent and checked, and what came of it: a row for each scan to be. */

import { api } from "../api.js";
import { fill, h, icon } from "../dom.js";
import { bytes, duration, number, percent, t, tn, tOr } from "../i18n.js";
import { attempt, toast } from "../toasts.js";

const PILLS = {
  sending: ["info", "upload"],
  waiting_line: ["warn", "wifi"],
  finishing: ["info", "hourglass-half"],
  failed: ["bad", "circle-xmark"],
  uploading: ["warn", "circle-pause"],
  waiting: ["info", "hourglass-half"],
  checking: ["info", "magnifying-glass"],
  done: ["good", "circle-check"],
  duplicate: ["warn", "copy"],
  refused: ["bad", "circle-xmark"],
};
const OUTCOMES = {
  stored: ["good", "circle-check"],
  duplicate: ["warn", "copy"],
  refused: ["bad", "circle-exclamation"],
  ignored: ["info", "circle-info"],
};
const OVER = new Set(["done", "refused", "duplicate"]);

/** @typedef {{group: string, files: any[], state: string, stage?: string, progress?: number, results?: any[]}} ServerGroup */

export class UploadRows {
  #list;
  #rows = new Map(); // id of a group -> Row
  #options;

  /**
   * @param list the <ul>
   * @param {{onOpen: (scanId: string) => void, onChange: () => void}} options `onOpen`: look at a new scan;
   *   `onChange`: rows came, went or ended
   */
  constructor(list, options) {
    this.#list = list;
    this.#options = options;
  }

  /** Whether something is on its way from this page. */
  get isSending() {
    return [...this.#rows.values()].some((row) => row.transfer?.isUnderWay);
  }

  /** Whether the server works on something, so that it is worth asking again soon. */
  get isBusy() {
    return [...this.#rows.values()].some(({ state }) => ["waiting", "checking", "finishing"].includes(state));
  }

  get isEmpty() {
    return this.#rows.size === 0;
  }

  follow(transfer) {
    this.#rowOf(transfer.id).setTransfer(transfer);
    this.#options.onChange();
  }

  /** The list of the server; groups that this page sends are told by their transfer until they are sent.
   *  @param {ServerGroup[]} groups */
  show(groups) {
    const known = new Set(groups.map(({ group }) => group));
    for (const group of groups) this.#rowOf(group.group).setGroup(group);
    for (const [id, row] of this.#rows) if (!known.has(id) && !row.transfer) this.#forget(id);
    this.#options.onChange();
  }

  #rowOf(id) {
    if (!this.#rows.has(id)) {
      const row = new Row(id, { onOpen: this.#options.onOpen, onGone: () => this.#forget(id) });
      this.#rows.set(id, row);
      this.#list.prepend(row.element);
    }
    return this.#rows.get(id);
  }

  #forget(id) {
    this.#rows.get(id)?.element.remove();
    this.#rows.delete(id);
    this.#options.onChange();
  }
}

class Row {
  transfer = null;
  #group = null;
  #told = "";
  #state = "";
  #options;

  constructor(id, options) {
    this.id = id;
    this.#options = options;
    this.name = h("span.strong.anywhere");
    this.pill = h("span");
    this.bar = h("div.bar-fill");
    this.track = h("div.bar", { role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 }, this.bar);
    this.words = h("p.small.muted.number");
    this.results = h("div.stack.stack-s");
    this.buttons = h("div.row");
    this.element = h(
      "li.upload-row",
      { "data-testid": "upload-row" },
      h("div.row.row-between", {}, h("div.row.grow", {}, this.name, this.pill), this.buttons),
      this.track,
      this.words,
      this.results,
    );
  }

  get state() {
    const { transfer } = this;
    if (transfer && transfer.state !== "sent" && !OVER.has(this.#group?.state)) return transfer.state === "waiting" ? "waiting_line" : transfer.state;
    return this.#group?.state ?? "finishing";
  }

  setTransfer(transfer) {
    this.transfer = transfer;
    this.draw();
  }

  setGroup(group) {
    this.#group = group;
    this.draw();
  }

  draw() {
    const { state } = this;
    if (state === "cancelled") {
      this.#options.onGone();
      return;
    }
    this.element.dataset.state = state;
    this.name.textContent = this.#title();
    this.#drawProgress(state);
    this.words.textContent = this.#sentence(state);
    this.words.hidden = !this.words.textContent;
    if (state !== this.#state) this.#drawState(state);
    this.#drawResults();
  }

  #title() {
    if (this.transfer) return this.transfer.name;
    const names = this.#group.files.map(({ name }) => name);
    const header = names.find((name) => /\.mhd$/i.test(name));
    return (header ?? names[0]).split("/").at(names.length > 2 ? -2 : -1) ?? names[0]; // of many: their folder
  }

  #share(state) {
    if (this.transfer?.isUnderWay || state === "failed") return this.transfer.bytes ? this.transfer.sent / this.transfer.bytes : 0;
    return this.#group?.progress ?? 0;
  }

  #drawProgress(state) {
    this.track.hidden = OVER.has(state) || state === "waiting" || state === "uploading"; // of which how much is to come is not known here
    const share = Math.min(1, Math.max(0, this.#share(state) || 0));
    this.bar.style.width = `${100 * share}%`;
    this.bar.classList.toggle("is-warn", state === "waiting_line");
    this.bar.classList.toggle("is-bad", state === "failed");
    this.track.setAttribute("aria-valuenow", String(Math.round(100 * share)));
    this.track.setAttribute("aria-label", t("page.pair", { name: t("upload.progress"), value: this.name.textContent }));
  }

  #sentence(state) {
    const { transfer } = this;
    if (state === "sending") return progressWords(transfer);
    if (state === "waiting_line") return t("upload.line_lost", { share: percent(transfer.sent / transfer.bytes) });
    if (state === "failed") return transfer.error;
    if (state === "finishing") return t("upload.is_finishing");
    if (state === "uploading") return t("upload.interrupted", { size: bytes(received(this.#group)) });
    if (state === "waiting") return t("upload.is_waiting");
    if (state === "checking") return tOr(`upload.stage_${this.#group.stage}`, t("upload.is_checking"));
    return "";
  }

  #drawState(state) {
    this.#state = state;
    const [tone, name] = PILLS[state];
    const pill = h(`span.pill.pill-${tone}`, {}, icon(name), t(`upload.state_${state}`));
    this.pill.replaceWith(pill);
    this.pill = pill;
    const hadFocus = this.buttons.contains(document.activeElement);
    fill(this.buttons, this.#buttonsOf(state));
    if (hadFocus) (this.buttons.querySelector("button") ?? this.results.querySelector("button"))?.focus();
  }

  #buttonsOf(state) {
    const button = (words, name, run, testid) => h(`button.button.button-small${OVER.has(state) ? ".button-quiet" : ""}`, { type: "button", "data-testid": testid, "aria-label": t("page.pair", { name: words, value: this.name.textContent }), onClick: run }, icon(name), words);
    if (state === "sending" || state === "waiting_line") return button(t("action.cancel"), "xmark", () => this.transfer.cancel(), "cancel-upload");
    if (state === "failed") return [button(t("upload.again"), "rotate-right", () => this.transfer.start(), "retry-upload"), button(t("upload.discard"), "trash", () => this.transfer.cancel(), "discard-upload")];
    if (state === "uploading") return button(t("upload.discard"), "trash", ({ currentTarget }) => this.#discard(currentTarget), "discard-upload");
    if (OVER.has(state)) return button(t("upload.dismiss"), "xmark", ({ currentTarget }) => this.#discard(currentTarget), "dismiss-upload");
    return null;
  }

  async #discard(button) {
    const ids = this.#group.files.map(({ id }) => id);
    const done = await attempt(button, async () => {
      // One file stands for a group that has ended; one under way goes with its last file.
      for (const id of OVER.has(this.state) ? ids.slice(0, 1) : ids) await api.remove(`/api/uploads/${encodeURIComponent(id)}`);
      return true;
    });
    if (done) this.#options.onGone();
  }

  /** What became of the files: a line for each scan, told aloud once. */
  #drawResults() {
    const results = OVER.has(this.state) ? (this.#group.results ?? []) : [];
    const key = JSON.stringify(results);
    if (key === this.#told) return;
    const isNews = this.transfer !== null && results.length > 0;
    this.#told = key;
    fill(this.results, results.map((result) => this.#result(result)));
    if (!isNews) return;
    const tone = { done: "good", refused: "bad", duplicate: "warn" }[this.state];
    toast(t("page.pair", { name: this.name.textContent, value: t(`upload.state_${this.state}`) }), tone);
  }

  #result({ scan_id: scanId, outcome, sentence }) {
    const look = scanId && h("button.button.button-small", { type: "button", "data-testid": "open-result", onClick: () => this.#options.onOpen(scanId) }, icon("eye"), t("upload.look"));
    const [tone, name] = OUTCOMES[outcome] ?? OUTCOMES.refused;
    return h(`div.check-line.result-line.check-${tone}`, {}, icon(name), h("p.grow", {}, sentence || t("upload.is_there")), look);
  }
}

const received = (group) => group.files.reduce((sum, file) => sum + file.received_bytes, 0);

/** "12 of 34 MB · 5.1 MB/s · 4 sec left" */
function progressWords(transfer) {
  const { sent, bytes: all, bytesPerSecond, secondsLeft, files } = transfer;
  const words = [t("upload.sent_of", { sent: bytes(sent), all: bytes(all), share: percent(all ? sent / all : 1) })];
  if (files > 2) words.push(tn("count.files", files));
  if (bytesPerSecond) words.push(t("upload.per_second", { speed: bytes(bytesPerSecond) }));
  if (secondsLeft !== null && Number.isFinite(secondsLeft)) words.push(t("upload.left", { time: duration(secondsLeft) }));
  return words.join(" · ");
}
