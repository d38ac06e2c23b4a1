import assert from "node:assert/strict";
import { test } from "node:test";
import { type Holder, surplus } from "../src/stream-slots";

const holder = (tab: string, since: number, hidden = false): Holder => ({ tab, since, hidden });

test("no tab ends its stream while there are few", () => {
  assert.equal(surplus([holder("a", 1), holder("b", 2)], 2), undefined);
});

test("the oldest stream ends, hidden tabs first, and all tabs agree on it", () => {
  const shown = [holder("b", 5), holder("a", 3), holder("c", 4)];
  assert.equal(surplus(shown, 2), "a");
  assert.equal(surplus([...shown].reverse(), 2), "a");
  assert.equal(surplus([...shown, holder("d", 9, true)], 2), "d");
  assert.equal(surplus([holder("b", 5), holder("a", 5)], 1), "a");
});
