import assert from "node:assert/strict";
import { test } from "node:test";

import { arrange } from "../src/parts/table-order";
import { scrollTo, windowAt } from "../src/parts/table-window";
import { nextSort } from "../src/parts/VirtualTable";

interface Row {
  name: string;
  value: number | undefined;
}

const ROWS: Row[] = [
  { name: "x10", value: 2 },
  { name: "x2", value: undefined },
  { name: "x1", value: -1 },
  { name: "y", value: 2 },
];

const ordered = (order: Uint32Array | undefined) => order && [...order];

test("rows that are neither sorted nor filtered need no order", () => {
  assert.equal(arrange(ROWS, undefined, undefined), undefined);
});

test("rows without a value come last in both directions, equal ones stay in their order", () => {
  const by = (row: Row) => row.value;
  assert.deepEqual(ordered(arrange(ROWS, undefined, { by, descending: false })), [2, 0, 3, 1]);
  assert.deepEqual(ordered(arrange(ROWS, undefined, { by, descending: true })), [0, 3, 2, 1]);
});

test("names are sorted by the numbers in them", () => {
  const by = (row: Row) => row.name;
  assert.deepEqual(ordered(arrange(ROWS, undefined, { by, descending: false })), [2, 1, 0, 3]);
});

test("infinite values are sorted, NaN is none", () => {
  const values = [Number.NaN, Number.POSITIVE_INFINITY, 3, Number.POSITIVE_INFINITY];
  const order = arrange(values, undefined, { by: (value) => value, descending: false });
  assert.deepEqual(ordered(order), [2, 1, 3, 0]);
});

test("a filter and a comparison work together", () => {
  const compare = (a: Row, b: Row) => a.name.length - b.name.length;
  const order = arrange(ROWS, (row) => row.value !== undefined, { compare, descending: true });
  assert.deepEqual(ordered(order), [0, 2, 3]);
});

test("a title sorts up, down, and not at all", () => {
  const up = nextSort("a", undefined);
  assert.deepEqual(up, { key: "a", descending: false });
  assert.deepEqual(nextSort("a", up), { key: "a", descending: true });
  assert.equal(nextSort("a", { key: "a", descending: true }), undefined);
  assert.deepEqual(nextSort("b", up), { key: "b", descending: false });
});

test("only the rows in view are drawn, at their places", () => {
  const size = { rowCount: 100_000, rowHeight: 32, viewHeight: 640 };
  const shown = windowAt(size, 32 * 500);
  assert.equal(shown.height, 3_200_000);
  assert.ok(shown.first <= 500 && shown.end >= 520 && shown.end - shown.first < 50);
  assert.equal(shown.offset, shown.first * 32);
});

test("the last of more rows than a browser can scroll is in view at the end", () => {
  const size = { rowCount: 2_000_000, rowHeight: 32, viewHeight: 640 };
  const { height } = windowAt(size, 0);
  const shown = windowAt(size, height - 640);
  assert.equal(shown.end, size.rowCount);
  assert.ok(Math.abs(shown.offset + (shown.end - shown.first) * 32 - height) < 1e-3);
});

test("a row is brought into view, and not moved if it is there", () => {
  for (const rowCount of [1000, 2_000_000]) {
    const size = { rowCount, rowHeight: 32, viewHeight: 640 };
    const down = scrollTo(size, 0, 700);
    const shown = windowAt(size, down);
    assert.ok(shown.first <= 700 && shown.end > 700);
    assert.ok(Math.abs(scrollTo(size, down, 700) - down) < 1e-6);
    assert.equal(scrollTo(size, down, 0), 0);
  }
});

test("a table without rows has no height", () => {
  const shown = windowAt({ rowCount: 0, rowHeight: 32, viewHeight: 640 }, 100);
  assert.deepEqual([shown.first, shown.end, shown.height], [0, 0, 0]);
});
