/* Bringing annotations along: a file is looked at first (nothing changes), then taken over when its report is right. */

import { api, ApiError } from "./api.js";
import { showDialog } from "./dialogs.js";
import { fill, h, icon } from "./dom.js";
import { number, percent, t, tn } from "./i18n.js";
import { attempt, toast } from "./toasts.js";

const MOST_UNKNOWN = 8; // UIDs that are listed
const FEW_IN_LUNGS = 0.8; // of the nodules; less is a sign of wrong coordinates

/**
 * @param {{nameOf: (scanId: string) => string, onChange: () => Promise<any>, file?: File}} options
 *   `file`: look at this one at once
 */
export function showImport({ nameOf, onChange, file }) {
  const report = h("div.stack", { "data-testid": "import-report", role: "status" });
  const input = h("input.input", { id: "import-file", type: "file", accept: ".csv,.xml", "data-testid": "import-file" });
  const ignored = h("input", { type: "checkbox", id: "import-ignored" });
  const dialog = showDialog(
    t("import.title"),
    h(
      "div.stack",
      {},
      h("p", {}, t("import.help")),
      h("div.field", {}, h("label", { for: "import-file" }, t("import.file")), input, h("p.field-help", {}, t("import.file_help"))),
      h("label.check", {}, ignored, h("span", {}, t("import.as_ignored"))),
      report,
    ),
  );
  dialog.classList.add("dialog-wide");
  const look = (chosen) => chosen && examine({ file: chosen, ignored: ignored.checked, report, dialog, nameOf, onChange });
  input.addEventListener("change", () => look(input.files[0]));
  ignored.addEventListener("change", () => look(input.files[0] ?? file));
  if (file) look(file);
}

const sent = (file, ignored, dryRun) => {
  const form = new FormData();
  form.append("file", file);
  form.append("dry_run", dryRun ? "1" : "0");
  if (ignored) form.append("as_ignored", "1");
  return api.post("/api/annotations/import", form);
};

async function examine(task) {
  fill(task.report, h("p.muted", {}, t("import.looking")));
  try {
    draw(task, await sent(task.file, task.ignored, true));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    fill(task.report, h("div.alert.alert-bad", {}, icon("circle-exclamation"), h("p", {}, error.message)));
  }
}

function draw(task, answer) {
  const { matched, scans, unknown_uids: unknown, in_lungs_share: inLungs, hints } = answer;
  const line = (tone, name, words) => h(`li.check-line.check-${tone}`, {}, icon(name), h("span", {}, words));
  const lines = [
    line(matched ? "good" : "bad", matched ? "circle-check" : "circle-xmark", foundWords(answer)),
    inLungs !== null && inLungs !== undefined && line(inLungs < FEW_IN_LUNGS ? "warn" : "good", inLungs < FEW_IN_LUNGS ? "triangle-exclamation" : "circle-check", t("import.in_lungs", { share: percent(inLungs) })),
    unknown.length > 0 && line("warn", "triangle-exclamation", [tn("import.unknown", unknown.length), unknownList(unknown)]),
    ...hints.map((hint) => line("warn", "triangle-exclamation", hint)),
  ];
  const take = h("button.button.button-primary", { type: "button", disabled: !scans.length, "data-testid": "import-apply" }, icon("file-import"), tn("import.apply", matched));
  take.addEventListener("click", () => apply(task, take));
  fill(
    task.report,
    h("h3", {}, t("import.report", { file: task.file.name })),
    h("ul.check-lines", {}, lines),
    scans.length > 0 && perScan(scans, task.nameOf),
    h("div.row.row-between", {}, h("p.small.muted.grow", {}, t("import.joins")), take),
  );
}

/** What the file brings: rows of a table stay rows; marks of several readers were put together, so their number says nothing. */
function foundWords(answer) {
  const { origin, rows, matched, scans } = answer;
  const places = tn("count.scans", scans.length);
  if (origin === "xml" && matched) return t("import.put_together", { found: broughtWords(answer), scans: places });
  return t("import.matched", { matched: number(matched), rows: tn("import.rows", rows), scans: places });
}

function broughtWords({ matched, scans }) {
  const nodules = scans.reduce((sum, scan) => sum + scan.nodules, 0);
  return countWords(nodules, matched - nodules);
}

/** "1 nodule and 22 findings to ignore" */
function countWords(nodules, ignored) {
  if (!nodules && ignored) return tn("count.ignored", ignored);
  const words = tn("count.nodules", nodules);
  return ignored ? t("import.both", { nodules: words, ignored: tn("count.ignored", ignored) }) : words;
}

const unknownList = (uids) => h(
  "ul.small.file-list",
  {},
  uids.slice(0, MOST_UNKNOWN).map((uid) => h("li.anywhere", {}, h("code", {}, uid))),
  uids.length > MOST_UNKNOWN && h("li", {}, tn("import.more", uids.length - MOST_UNKNOWN)),
);

function perScan(scans, nameOf) {
  return h(
    "details.disclosure",
    {},
    h("summary", {}, icon("chevron-right"), t("import.per_scan")),
    h("ul.small.file-list", {}, scans.map(({ scan_id: id, nodules }) => h("li.anywhere", {}, t("page.pair", { name: nameOf(id), value: tn("count.nodules", nodules) })))),
  );
}

async function apply(task, button) {
  const answer = await attempt(button, () => sent(task.file, task.ignored, false));
  if (!answer) return;
  task.dialog.close();
  const { nodule, ignore } = answer.added;
  if (nodule + ignore) toast(t("import.done", { nodules: countWords(nodule, ignore), scans: tn("count.scans", answer.scans.length) }));
  else toast(t("import.nothing_new"), "info");
  await task.onChange();
}
