import assert from "node:assert/strict";
import { test } from "node:test";
import { NOTHING, accepted, added, changed, isSame, newId, openSuggestions, rebased, rejected, removed } from "../../static/js/annotate/findings.js";
import { History } from "../../static/js/viewer/history.js";

test("undo and redo go through every state, and stop at both ends", () => {
  const seen = [];
  const history = new History(0, (state) => seen.push(state));
  [1, 2, 3].forEach((state) => history.push(state));
  for (const way of ["undo", "undo", "undo", "undo", "redo", "redo", "redo", "redo"]) history[way]();
  assert.deepEqual(seen, [1, 2, 3, 2, 1, 0, 1, 2, 3]);
  assert.deepEqual([history.state, history.canUndo, history.canRedo], [3, true, false]);
});

test("what came from outside stays, however far back one goes", () => {
  const history = new History(["a"]);
  history.push(["a", "mine"]);
  history.undo();
  history.rebase((state) => [...state, "theirs"]);
  assert.deepEqual(history.state, ["a", "theirs"]);
  history.redo();
  assert.deepEqual(history.state, ["a", "mine", "theirs"]);
  history.undo();
  assert.deepEqual([history.state, history.canUndo], [["a", "theirs"], false]);
});

test("a new state after undo takes the place of what was undone", () => {
  const history = new History("a");
  history.push("b");
  history.undo();
  history.push("c");
  assert.equal(history.canRedo, false);
  history.undo();
  assert.equal(history.state, "a");
});

test("typing in one field is one step, another field another one", () => {
  const history = new History("");
  for (const [state, joins] of [["x", "one"], ["xy", "one"], ["xyz", "one"], ["xyz!", "two"]]) history.push(state, joins);
  history.undo();
  assert.equal(history.state, "xyz");
  history.undo();
  assert.equal(history.state, "");
  history.redo();
  assert.equal(history.state, "xyz");
});

test("it forgets what is too long ago, and everything at a reset", () => {
  const history = new History(0);
  for (let state = 1; state <= 500; state += 1) history.push(state);
  while (history.canUndo) history.undo();
  assert.equal(history.state, 300);
  history.reset("new");
  assert.deepEqual([history.state, history.canUndo, history.canRedo], ["new", false, false]);
});

// --- findings -------------------------------------------------------------------------------------------------

const finding = (id, more = {}) => ({ id, kind: "nodule", center_xyz_mm: [0, 0, 0], diameter_mm: 6, comment: "", origin: "click", ...more });
const state = (...findings) => ({ ...NOTHING, findings });
const candidate = (id, probability, x = 50) => ({ id, probability, center_xyz_mm: [x, 0, 0], diameter_mm: 8 });

test("no change touches the state that it began from", () => {
  const before = Object.freeze({ ...state(Object.freeze(finding("a"))), findings: Object.freeze([finding("a")]), dealt: Object.freeze({}) });
  assert.deepEqual(added(before, { id: "b", center_xyz_mm: [1, 2, 3], diameter_mm: 8 }).findings.map(({ id, kind, origin }) => [id, kind, origin]), [["a", "nodule", "click"], ["b", "nodule", "click"]]);
  assert.equal(changed(before, "a", { diameter_mm: 9 }).findings[0].diameter_mm, 9);
  assert.deepEqual(removed(before, "a").findings, []);
  assert.deepEqual(rejected(before, "c").dealt, { c: "rejected" });
  assert.equal(before.findings.length, 1);
});

test("suggestions: from the threshold on, not dealt with, not marked already", () => {
  const candidates = [candidate("a", 0.9), candidate("b", 0.5, 80), candidate("c", 0.2, 120)];
  const open = (now, threshold = 0.4) => openSuggestions(now, candidates, threshold).map(({ id }) => id);
  assert.deepEqual(open(NOTHING), ["a", "b"]);
  assert.deepEqual(open(NOTHING, 0), ["a", "b", "c"]);
  assert.deepEqual(open(rejected(NOTHING, "a")), ["b"]);
  assert.deepEqual(open(state(finding("x", { center_xyz_mm: [53, 0, 0] }))), ["b"]); // within 4 mm, its radius
  assert.deepEqual(open(state(finding("x", { center_xyz_mm: [55, 0, 0] }))), ["a", "b"]);
  const after = accepted(NOTHING, candidates.slice(0, 1));
  const [found] = after.findings;
  assert.deepEqual(open(removed(after, found.id)), ["b"]); // accepted and taken away again: not suggested anew
  assert.deepEqual([found.origin, found.center_xyz_mm, found.diameter_mm], ["prediction", [50, 0, 0], 8]);
  assert.match(found.id, /^[0-9a-f]{32}$/);
});

test("the same marks are the same, whoever wrote them and when", () => {
  assert.ok(isSame(state(finding("a", { author: "x", time: "1" })), state(finding("a", { comment: undefined }))));
  assert.ok(!isSame(state(finding("a")), state(finding("a", { diameter_mm: 6.1 }))));
  assert.ok(!isSame(state(finding("a")), { ...state(finding("a")), isRead: true }));
});

test("own changes go on top of what another person saved", () => {
  const base = state(finding("kept"), finding("theirs"), finding("mine"), finding("both"), finding("gone-there"), finding("gone-here"));
  const mine = removed(added(changed(changed(base, "mine", { diameter_mm: 7 }), "both", { diameter_mm: 8 }), { id: "new-here", center_xyz_mm: [1, 1, 1], diameter_mm: 3 }), "gone-here");
  const theirs = removed(added(changed(changed(base, "theirs", { kind: "ignore" }), "both", { diameter_mm: 20 }), { id: "new-there", center_xyz_mm: [9, 9, 9], diameter_mm: 4 }), "gone-there");
  const { state: result, ...counts } = rebased(base, mine, { ...theirs, isRead: true });
  assert.deepEqual(Object.fromEntries(result.findings.map(({ id, kind, diameter_mm }) => [id, `${kind} ${diameter_mm}`])), {
    kept: "nodule 6", theirs: "ignore 6", mine: "nodule 7", both: "nodule 8", "new-here": "nodule 3", "new-there": "nodule 4",
  });
  assert.deepEqual(counts, { theyAdded: 1, theyChanged: 2, theyRemoved: 1, clashes: 1 });
  assert.equal(result.isRead, true);
});

test("without a change of one's own, theirs is what there is", () => {
  const base = state(finding("a"), finding("b"));
  const theirs = state(finding("b", { diameter_mm: 3 }), finding("c"));
  assert.ok(isSame(rebased(base, base, theirs).state, theirs));
});

test("an id is 32 hexadecimal digits", () => assert.match(newId(), /^[0-9a-f]{32}$/));
