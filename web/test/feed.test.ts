import assert from "node:assert/strict";
import test from "node:test";
import type { PushMessage } from "../src/live/contract.ts";
import {
  addHeld,
  addPushes,
  CARDS_PER_FLUSH_MAX,
  ENTRIES_MAX,
  type Entry,
  HELD_GATHERS_WITHIN,
  heldSince,
  topReasons,
} from "../src/live/feed.ts";

const push = (n: number): PushMessage => ({
  type: "push",
  id: `d${n}`,
  at_ms: n,
  lon: 6.1,
  lat: 45.9,
  lang: "fr",
  title: `t${n}`,
  body: "",
  campaign: "c",
  campaign_name: "C",
  zone: null,
  visitor_label: "v",
});
const keys = (entries: readonly Entry[]) => entries.map((entry) => entry.key);

test("newest messages come first", () => {
  const list = addPushes(addPushes([], [push(1)]), [push(2), push(3)]);
  assert.deepEqual(keys(list), ["push-d3", "push-d2", "push-d1"]);
});

test("a message told twice is shown once", () => {
  const once = addPushes([], [push(1), push(1)]);
  assert.equal(once.length, 1);
  assert.equal(addPushes(once, [push(1)]), once);
});

test("a burst shows its newest messages and counts the others", () => {
  const burst = Array.from({ length: CARDS_PER_FLUSH_MAX + 7 }, (_, n) => push(n));
  const list = addPushes([], burst);
  const last = list.at(-1);
  assert.equal(list.length, CARDS_PER_FLUSH_MAX + 1);
  assert.equal(last?.kind === "skipped" && last.count, 7);
  assert.equal(list[0]?.key, `push-d${burst.length - 1}`);
});

test("the list never exceeds its bound", () => {
  let list: readonly Entry[] = [];
  for (let n = 0; n < 3 * ENTRIES_MAX; n++) list = addPushes(list, [push(n)]);
  assert.equal(list.length, ENTRIES_MAX);
});

test("only reasons that grew are held back since the last frame", () => {
  assert.deepEqual(heldSince({ cap: 3, window: 1 }, { cap: 5, window: 1, consent: 2 }), {
    cap: 2,
    consent: 2,
  });
});

test("held-back decisions gather in one line until enough messages are above it", () => {
  let list = addHeld([], { cap: 1 }, 10);
  list = addPushes(list, [push(1)]);
  list = addHeld(list, { cap: 2, window: 1 }, 20);
  assert.equal(list.length, 2);
  const line = list[1];
  assert.ok(line?.kind === "held");
  assert.equal(line.total, 4);
  assert.deepEqual(line.reasons, { cap: 3, window: 1 });
  for (let n = 2; n <= HELD_GATHERS_WITHIN + 1; n++) list = addPushes(list, [push(n)]);
  list = addHeld(list, { cap: 1 }, 30);
  assert.equal(list[0]?.kind, "held");
  assert.equal(list.filter((entry) => entry.kind === "held").length, 2);
});

test("a frame that held nothing back changes nothing", () => {
  const list = addPushes([], [push(1)]);
  assert.equal(addHeld(list, {}, 5), list);
});

test("reasons beyond the rows are summed and no count is lost", () => {
  const reasons = { a: 5, b: 9, c: 1, d: 2, e: 0 };
  assert.deepEqual(topReasons(reasons, 4), [
    ["b", 9],
    ["a", 5],
    ["d", 2],
    ["c", 1],
  ]);
  assert.deepEqual(topReasons(reasons, 3), [
    ["b", 9],
    ["a", 5],
    [null, 3],
  ]);
});
