/* The scans of the own hospital as a table: what state each is in, and what can be done with it. */

import { api } from "./api.js";
import { byId, fill, h, icon } from "./dom.js";
import { ago, dateTime, number, percent, t, tn } from "./i18n.js";
import { applyFilter, makeFilter, makeSortable, sortRows } from "./tables.js";
import { attempt, toast } from "./toasts.js";

const STATES = {
  received: ["info", "inbox"],
  checked: ["warn", "pen"],
  annotated: ["accent", "clipboard-list"],
  ready: ["good", "circle-check"],
  refused: ["bad", "circle-xmark"],
};

export const scanPath = (scan, action = "") => `/api/scans/${encodeURIComponent(scan.scan_id)}${action}`;
export const annotatePath = (scan) => `/client/scans/${encodeURIComponent(scan.scan_id)}`;

export function statePill({ state }) {
  const [tone, name] = STATES[state] ?? ["", "circle"];
  return h(`span.pill${tone ? `.pill-${tone}` : ""}`, { "data-state": state, title: t(`scan.about_${state}`) }, icon(name), t(`scan.state_${state}`));
}

/** How the checks went, in a pill. */
export function checksPill({ checks }) {
  if (!checks.length) return h("span.pill", {}, icon("hourglass-half"), t("scan.checks_to_come"));
  const count = (level) => checks.filter((check) => check.level === level).length;
  if (count("error")) return h("span.pill.pill-bad", {}, icon("circle-xmark"), tn("scan.errors", count("error")));
  if (count("warning")) return h("span.pill.pill-warn", {}, icon("triangle-exclamation"), tn("scan.warnings", count("warning")));
  return h("span.pill.pill-good", {}, icon("check"), t("scan.checks_fine"));
}

/** "1.25 × 0.7 mm" and "241 slices" */
export const voxelWords = ({ spacing_zyx_mm: mm, shape_zyx: shape }) =>
  mm && shape ? [t("scan.voxels", { slice: number(mm[0], 2), pixel: number(mm[2], 2) }), tn("scan.slices", shape[0])] : [];

function voxelCell(scan) {
  const [size, slices] = voxelWords(scan);
  return size ? [size, h("div.small.muted", {}, slices)] : "–";
}

/** Whether the hospital has said all there is to say about this scan. */
export const isRead = (scan) => scan.is_read || scan.nodules > 0;
const canBeReady = (scan) => isRead(scan) && !["received", "refused"].includes(scan.state);

export class ScanTable {
  #table = byId("scans-table");
  #scans = [];
  #onOpen;
  #onChange;

  /** @param {{onOpen: (scan: any) => void, onChange: () => Promise<any>}} options */
  constructor({ onOpen, onChange }) {
    this.#onOpen = onOpen;
    this.#onChange = onChange;
    makeSortable(this.#table);
    makeFilter(byId("scans-search"));
    const button = byId("all-ready");
    button.addEventListener("click", () => this.#makeAllReady(button));
  }

  show(scans) {
    const focused = document.activeElement?.closest?.("#scans-table tr")?.dataset.scan;
    const control = document.activeElement?.dataset?.control;
    this.#scans = scans;
    fill(this.#table.tBodies[0], scans.map((scan) => this.#row(scan)));
    sortRows(this.#table);
    applyFilter(byId("scans-search"));
    const waiting = scans.filter((scan) => !scan.is_ready && canBeReady(scan));
    byId("all-ready").hidden = waiting.length < 2;
    byId("all-ready").querySelector("[data-words]").textContent = tn("scan.make_ready", waiting.length);
    const row = [...this.#table.tBodies[0].rows].find((one) => one.dataset.scan === focused);
    row?.querySelector(`[data-control="${control}"]`)?.focus();
  }

  #row(scan) {
    return h(
      "tr",
      { "data-scan": scan.scan_id, "data-testid": "scan-row" },
      h("th", { scope: "row", "data-value": scan.label }, h("div.scan-name", {}, thumbnail(scan), h("button.link-button.anywhere", { type: "button", "data-control": "open", "data-testid": "open-scan", onClick: () => this.#onOpen(scan) }, scan.label))),
      h("td", { "data-value": t(`scan.state_${scan.state}`) }, statePill(scan)),
      h("td.is-number", { "data-name": t("scan.nodules"), "data-value": isRead(scan) ? scan.nodules : "", "data-testid": "scan-nodules" }, isRead(scan) ? number(scan.nodules) : "–"),
      h("td", { "data-value": scan.checks.filter(({ level }) => level !== "ok").length }, checksPill(scan)),
      h("td.nowrap.number", { "data-name": t("scan.voxel_size"), "data-value": scan.spacing_zyx_mm?.[0] ?? "" }, voxelCell(scan)),
      h("td.is-number", { "data-name": t("scan.unsure"), "data-value": scan.uncertainty ?? "" }, Number.isFinite(scan.uncertainty) ? percent(scan.uncertainty) : "–"),
      h("td.scan-received", { "data-name": t("scan.received"), "data-value": scan.received ?? "" }, scan.received ? h("time", { datetime: scan.received, title: dateTime(scan.received) }, ago(scan.received)) : "–"),
      h("td", { "data-name": t("scan.for_training"), "data-value": scan.is_ready ? 1 : 0 }, this.#readySwitch(scan)),
      h("td.is-tight", {}, h("a.button.button-small", { href: annotatePath(scan), "data-control": "annotate", "data-testid": "annotate-scan", "aria-label": t("page.pair", { name: t("scan.annotate"), value: scan.label }) }, icon("pen"), t("scan.annotate"))),
    );
  }

  #readySwitch(scan) {
    const box = h("input", {
      type: "checkbox", checked: scan.is_ready, disabled: !scan.is_ready && !canBeReady(scan), "data-control": "ready", "data-testid": "scan-ready",
      "aria-label": t("page.pair", { name: t("scan.for_training"), value: scan.label }), title: canBeReady(scan) ? null : t("scan.not_ready_why"),
    });
    box.addEventListener("change", () => this.#setReady(scan, box));
    return h("span.check", {}, box);
  }

  async #setReady(scan, box) {
    const done = await attempt(box, () => api.patch(scanPath(scan), { is_ready: box.checked }));
    if (done === undefined) box.checked = scan.is_ready;
    else await this.#onChange();
  }

  async #makeAllReady(button) {
    const waiting = this.#scans.filter((scan) => !scan.is_ready && canBeReady(scan));
    const done = await attempt(button, async () => {
      for (const scan of waiting) await api.patch(scanPath(scan), { is_ready: true });
      return waiting.length;
    });
    await this.#onChange();
    if (done) toast(tn("scan.made_ready", done));
  }
}

/** A picture of the scan; where there is none yet, a place of the same size. */
export function thumbnail(scan, size = "small") {
  if (!scan.thumbnail) return h(`span.thumbnail.thumbnail-${size}`, {}, icon("x-ray"));
  return h(`img.thumbnail.thumbnail-${size}`, { src: scan.thumbnail, alt: size === "small" ? "" : t("scan.picture", { name: scan.label }), loading: "lazy" });
}
