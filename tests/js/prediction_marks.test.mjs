import assert from "node:assert/strict";
import { test } from "node:test";
import { NOTHING, added, ballVolume, changed, declared, isSame, rebased, removed, rowsOf, signaturesOf, stateOf, toSend } from "../../static/js/prediction/marks.js";

const CANDIDATES = [
  { id: "m1", center_xyz_mm: [1, 2, 3], diameter_mm: 6, volume_mm3: 100, probability: 0.9 },
  { id: "m2", center_xyz_mm: [4, 5, 6], diameter_mm: 4, volume_mm3: 30, probability: 0.4 },
];
const item = ({ id, center_xyz_mm, diameter_mm }) => ({ id, source: "model", center_xyz_mm, diameter_mm, status: "open", comment: "", author: "", time: "" });
const MARKS = { version: 0, first_read_declared: false, items: CANDIDATES.map(item) };
const START = stateOf(MARKS);
const OWN = { id: "own", center_xyz_mm: [7, 8, 9], diameter_mm: 5 };
const shown = (state, view) => rowsOf(state, CANDIDATES, view).rows.map(({ id }) => id);

test("open marks obey the threshold, judged and added ones stay", () => {
  const view = (threshold) => ({ threshold, isHidden: false });
  assert.deepEqual(shown(START, view(0.5)), ["m1"]);
  assert.equal(rowsOf(START, CANDIDATES, view(0.5)).numBelow, 1);
  assert.deepEqual(shown(START, view(0.4)), ["m1", "m2"]);
  const judged = added(changed(START, "m2", { status: "rejected" }), OWN);
  assert.deepEqual(shown(judged, view(0.95)), ["m2", "own"]);
});

test("a second reader sees nothing of the model before the own reading is declared", () => {
  const judged = added(changed(START, "m1", { status: "accepted" }), OWN);
  const { rows, numBelow } = rowsOf(judged, CANDIDATES, { threshold: 0, isHidden: true });
  assert.deepEqual(rows.map(({ label }) => label), ["R1"]);
  assert.equal(numBelow, 0);
});

test("a second reader does not see what a colleague added either, and it keeps its name", () => {
  const both = added(added(START, { ...OWN, id: "theirs" }), OWN);
  const view = { threshold: 0, isHidden: true, isOwn: (id) => id !== "theirs" };
  assert.deepEqual(rowsOf(both, CANDIDATES, view).rows.map(({ label }) => label), ["R2"]);
  assert.equal(rowsOf(both, CANDIDATES, { ...view, isHidden: false }).rows.length, 4);
});

test("measures of the model hold only for a mark that is as it was found", () => {
  const volumes = (state) => rowsOf(state, CANDIDATES, { threshold: 0, isHidden: false }).rows.map(({ volume_mm3 }) => volume_mm3);
  assert.deepEqual(volumes(START), [100, 30]);
  const resized = changed(START, "m1", { diameter_mm: 8 });
  assert.deepEqual(volumes(resized), [ballVolume(8), 30]);
  assert.deepEqual(volumes(changed(resized, "m1", { diameter_mm: 6 })), [100, 30]);
});

test("marks of the model can be rejected, not removed; those of readers can", () => {
  const state = added(START, OWN);
  assert.equal(removed(state, "m1").items.length, 3);
  assert.ok(isSame(removed(state, "own"), START));
});

test("only what changed is sent, and all that readers added", () => {
  const saved = added(START, OWN);
  assert.deepEqual(toSend(saved, saved).map(({ id }) => id), ["own"]);
  const now = changed(saved, "m2", { comment: "vessel" });
  assert.deepEqual(toSend(now, saved).map(({ id }) => id), ["m2", "own"]);
  assert.deepEqual(toSend(START, changed(START, "m1", { status: "accepted" })).map(({ id }) => id), ["m1"], "undo is sent, too");
});

test("what two people did to different marks is kept, and of one mark the own", () => {
  const mine = changed(changed(START, "m1", { status: "accepted" }), "m2", { comment: "mine" });
  const theirs = declared(changed(added(START, OWN), "m2", { comment: "theirs" }));
  const { state, theyChanged } = rebased(START, mine, theirs);
  const found = Object.fromEntries(state.items.map(({ id, status, comment }) => [id, [status, comment]]));
  assert.deepEqual(found, { m1: ["accepted", ""], m2: ["open", "mine"], own: ["accepted", ""] });
  assert.equal(theyChanged, 2);
  assert.ok(state.isDeclared);
});

test("what was marked before the model had finished is kept", () => {
  const mine = added(NOTHING, OWN);
  const { state } = rebased(NOTHING, mine, START);
  assert.deepEqual(state.items.map(({ id }) => id), ["m1", "m2", "own"]);
});

test("who changed a mark is told by the server and is no part of a state", () => {
  const signed = { ...MARKS, items: [{ ...MARKS.items[0], author: "li", time: "2026-01-31T00:00:00Z" }, MARKS.items[1]] };
  assert.deepEqual([...signaturesOf(signed).entries()], [["m1", { author: "li", time: "2026-01-31T00:00:00Z" }]]);
  assert.ok(isSame(stateOf(signed), START));
});
