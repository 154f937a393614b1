import assert from "node:assert/strict";
import { test } from "node:test";
import { Speed } from "../../static/js/uploads/speed.js";

test("steady sending has its speed and the time that is left", () => {
  const speed = new Speed();
  for (let second = 0; second <= 20; second += 1) speed.note(5e6 * second, second);
  assert.equal(speed.bytesPerSecond, 5e6);
  assert.equal(speed.secondsFor(2e7), 4);
});

test("a line that became slower is told by its last seconds", () => {
  const speed = new Speed();
  for (let second = 0; second <= 10; second += 1) speed.note(1e7 * second, second);
  for (let second = 11; second <= 25; second += 1) speed.note(1e8 + 1e6 * (second - 10), second);
  assert.equal(speed.bytesPerSecond, 1e6);
});

test("at the beginning, and after a new beginning, nothing is claimed", () => {
  const speed = new Speed();
  assert.equal(speed.bytesPerSecond, null);
  speed.note(0, 0);
  speed.note(1e6, 0.1);
  assert.equal(speed.secondsFor(5), null);
  speed.note(4e6, 3);
  speed.note(0, 4);
  assert.equal(speed.bytesPerSecond, null);
});

test("when nothing moves, no time is named", () => {
  const speed = new Speed();
  speed.note(7, 0);
  speed.note(7, 5);
  assert.deepEqual([speed.bytesPerSecond, speed.secondsFor(9)], [0, null]);
});
