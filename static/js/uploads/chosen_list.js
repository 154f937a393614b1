/* What was chosen, before it is sent: which files become one scan, what is missing, and what is left out. */

import { fill, h, icon } from "../dom.js";
import { bytes, t, tn } from "../i18n.js";
import { grouped, sizeOf } from "./recognize.js";

const ICONS = { metaimage: "x-ray", nifti: "x-ray", dicom: "layer-group", zip: "file-zipper" };
const MOST_FILES = 12; // of a group whose names are listed

export class ChosenList {
  #place;
  #notes;
  #onSend;
  #onAnnotations;
  #entries = [];

  /**
   * @param place element to draw in
   * @param {{notes: any, onSend: (groups: any[]) => void, onAnnotations: (file: File) => void}} options
   */
  constructor(place, { notes, onSend, onAnnotations }) {
    this.#place = place;
    this.#notes = notes;
    this.#onSend = onSend;
    this.#onAnnotations = onAnnotations;
  }

  /** More files; what was chosen before stays, so that a missing one can be brought later. */
  add(entries) {
    const key = ({ path, file }) => JSON.stringify([path, file.size, file.lastModified]);
    const known = new Set(this.#entries.map(key));
    this.#entries.push(...entries.filter((entry) => !known.has(key(entry))));
    this.draw();
    this.#place.querySelector("h3")?.focus();
  }

  draw() {
    const { groups, left } = grouped(this.#entries);
    this.#place.hidden = !this.#entries.length;
    if (!this.#entries.length) return;
    const good = groups.filter(({ problem }) => !problem);
    fill(
      this.#place,
      h("h3", { tabindex: -1 }, tn("upload.found", groups.length)),
      groups.length > 0 && h("ul.plain-list", { "data-testid": "upload-groups" }, groups.map((group) => this.#row(group))),
      left.length > 0 && this.#leftOut(left),
      this.#foot(good),
    );
  }

  #row(group) {
    const resumed = this.#notes.find(group.entries[0]);
    const kind = t(`upload.kind_${group.kind}`);
    return h(
      "li.chosen-row",
      { "data-kind": group.kind, "data-testid": "upload-group" },
      h("span.row-icon", {}, icon(ICONS[group.kind])),
      h(
        "div.grow",
        {},
        h("div.strong.anywhere", {}, group.name),
        h("div.small.muted", {}, [kind, tn("count.files", group.entries.length), bytes(sizeOf(group))].join(" · ")),
        group.problem
          ? h("p.field-error", {}, icon("circle-exclamation"), t(group.problem.key, group.problem.values))
          : h("details.disclosure", {}, h("summary", {}, icon("chevron-right"), t("upload.files")), fileList(group.entries)),
        resumed && !group.problem && h("p.small", {}, icon("rotate-right"), " ", t("upload.goes_on")),
      ),
      h(
        "button.button.button-quiet.button-icon.button-small",
        { type: "button", "aria-label": t("page.pair", { name: t("upload.leave_out"), value: group.name }), onClick: () => this.#remove(group) },
        icon("xmark"),
      ),
    );
  }

  #leftOut(left) {
    const annotations = left.filter(({ key }) => key === "annotations");
    const others = left.filter(({ key }) => key !== "annotations");
    return [
      annotations.map(({ entry }) => h(
        "div.alert.alert-info",
        {},
        icon("circle-info"),
        h("p.grow", {}, t("upload.is_annotations", { file: entry.path })),
        h("button.button.button-small", { type: "button", onClick: () => this.#onAnnotations(entry.file) }, t("upload.import")),
      )),
      others.length > 0 && h(
        "details.disclosure",
        { open: others.some(({ key }) => key === "upload.left_raw") },
        h("summary", {}, icon("chevron-right"), tn("upload.left_out", others.length)),
        h("ul.small.file-list", {}, others.slice(0, MOST_FILES).map(({ entry, key }) => h("li", {}, h("span.anywhere", {}, entry.path), ": ", t(key))), others.length > MOST_FILES && h("li", {}, tn("upload.more_files", others.length - MOST_FILES))),
      ),
    ];
  }

  #foot(good) {
    const size = good.reduce((sum, group) => sum + sizeOf(group), 0);
    return h(
      "div.row.row-between",
      {},
      h("span.small.muted", {}, good.length ? t("upload.summary", { scans: tn("upload.items", good.length), size: bytes(size) }) : t("upload.nothing")),
      h(
        "div.row",
        {},
        h("button.button", { type: "button", onClick: () => this.#clear() }, t("upload.clear")),
        h(
          "button.button.button-primary",
          { type: "button", disabled: !good.length, "data-testid": "send-uploads", onClick: () => this.#send(good) },
          icon("upload"),
          t("upload.send"),
        ),
      ),
    );
  }

  #send(good) {
    const sent = new Set(good.flatMap(({ entries }) => entries));
    this.#entries = this.#entries.filter((entry) => !sent.has(entry) && grouped(this.#entries).groups.some((group) => group.problem && group.entries.includes(entry)));
    this.draw();
    this.#onSend(good);
  }

  #remove(group) {
    this.#entries = this.#entries.filter((entry) => !group.entries.includes(entry));
    this.draw();
    this.#place.querySelector("h3")?.focus();
  }

  #clear() {
    this.#entries = [];
    this.draw();
  }
}

function fileList(entries) {
  const shown = entries.slice(0, MOST_FILES);
  const more = entries.length - shown.length;
  return h("ul.small.file-list", {}, shown.map(({ path, file }) => h("li", {}, h("span.anywhere", {}, path), " ", h("span.muted.nowrap", {}, bytes(file.size)))), more > 0 && h("li", {}, tn("upload.more_files", more)));
}
