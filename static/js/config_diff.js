/* The settings of runs side by side. */

import { h } from "./dom.js";
import { duration, number, percent, t, tOr } from "./i18n.js";
import { hospitalName, strategyName } from "./words.js";

const ORDER = [
  "hospitals", "rounds", "local_epochs", "strategy", "strategy_options", "learning_rate", "schedule", "seed", "deadline_seconds", "quorum", "fraction",
  "held_out_share", "validate_every",
];

/** Names of settings, the known ones in the order of the form. */
function inOrder(names) {
  const place = (name) => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);
  return [...new Set(names)].sort((a, b) => place(a) - place(b));
}

const FORMATS = {
  strategy: strategyName,
  schedule: (value) => tOr(`schedule.${value}`, value),
  deadline_seconds: duration,
  fraction: percent,
  held_out_share: percent,
  hospitals: (value) => (value ? value.map(hospitalName).join(", ") : t("config.all_hospitals")),
  quorum: (value) => (value === null ? t("config.half") : number(value)),
  strategy_options: (value) => Object.entries(value).map(([name, one]) => `${tOr(`option.${name}`, name)} ${one}`).join(", ") || "–",
};

export function configValue(name, value) {
  if (value === undefined) return "–";
  if (FORMATS[name]) return FORMATS[name](value);
  if (value === null || value === "") return "–";
  return typeof value === "number" ? number(value, 6) : String(typeof value === "object" ? JSON.stringify(value) : value);
}

/** Facts of one run's settings. */
export function configFacts(config) {
  return h("dl.facts", {}, inOrder(Object.keys(config)).map((name) => [h("dt", {}, tOr(`config.${name}`, name)), h("dd", {}, configValue(name, config[name]))]));
}

/** A table of settings, one column per run; rows that differ are marked, the others can be left out. */
export function configTable(runs, { onlyDifferent = false } = {}) {
  const names = inOrder(runs.flatMap((run) => Object.keys(run.config ?? {})));
  const rows = names.map((name) => ({ name, values: runs.map((run) => run.config?.[name]) }));
  const differs = ({ values }) => values.some((value) => JSON.stringify(value) !== JSON.stringify(values[0]));
  const shown = rows.filter((row) => !onlyDifferent || differs(row));
  const body = shown.map((row) => h(
    `tr${differs(row) ? ".is-different" : ""}`,
    {},
    h("th", { scope: "row" }, tOr(`config.${row.name}`, row.name), differs(row) && h("span.visually-hidden", {}, ` (${t("compare.differs")})`)),
    row.values.map((value) => h("td", {}, configValue(row.name, value))),
  ));
  if (!shown.length) return h("p.muted.small", {}, t("compare.same"));
  return h(
    "div.table-wrap", { tabindex: 0, role: "group", "aria-label": t("compare.settings") },
    h("table.table", {}, h("caption.visually-hidden", {}, t("compare.settings")), h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("compare.setting")), runs.map((run) => h("th", { scope: "col" }, run.id)))), h("tbody", {}, body)),
  );
}
