/* The data's own words (names, states, reasons) in the language of the page. */

import { number, t, tOr, tn } from "./i18n.js";

const known = new Map();

/** Whether the reader leads the federation; others see their own hospital only. */
export const seesAll = document.body.dataset.role === "admin";

/** Remember display names: a list of {id, name}. */
export function learnNames(hospitals) {
  for (const { id, name } of hospitals ?? []) known.set(id, name);
}

/** Name of a hospital; its id where no name is known. */
export const hospitalName = (id) => known.get(id) ?? id;

const STATES = {
  queued: ["info", "hourglass-half"],
  running: ["info", "circle-play"],
  paused: ["warn", "circle-pause"],
  finished: ["good", "circle-check"],
  stopped: ["neutral", "circle-stop"],
  failed: ["bad", "circle-xmark"],
};

/** {text, tone, icon} of a run's state. A run that nobody drives any more is called interrupted. */
export function stateWords(run) {
  const [tone, icon] = STATES[run.state] ?? ["neutral", "circle"];
  if (run.state === "stopped" && run.reason === "interrupted") return { text: t("state.interrupted"), tone: "warn", icon: "plug-circle-xmark" };
  return { text: tOr(`state.${run.state}`, run.state), tone, icon };
}

/* What the training says about a hospital that was left out, in its own English words -> text. */
const REASONS = [
  [/^no answer within ([\d.e+]+) s$/, "reason.no_answer", "seconds"],
  [/^late answer: it belongs to round (\d+), and this is round (\d+)$/, "reason.late_round", "round", "now"],
  [/^late answer: its round is closed$/, "reason.late"],
  [/^still busy with (.+)$/, "reason.busy", "work"],
  [/holds NaN or infinite values$/, "reason.nan"],
  [/changes a weight by ([\d.e+]+); at most/, "reason.too_large", "change"],
  [/^delta has norm ([\d.e+]+); at most/, "reason.norm", "norm"],
  [/must have shape|lacks array|has an unknown array|must be a float32|must map names/, "reason.shape"],
  [/^num_examples must be in 1\.\.(\d+), got (.+)$/, "reason.examples", "most", "count"],
  [/^it answers in the name of (.+)$/, "reason.name", "name"],
  [/^it was not asked in this round/, "reason.twice"],
  [/^its (answer|counts) must be|must be a whole number from|must hold \d+ counts|must not rise with the threshold/, "reason.counts"],
  [/out of memory/i, "reason.memory"],
  [/has declared that its data is not ready/, "reason.not_declared"],
  [/none of its( \d+)? scans is declared ready$/, "reason.none_ready"],
  [/no \.mhd or \.mha scan in/, "reason.no_scans"],
  [/annotations\.csv is missing/, "reason.no_annotations"],
  [/^hospital \S+: (\S+) and (\S+) are one series; keep one$/, "reason.same_series", "one", "other"],
  [/annotations(?:_excluded)?\.csv: column (\w+) is missing; expected (.+)$/, "reason.table_column", "column", "columns"],
  [/(annotations(?:_excluded)?\.csv): line (\d+): (\w+) must be .+, got (.*)$/, "reason.table_value", "file", "line", "column", "got"],
  [/(annotations(?:_excluded)?\.csv): line (\d+): seriesuid is empty/, "reason.table_no_uid", "file", "line"],
  [/(annotations(?:_excluded)?\.csv) is not a readable CSV table/, "reason.table_unreadable", "file"],
  [/scans\.json cannot be read/, "reason.readiness_unreadable"],
  [/([^/]+\.(?:mhd|mha|raw|zraw)): (.+)$/s, "reason.scan", "scan", "why"],
  [/is not a folder$/, "reason.no_folder"],
  [/: Permission denied$/, "reason.no_access"],
];

/* Reasons why a run ended. */
const ENDS = [
  [/^interrupted$/, "end.interrupted"],
  [/^stopped: round 0 of \d+ is kept/, "end.stopped_early"],
  [/^stopped: round (\d+) of (\d+) is kept/, "end.stopped", "round", "rounds"],
  [/^round (\d+): (\d+) of (\d+) hospitals answered, (\d+) are needed/, "end.quorum", "round", "answered", "asked", "needed"],
  [/^(\d+) of (\d+) hospitals can be opened, (\d+) are needed/, "end.not_opened", "opened", "asked", "needed"],
  [/^the run ended without a word/, "end.unknown"],
  [/^round (\d+) made the global model infinite/, "end.infinite", "round"],
];

function inWords(table, sentence) {
  for (const [pattern, key, ...names] of table) {
    const found = pattern.exec(sentence);
    if (found) return t(key, Object.fromEntries(names.map((name, index) => [name, value(found[index + 1])])));
  }
  return sentence;
}

const value = (text) => (/^\d+(\.\d+)?$/.test(text) ? number(Number(text), 1) : text);

export const reasonWords = (reason) => inWords(REASONS, reason ?? "");
export const endWords = (reason) => inWords(ENDS, reason ?? "");

/** The name of a strategy where the texts know it. */
export const strategyName = (name) => (name ? tOr(`strategy.${name}`, name) : "");

/** What a model was trained on: "3 hospitals", "90 scans" ... */
export function trainedOn(model) {
  const hospitals = model.num_hospitals ?? Object.keys(model.hospitals ?? {}).length;
  const counts = [["hospitals", hospitals], ["scans", model.num_scans], ["cubes", model.card?.num_cubes]];
  return counts.filter(([, count]) => count > 0).map(([what, count]) => tn(`count.${what}`, count));
}

/** The card is written in English; what its fields say can be said in the reader's language. */
export function modelName(model) {
  const { strategy, rounds } = model.card ?? {};
  if (model.built_in || !model.run_id || !strategy || !rounds) return model.name;
  return t("model.name", { strategy: strategyName(strategy), round: number(model.round), rounds: number(rounds) });
}
