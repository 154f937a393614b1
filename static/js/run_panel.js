/* The head of a run: its state in words, progress, what is left, and the buttons that lead it. */

import { pointWords, seenOn, shownPoint } from "./accuracy.js";
import { api } from "./api.js";
import { confirmStep } from "./dialogs.js";
import { fill, h, icon } from "./dom.js";
import { ago, dateTime, duration, number, percent, roughDuration, t, tn } from "./i18n.js";
import { hospitalsOf, isActive, secondsLeft, shareDone } from "./run_state.js";
import { attempt, toast } from "./toasts.js";
import { endWords, seesAll, stateWords, strategyName } from "./words.js";

export function statePill(run) {
  const words = stateWords(run);
  const pill = h(`span.pill.pill-${words.tone}`, { "data-testid": "run-state", "data-state": run.state }, icon(words.icon), words.text);
  const waits = run.pending ? h("span.small.muted", {}, t(`run.pending_${run.pending}`)) : null;
  return h("span.row", {}, pill, waits);
}

/** Figures of a run: round, time left, hospitals, strategy. */
export function runStats(run) {
  const figure = (label, value, note) => h("div", {}, h("div.stat-label", {}, label), h("div.stat-value", {}, value), note && h("div.stat-note", {}, note));
  const scans = Object.values(run.scans ?? {}).reduce((sum, count) => sum + count, 0);
  const left = secondsLeft(run);
  const since = run.created ? ago(run.created) : "";
  return h(
    "div.stats",
    {},
    figure(t("run.round"), t("run.round_of", { round: number(run.current?.round ?? run.round), rounds: number(run.rounds) }), isMeasuring(run) ? t("run.measuring") : null),
    isActive(run)
      ? figure(t("run.left"), run.state === "paused" ? "–" : left === null ? t("run.left_unknown") : t("run.about", { time: roughDuration(left) }), run.state === "paused" ? t("run.waits") : null)
      : figure(t("run.took"), duration(run.worked_seconds), restedWords(run)),
    ...accuracyFigures(run, figure),
    seesAll ? figure(t("run.hospitals"), number(hospitalsOf(run).length || null), scans ? tn("count.scans", scans) : null) : figure(t("run.own_scans"), number(scans)),
    figure(t("run.strategy"), strategyName(run.config?.strategy) || "–", run.config?.local_epochs ? tn("run.epochs", run.config.local_epochs) : null),
    figure(t("run.started"), h("time", { datetime: run.created, title: dateTime(run.created) }, since), run.started_by ? t("run.by", { user: run.started_by }) : null),
  );
}

/** What all hospitals together measured last: with its interval, or why there is none. Told to those who lead the federation. */
function accuracyFigures(run, figure) {
  const record = run.records?.findLast(({ validation_pooled: pooled }) => Number.isFinite(pooled?.num_nodules));
  if (!record) return [];
  const point = shownPoint(record.validation_pooled);
  const words = point?.interval ? pointWords(point) : { value: "–", note: t("accuracy.no_threshold", { seen: seenOn(record.validation_pooled) }) };
  const note = record.round === run.round ? words.note : t("page.two_sentences", { one: t("accuracy.after_round", { round: number(record.round) }), two: words.note });
  return [figure(t("run.sensitivity"), words.value, note)];
}

/** Whether every hospital of the round has answered, and the new model is read on held-out scans. Who sees one hospital cannot tell. */
function isMeasuring(run) {
  const cells = Object.values(run.current?.hospitals ?? {});
  return seesAll && run.state === "running" && cells.length > 0 && cells.every(({ state }) => state !== "waiting" && state !== "training");
}

/** When it ended, for a run that was paused, stopped or interrupted for long: what it took is less then. */
function restedWords(run) {
  const { worked_seconds: worked, lasted_seconds: lasted } = run;
  if (!Number.isFinite(worked) || !(lasted - worked >= Math.max(60, worked / 20))) return null;
  return t(run.state === "finished" ? "run.finished_after" : "run.ended_after", { time: duration(lasted) });
}

export function progressBar(run) {
  const share = shareDone(run);
  const filled = h("div.bar-fill");
  filled.style.width = `${Math.round(share * 1000) / 10}%`;
  return h("div.bar", { role: "progressbar", "aria-label": t("run.progress"), "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": Math.round(share * 100), "aria-valuetext": percent(share) }, filled);
}

/** Why a run is as it is, when there is something to say. */
export function reasonAlert(run) {
  if (!run.reason || isActive(run) || run.state === "finished") return null;
  const bad = run.state === "failed";
  const words = endWords(run.reason);
  return h(`div.alert.${bad ? "alert-bad" : "alert-warn"}`, {}, icon(bad ? "circle-xmark" : "circle-info"), h("p", {}, run.can_resume ? t("page.two_sentences", { one: words, two: t("run.can_resume") }) : words));
}

/** Buttons of a run for who may lead it. `onChanged` gets the run as the server answers it. */
export function runButtons(run, onChanged) {
  const buttons = [];
  if (run.pending === "stop") return buttons;
  if (run.state === "running" && run.pending === "pause") buttons.push(actionButton(run, "resume", "play", t("run.go_on"), onChanged));
  else if (run.state === "running") buttons.push(actionButton(run, "pause", "pause", t("run.pause"), onChanged, { asks: false, then: t("run.pauses") }));
  if (run.state === "paused") buttons.push(actionButton(run, "resume", "play", t("run.resume"), onChanged, { primary: true }));
  if (isActive(run)) buttons.push(actionButton(run, "stop", "stop", t("run.stop"), onChanged, { danger: true, asks: true }));
  if (!isActive(run) && run.can_resume) buttons.push(actionButton(run, "resume", "rotate-right", t("run.resume"), onChanged, { primary: true }));
  return buttons;
}

function actionButton(run, action, mark, label, onChanged, { primary = false, danger = false, asks = false, then = "" } = {}) {
  const look = primary ? ".button-primary" : danger ? ".button-danger" : "";
  const button = h(`button.button${look}`, { type: "button", "data-testid": `${action}-run` }, icon(mark), label);
  button.addEventListener("click", async () => {
    if (asks && !(await confirmStep({ title: t("run.stop_title"), text: t("run.stop_text"), action: t("run.stop"), danger: true }))) return;
    const answer = await attempt(button, () => api.post(`/api/runs/${encodeURIComponent(run.id)}/${action}`));
    if (answer === undefined) return;
    if (then) toast(then, "info");
    onChanged(answer);
  });
  return button;
}

/** Put the buttons into `place`, anew only when they differ: a button under the pointer must not be replaced. */
export function drawButtons(place, run, onChanged) {
  const key = `${run.id}|${run.state}|${run.pending}|${run.can_resume}`;
  if (place.dataset.key === key) return;
  place.dataset.key = key;
  fill(place, runButtons(run, onChanged));
}
