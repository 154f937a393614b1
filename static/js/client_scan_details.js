/* Everything about one scan in a dialog: checks in plain words, what was removed on arrival, and the steps that matter. */

import { api, ApiError } from "./api.js";
import { annotatePath, isRead, scanPath, statePill, thumbnail, voxelWords } from "./client_scans.js";
import { showDialog } from "./dialogs.js";
import { fill, h, icon } from "./dom.js";
import { dateTime, list, number, percent, t, tn, tOr } from "./i18n.js";
import { attempt, toast } from "./toasts.js";

const CHECK_ICONS = { ok: "circle-check", warning: "triangle-exclamation", error: "circle-xmark" };
const TONES = { ok: "good", warning: "warn", error: "bad" };
const GRAVEST_FIRST = ["error", "warning", "ok"];

/**
 * @param scan of GET /api/scans
 * @param {{onChange: () => Promise<any>}} options `onChange`: something is different now
 */
export function showScan(scan, { onChange }) {
  const dialog = showDialog(
    scan.label,
    h(
      "div.stack",
      { "data-testid": "scan-details" },
      h("div.row", {}, statePill(scan), h("span.research", {}, icon("flask"), t("page.research"))),
      thumbnail(scan, "large"),
      nameForm(scan, onChange),
      checks(scan),
      facts(scan),
      removed(scan),
      h(
        "div.row.row-between",
        {},
        h("button.button.button-danger", { type: "button", "data-testid": "delete-scan", onClick: ({ currentTarget }) => askToDelete(scan, dialog, currentTarget, onChange) }, icon("trash"), t("scan.delete")),
        h("a.button.button-primary", { href: annotatePath(scan) }, icon("pen"), t("scan.annotate")),
      ),
    ),
  );
  dialog.classList.add("dialog-wide");
}

function nameForm(scan, onChange) {
  const input = h("input.input", { id: "scan-label", value: scan.label, maxlength: 120, required: true });
  const save = h("button.button", { type: "submit" }, icon("floppy-disk"), t("scan.rename"));
  const form = h("form", { class: "field", novalidate: true }, h("label", { for: "scan-label" }, t("scan.name")), h("div.row.row-nowrap", {}, input, save), h("p.field-help", {}, t("scan.name_help")));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const answer = await attempt(save, () => api.patch(scanPath(scan), { label: input.value.trim() }));
    if (answer === undefined) return;
    form.closest("dialog").querySelector("h2").textContent = answer.label;
    toast(t("scan.renamed"));
    await onChange();
  });
  return form;
}

function checks(scan) {
  const sorted = [...scan.checks].sort((a, b) => GRAVEST_FIRST.indexOf(a.level) - GRAVEST_FIRST.indexOf(b.level));
  const row = ({ level, text }) => h(`li.check-line.check-${TONES[level]}`, {}, icon(CHECK_ICONS[level]), h("span", {}, h("span.visually-hidden", {}, t(`scan.level_${level}`), " "), text));
  return h("section.stack.stack-s", {}, h("h3", {}, t("scan.checks")), sorted.length ? h("ul.check-lines", { "data-testid": "scan-checks" }, sorted.map(row)) : h("p.small.muted", {}, t("scan.checks_soon")));
}

function facts(scan) {
  const rows = [
    [t("scan.nodules"), isRead(scan) ? number(scan.nodules) : t("scan.not_read_yet")],
    [t("scan.voxel_size"), voxelWords(scan).join(" · ")],
    [t("scan.source"), tOr(`scan.source_${scan.source}`, scan.source)],
    [t("scan.file"), scan.uploaded_as && [scan.uploaded_as, h("p.small.muted", { "data-testid": "scan-file-kept" }, t(scan.source === "folder" ? "scan.file_is_id" : "scan.file_kept"))]],
    [t("scan.scanner"), [scan.manufacturer, scan.model_name].filter(Boolean).join(" ")],
    [t("scan.kernel"), scan.kernel],
    [t("scan.thickness"), scan.slice_thickness_mm && t("scan.mm", { value: number(scan.slice_thickness_mm, 2) })],
    [t("scan.study_date"), scan.study_date],
    [t("scan.lungs"), scan.lung_volume_l && t("scan.litres", { value: number(scan.lung_volume_l, 1) })],
    [t("scan.received"), scan.received && [dateTime(scan.received), scan.by].filter(Boolean).join(" · ")],
    [t("scan.uncertainty"), Number.isFinite(scan.uncertainty) && percent(scan.uncertainty)],
    [t("scan.used"), used(scan)],
    [t("scan.id"), h("code.anywhere", {}, scan.scan_id)],
  ];
  return h("dl.facts", {}, rows.filter(([, value]) => value).map(([name, value]) => [h("dt", {}, name), h("dd.anywhere", {}, value)]));
}

/** "rounds 3-7 of the training ..." with a link, for each training. */
export function used({ used: runs }) {
  if (!runs?.length) return t("scan.never_used");
  return h("ul.plain-list", { "data-testid": "scan-used" }, runs.map(({ run_id: run, rounds }) => h("li", {}, h("a", { href: `/history/${encodeURIComponent(run)}` }, t("scan.used_in", { rounds, run })))));
}

function removed(scan) {
  if (!scan.removed?.length) return null;
  return h(
    "details.disclosure",
    {},
    h("summary", {}, icon("chevron-right"), tn("scan.removed", scan.removed.length)),
    h("p.small", { "data-testid": "scan-removed" }, list(scan.removed_words)),
    h("p.small.muted", {}, t("scan.removed_help")),
  );
}

async function askToDelete(scan, details, button, onChange) {
  const told = await attempt(button, () => api.get(scanPath(scan, "/consequences")));
  if (!told) return;
  details.close();
  const input = h("input.input", { id: "delete-name", autocomplete: "off", "aria-describedby": "delete-error", "data-testid": "delete-name" });
  const wrong = h("p.field-error", { id: "delete-error", role: "alert" });
  const yes = h("button.button.button-danger", { type: "submit", disabled: true, "data-testid": "confirm-delete" }, icon("trash"), t("scan.delete"));
  const form = h(
    "form",
    { class: "stack" },
    h("ul.file-list", {}, sentences(told).map((sentence) => h("li", {}, sentence))),
    h("div.field", {}, h("label", { for: "delete-name" }, t("scan.type_name", { name: scan.label })), input, wrong),
    h("div.row.row-end", {}, h("button.button", { type: "button", "data-closes": true }, t("action.cancel")), yes),
  );
  const dialog = showDialog(t("scan.delete_title", { name: scan.label }), form);
  input.addEventListener("input", () => (yes.disabled = input.value.trim() !== scan.label));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    remove(scan, dialog, input.value.trim(), wrong, onChange);
  });
  input.focus();
}

const sentences = ({ sentences: told }) => told ?? [];

async function remove(scan, dialog, confirm, wrong, onChange) {
  try {
    await api.remove(scanPath(scan), { confirm });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    fill(wrong, error.message);
    return;
  }
  dialog.close();
  toast(t("scan.deleted", { name: scan.label }));
  await onChange();
}
