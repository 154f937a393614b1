import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.document = { getElementById: () => null, documentElement: { lang: "en" }, body: { dataset: {} }, querySelector: () => null };
const { Saver } = await import("../../static/js/prediction/saver.js");
const { NOTHING, added, changed, declared, stateOf } = await import("../../static/js/prediction/marks.js");

const FOUND = { version: 0, author: "", first_read_declared: false, items: ["m1", "m2"].map((id) => ({ id, source: "model", center_xyz_mm: [0, 0, 0], diameter_mm: 5, status: "open", comment: "", author: "", time: "" })) };

/** A server that keeps marks, with a colleague who may be quicker once. */
function served() {
  const server = { marks: FOUND, bodies: [], before: null };
  globalThis.fetch = async (path, { body }) => {
    const asked = JSON.parse(body);
    server.bodies.push(asked);
    server.before?.();
    server.before = null;
    if (asked.version !== server.marks.version) return answer(409, { error: { message: "changed" }, marks: server.marks });
    const sent = new Map(asked.items.map((item) => [item.id, { ...item, comment: item.comment.trim(), author: "me", time: "now" }]));
    const items = server.marks.items.map((item) => sent.get(item.id) ?? item);
    server.marks = { version: asked.version + 1, author: "me", first_read_declared: asked.first_read_declared || server.marks.first_read_declared, items };
    return answer(200, server.marks);
  };
  return server;
}

const answer = (status, content) => ({ ok: status < 400, status, headers: new Map([["content-type", "application/json"]]), json: async () => content });

function page() {
  const seen = { state: NOTHING, merges: 0, merge: null };
  const saver = new Saver("id", {
    onMerge: (merge, theyChanged) => {
      seen.merge = merge;
      seen.state = merge(seen.state);
      seen.merges += theyChanged ? 1 : 0;
      saver.want(seen.state);
    },
    onSaved: () => {},
    onWord: () => {},
  });
  saver.take(FOUND);
  return { saver, seen };
}

test("a change is sent once, though the server trims its comment", async () => {
  const server = served();
  const { saver, seen } = page();
  saver.want(changed(seen.state, "m1", { comment: "vessel " }));
  await saver.flush();
  await saver.flush();
  assert.deepEqual(server.bodies.map(({ items }) => items.map(({ id }) => id)), [["m1"]]);
  assert.ok(saver.isClean);
  assert.equal(saver.version, 1);
});

test("undo after declaring the first read sends nothing for ever: it stays declared", async () => {
  const server = served();
  const { saver, seen } = page();
  saver.want(declared(seen.state));
  await saver.flush();
  saver.want(seen.state); // undone
  await saver.flush();
  assert.ok(saver.isDeclared && saver.isClean);
  assert.equal(server.bodies.length, 1);
});

test("undo at once after declaring the first read does not take it back", async () => {
  const server = served();
  const { saver, seen } = page();
  saver.want(declared(seen.state));
  saver.want(seen.state); // undone before anything was sent
  await saver.flush();
  assert.ok(saver.isDeclared && saver.isClean);
  assert.deepEqual(server.bodies.map((body) => body.first_read_declared), [true]);
});

test("who was slower joins both changes and saves again", async () => {
  const server = served();
  const { saver, seen } = page();
  const theirs = changed(stateOf(FOUND), "m2", { status: "rejected" });
  server.before = () => (server.marks = { ...FOUND, version: 1, author: "other", items: theirs.items.map((item) => ({ ...item, author: "other", time: "now" })) });
  const before = seen.state;
  seen.state = added(changed(before, "m1", { status: "accepted" }), { id: "r1", center_xyz_mm: [1, 1, 1], diameter_mm: 4 });
  saver.want(seen.state);
  await saver.flush();
  const undone = seen.merge(before); // a step back leaves what the colleague did, and takes what was added
  assert.deepEqual(undone.items.map(({ id, status }) => [id, status]), [["m1", "open"], ["m2", "rejected"]]);
  assert.deepEqual(server.marks.items.map(({ status }) => status), ["accepted", "rejected"]);
  assert.deepEqual([saver.version, seen.merges, saver.isClean], [2, 2, true]);
});
