import assert from "node:assert/strict";
import { test } from "node:test";
import { OrderedEvents } from "../../static/js/ordered_events.js";

/** A stream whose snapshots are given out by hand. */
function stream() {
  const seen = [];
  const asked = [];
  const events = new OrderedEvents({
    fetch: (since) => new Promise((resolve) => asked.push({ since, resolve })),
    onSnapshot: ({ seq }) => seen.push(`snapshot ${seq}`),
    onEvent: ({ seq }) => seen.push(seq),
  });
  const answer = async (status) => {
    asked.shift().resolve(status);
    await new Promise(setImmediate);
  };
  return { seen, asked, events, answer, take: (...numbers) => numbers.forEach((seq) => events.take({ seq })) };
}

test("events that come before the snapshot are applied after it, older ones never", async () => {
  const { seen, events, answer, take } = stream();
  events.resync();
  take(4, 5, 6, 7);
  assert.deepEqual(seen, []);
  await answer({ seq: 5 });
  take(8);
  assert.deepEqual(seen, ["snapshot 5", 6, 7, 8]);
});

test("the same number twice is applied once", async () => {
  const { seen, events, answer, take } = stream();
  events.resync();
  await answer({ seq: 1 });
  take(2, 2, 1, 3);
  assert.deepEqual(seen, ["snapshot 1", 2, 3]);
});

test("a hole is filled by a new snapshot that says what was seen last", async () => {
  const { seen, asked, events, answer, take } = stream();
  events.resync();
  await answer({ seq: 1 });
  take(2, 5, 6);
  assert.deepEqual(asked.map(({ since }) => since), [2]);
  await answer({ seq: 5 });
  assert.deepEqual(seen, ["snapshot 1", 2, "snapshot 5", 6]);
});

test("a hole behind the snapshot asks once more", async () => {
  const { seen, asked, events, answer, take } = stream();
  events.resync();
  take(9);
  await answer({ seq: 3 });
  assert.equal(asked.length, 1);
  await answer({ seq: 9 });
  assert.deepEqual(seen, ["snapshot 3", "snapshot 9"]);
});

test("after a restart of the server its numbers count, even if they are smaller", async () => {
  const { seen, events, answer, take } = stream();
  events.resync();
  await answer({ seq: 100 });
  events.resync();
  await answer({ seq: 7 });
  take(8);
  assert.deepEqual(seen, ["snapshot 100", "snapshot 7", 8]);
});

test("without an answer nothing is lost: the next snapshot is asked from the same number", async () => {
  const { seen, asked, events, answer, take } = stream();
  events.resync();
  await answer({ seq: 1 });
  const tried = events.resync();
  await answer(null);
  assert.equal(await tried, false);
  take(2);
  events.resync();
  assert.equal(asked[0].since, 2);
  await answer({ seq: 2 });
  assert.deepEqual(seen, ["snapshot 1", 2, "snapshot 2"]);
});

test("two wishes for a snapshot at once are one question", () => {
  const { asked, events } = stream();
  events.resync();
  events.resync();
  assert.equal(asked.length, 1);
});
