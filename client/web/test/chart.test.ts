import assert from "node:assert/strict";
import { test } from "node:test";
import { type Pixels, type Series, stepPath } from "../src/chart/paths";
import { gapRange, startIndex, valueRange } from "../src/chart/range";
import { numberTicks, ratioTicks, timeTicks } from "../src/chart/ticks";
import { Points } from "../src/points";

const texts = (ticks: readonly { text: string }[]) => ticks.map((tick) => tick.text);

test("ticks of numbers are round, and tell neighbours apart", () => {
  assert.deepEqual(texts(numberTicks(395, 870, 4)), ["400", "600", "800"]);
  assert.deepEqual(texts(numberTicks(1_234_560, 1_234_590, 3)), [
    "1,234,560",
    "1,234,570",
    "1,234,580",
    "1,234,590",
  ]);
  assert.deepEqual(texts(numberTicks(-0.1, 0.3, 4)), ["−0.1", "0", "0.1", "0.2", "0.3"]);
  assert.deepEqual(numberTicks(5, 5, 4), []);
});

test("ticks of time have one unit", () => {
  assert.deepEqual(texts(timeTicks(0, 6.01, 3)), ["0", "2 s", "4 s", "6 s"]);
  assert.deepEqual(texts(timeTicks(0, 0.05, 3)), ["0", "0.02 s", "0.04 s"]);
  assert.deepEqual(texts(timeTicks(0, 200, 4)), ["0", "1 min", "2 min", "3 min"]);
  assert.deepEqual(texts(timeTicks(0, 90, 4)), ["0", "30 s", "1:00 min", "1:30 min"]);
  assert.deepEqual(texts(timeTicks(0, 10_000, 4)), ["0", "1 h", "2 h"]);
  assert.deepEqual(texts(timeTicks(0, 5_000, 4)), ["0", "30 min", "1:00 h"]);
  assert.deepEqual(texts(timeTicks(0, 80_000, 4)), ["0", "6 h", "12 h", "18 h"]);
});

test("ticks of gaps are powers of ten, and finer within one", () => {
  assert.deepEqual(texts(ratioTicks(1e-4, 1, 4)), ["0.01 %", "0.1 %", "1 %", "10 %", "100 %"]);
  assert.deepEqual(texts(ratioTicks(0.11, 0.48, 4)), ["20 %", "30 %", "40 %"]);
});

/** Best falls from 1000 to 110 at first, then slowly; the bound is about 100. */
function points(): Points {
  let all = Points.empty();
  const add = (seconds: number, objective: number, bound: number) => {
    const gap = Math.abs(objective - bound) / Math.abs(objective);
    all = all.append({ seconds, objective, bound, gap });
  };
  add(0.1, 1000, Number.NaN);
  add(0.2, 1000, 90);
  for (let second = 1; second <= 100; second++) add(second, 110 - second / 50, 100);
  return all;
}

test("near leaves the first solution out, all has it", () => {
  const near = valueRange(points(), [0, 100], "near");
  assert.ok(near && near[0] > 95 && near[0] < 100 && near[1] > 110 && near[1] < 120, String(near));
  const all = valueRange(points(), [0, 100], "all");
  assert.ok(all && all[0] < 90 && all[1] > 1000);
});

test("near goes on to the end where the gap would be too small to see", () => {
  let all = Points.empty();
  for (let second = 0; second <= 100; second++) {
    const objective = second < 30 ? 1000 : second < 55 ? 130 : 101;
    all = all.append({ seconds: second, objective, bound: 100, gap: objective / 100 - 1 });
  }
  const range = valueRange(all, [0, 100], "near");
  assert.ok(range && range[1] < 102, String(range));
});

test("a range of one value has a height", () => {
  const one = Points.empty().append({ seconds: 1, objective: 5, bound: 5, gap: 0 });
  const range = valueRange(one, [0, 1], "all");
  assert.ok(range && range[0] < 5 && range[1] > 5);
  assert.equal(valueRange(Points.empty(), [0, 1], "near"), undefined);
});

test("the range of gaps has room for a gap of 0 and for the goal", () => {
  const range = gapRange(points(), [0, 100], 0.01);
  assert.ok(range && range[0] < 0.01 && range[1] > 0.91);
  const far = gapRange(points(), [0, 100], 1e-9);
  assert.ok(far && far[0] > 1e-3, "a goal that is far away is not shown");
  const closed = points().append({ seconds: 101, objective: 100, bound: 100, gap: 0 });
  assert.ok(gapRange(closed, [0, 101], 1e-9)![0] < far[0]);
});

test("the index at a time is that of the last point before it", () => {
  const seconds = Float64Array.of(1, 2, 2, 5);
  assert.deepEqual(
    [0, 1, 2, 4, 9].map((time) => startIndex(seconds, time)),
    [0, 0, 2, 2, 3],
  );
});

const pixels: Pixels = { x: (seconds) => seconds, y: (value) => value, right: 50 };

function path(seconds: number[], values: number[]): [string, number, number][] {
  const drawn: [string, number, number][] = [];
  const pen = {
    moveTo: (x: number, y: number) => void drawn.push(["move", x, y]),
    lineTo: (x: number, y: number) => void drawn.push(["line", x, y]),
  };
  const series: Series = {
    seconds: Float64Array.from(seconds),
    values: Float64Array.from(values),
    first: 0,
    end: values.length,
  };
  stepPath(pen, series, pixels);
  return drawn;
}

test("steps hold a value until the next, and the last one to the right", () => {
  assert.deepEqual(path([0, 10, 20], [9, 9, 5]), [
    ["move", 0, 9],
    ["line", 10, 9],
    ["line", 20, 9],
    ["line", 20, 5],
    ["line", 50, 5],
  ]);
});

test("unknown values break a line", () => {
  const { NaN: unknown } = Number;
  assert.deepEqual(path([0, 10, 20, 30], [9, unknown, 7, 6]), [
    ["move", 0, 9],
    ["move", 20, 7],
    ["line", 30, 7],
    ["line", 30, 6],
    ["line", 50, 6],
  ]);
  assert.deepEqual(path([0], [unknown]), []);
});

test("many points in a column of pixels leave its extremes", () => {
  const seconds = Array.from({ length: 100_000 }, (_, index) => index / 2000);
  const values = seconds.map((_, index) => (index === 61_234 ? 1e6 : index === 61_500 ? -1e6 : 1));
  const drawn = path(seconds, values);
  assert.ok(drawn.length < 300, `${drawn.length} commands`);
  const heights = drawn.map(([, , y]) => y);
  assert.equal(Math.max(...heights), 1e6);
  assert.equal(Math.min(...heights), -1e6);
});
