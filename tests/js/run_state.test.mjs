import assert from "node:assert/strict";
import { test } from "node:test";
import { applyEvent, cellOf, hospitalsOf, isNews, secondsLeft, shareDone } from "../../static/js/run_state.js";

const START = Date.UTC(2026, 0, 1);
const at = (minutes) => new Date(START + minutes * 60_000).toISOString();
const fresh = () => ({ id: "r", state: "running", round: 0, rounds: 4, scans: { a: 8, b: 4 }, left_out: {}, records: [], current: null, created: at(0) });
const event = (name, fields) => ({ event: name, run_id: "r", ...fields });
const sent = (round) => event("round_started", { round, rounds: 4, hospitals: ["a", "b"], learning_rate: 0.1 });
const progress = (round, hospital, state, fraction = 0, reason = "") => event("client_progress", { round, hospital, state, fraction, reason });
const finished = (round, dropped = {}) =>
  event("round_finished", { round, rounds: 4, time: at(round * 10), dropped, hospitals: ["a", "b"].filter((id) => !(id in dropped)).map((id) => ({ hospital: id, seconds: 5 })) });
const after = (...events) => events.reduce(applyEvent, fresh());
const states = (run, round) => ["a", "b"].map((id) => cellOf(run, id, round).state);

test("a round goes from waiting to training to complete", () => {
  assert.deepEqual(states(after(sent(1)), 1), ["waiting", "waiting"]);
  const training = after(sent(1), progress(1, "a", "training", 0.4));
  assert.deepEqual(states(training, 1), ["training", "waiting"]);
  assert.equal(shareDone(training), 0.4 / 2 / 4);
  const done = after(sent(1), progress(1, "a", "done", 1), finished(1));
  assert.deepEqual([done.round, done.current, states(done, 1), states(done, 2)], [1, null, ["done", "done"], ["future", "future"]]);
});

test("the same event twice changes nothing more", () => {
  const events = [sent(1), progress(1, "a", "done", 1), finished(1, { b: "no answer within 5 s" }), sent(2)];
  assert.deepEqual(after(...events.flatMap((one) => [one, one])), after(...events));
});

test("who is done does not go back to training, and an old round does not come back", () => {
  const run = after(sent(1), progress(1, "a", "done", 1), progress(1, "a", "training", 0.9));
  assert.equal(cellOf(run, "a", 1).state, "done");
  assert.equal(after(sent(1), finished(1), sent(2), progress(1, "b", "training", 0.5)).current.hospitals.b.state, "waiting");
});

test("late and refused are told apart, while it happens and afterwards", () => {
  const now = after(sent(1), progress(1, "a", "late", 0, "no answer within 5 s"), progress(1, "b", "dropped", 0, "delta of x holds NaN or infinite values"));
  assert.deepEqual(states(now, 1), ["late", "refused"]);
  const then = after(finished(1, { a: "no answer within 5 s", b: "delta of x holds NaN or infinite values" }));
  assert.deepEqual(states(then, 1), ["late", "refused"]);
});

test("a hospital that could not be opened is shown with its reason in every round", () => {
  const run = after(event("hospital_status", { hospital: "c", state: "left_out", scans: 0, reason: "no scans" }), finished(1));
  assert.deepEqual(hospitalsOf(run), ["a", "b", "c"]);
  assert.deepEqual(cellOf(run, "c", 1), { state: "refused", reason: "no scans" });
});

test("a round that was done again after a restart replaces itself and what came after", () => {
  const run = after(finished(1), finished(2), finished(3), finished(2, { b: "late answer: its round is closed" }));
  assert.deepEqual(run.records.map(({ round }) => round), [1, 2]);
});

test("events of another run change nothing, and are news when that run begins", () => {
  const other = { ...sent(1), run_id: "other" };
  const run = fresh();
  assert.equal(applyEvent(run, other), run);
  assert.deepEqual([isNews(run, other), isNews(run, sent(1)), isNews(null, other)], [true, false, true]);
});

test("time left follows the pace of the last rounds", () => {
  const run = after(finished(1), finished(2)); // ten minutes each, two of four to go
  assert.equal(secondsLeft(run, START + 20 * 60_000), 2 * 600);
  assert.equal(secondsLeft(run, START + 24 * 60_000), 2 * 600 - 240);
  assert.equal(secondsLeft({ ...run, state: "paused" }), null);
  assert.equal(secondsLeft({ ...fresh(), eta_seconds: 42 }), 42);
});

test("the end of a run clears the round under way", () => {
  const run = after(sent(1), event("run_finished", { state: "stopped", round: 0, rounds: 4, reason: "x", model_id: null }));
  assert.deepEqual([run.state, run.current, run.pending, states(run, 1)], ["stopped", null, null, ["unasked", "unasked"]]);
});
