import assert from "node:assert/strict";
import { test } from "node:test";
import { ago, bytes, counted, duration, exact, number, percent } from "../src/format";

function table<T>(format: (value: T) => string, rows: readonly (readonly [T, string])[]): void {
  for (const [value, text] of rows) assert.equal(format(value), text);
}

test("numbers have seven digits, and thousands from five digits on", () => {
  table(number, [
    [3600, "3600"],
    [17510, "17,510"],
    [453.76081234, "453.7608"],
    [-0.5, "−0.5"],
    [1234567.891, "1,234,568"],
    [0.00012345678, "0.0001234568"],
    [0.00001, "1e−5"],
    [1e15, "1e15"],
    [-2.5e20, "−2.5e20"],
    [3599.9999999999995, "3600"],
    [0, "0"],
    [-0, "0"],
    [Number.POSITIVE_INFINITY, "∞"],
    [Number.NEGATIVE_INFINITY, "−∞"],
    [Number.NaN, "–"],
  ]);
  assert.equal(number(453.76081234, 3), "454");
  assert.equal(number(99999.9, 5), "100,000");
});

test("exact numbers read back as they are", () => {
  for (const value of [0.1 + 0.2, 1e300, -5, 1 / 3]) assert.equal(Number(exact(value)), value);
  assert.equal(exact(-0), "0");
});

test("time spans", () => {
  table(duration, [
    [0.0004, "0 s"],
    [0.0213, "0.02 s"],
    [0.25, "0.25 s"],
    [12.34, "12.3 s"],
    [59.97, "60 s"],
    [200, "3 min 20 s"],
    [600, "10 min"],
    [7500, "2 h 5 min"],
    [273_600, "3 d 4 h"],
    [-1, "0 s"],
    [Number.NaN, "–"],
  ]);
});

test("ratios in percent", () => {
  table(percent, [
    [0.042345, "4.23 %"],
    [0, "0 %"],
    [12.3456, "1235 %"],
    [1e-8, "< 0.0001 %"],
    [4e-13, "0 %"],
    [Number.NaN, "–"],
  ]);
});

test("counts, sizes and ages", () => {
  assert.equal(counted(1, "variable"), "1 variable");
  assert.equal(counted(12345n, "variable"), "12,345 variables");
  assert.equal(bytes(812), "812 B");
  assert.equal(bytes(1_234_567), "1.23 MB");
  assert.equal(bytes(999_999), "1 MB");
  const now = Date.UTC(2026, 0, 10);
  assert.equal(ago(new Date(now + 5_000), now), "just now");
  assert.equal(ago(new Date(now - 12_000), now), "12 s ago");
  assert.equal(ago(new Date(now - 3 * 3_600_000), now), "3 h ago");
  assert.equal(ago(new Date(now - 30 * 86_400_000), now), "2025-12-11");
});
