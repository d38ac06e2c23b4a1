// What charts of sweeps gather while results arrive must be what the results are at that time.

import assert from "node:assert/strict";
import { test } from "node:test";

import { create } from "@bufbuild/protobuf";

import { TerminationReason } from "../gen/solvemesh/v1/result_pb";
import { ScenarioResultSchema, SweepDescriptionSchema } from "../gen/solvemesh/v1/sweep_pb";
import { addResults, emptyScenarios, type Scenarios } from "../src/scenarios";
import { ranked } from "../src/sweep/bars";
import { colourLevels, parseHex, pixelOf } from "../src/sweep/colour-map";
import { type Columns, Failure, GatheredCurves, stepsOf } from "../src/sweep/columns";
import { MapCells } from "../src/sweep/heat";
import { OBJECTIVE } from "../src/sweep/measure";

const { OPTIMAL, INFEASIBLE, NO_SOLUTION_FOUND } = TerminationReason;

/** Numbers below `limit` that are the same in each run (Park and Miller's generator). */
function randomNumbers(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state * 48271) % 2147483647;
    return state % limit;
  };
}

/** Versions of the results of `count` scenarios, which arrive in some order in some batches. */
function* arriving(count: number, seed: number): Generator<Scenarios> {
  const random = randomNumbers(seed);
  const indices = Array.from({ length: count }, (_, index) => index);
  for (let k = count - 1; k > 0; k--) {
    const other = random(k + 1);
    [indices[k], indices[other]] = [indices[other] as number, indices[k] as number];
  }
  let results = emptyScenarios(create(SweepDescriptionSchema, { scenarioCount: count }));
  while (results.answered < count) {
    const batch = indices.slice(results.answered, results.answered + 1 + random(count / 3));
    results = addResults(
      results,
      batch.map((index) => {
        const kind = random(10);
        const reason = kind === 0 ? INFEASIBLE : kind === 1 ? NO_SOLUTION_FOUND : OPTIMAL;
        const objective = reason === OPTIMAL ? { objective: random(50) - 20 } : {};
        return create(ScenarioResultSchema, { index, reason, ...objective });
      }),
    );
    yield results;
  }
}

for (const [name, values, maxColumns] of [
  ["each step has a column", Float64Array.of(5, 1, 4, 2, 3, 9, 8), 20],
  ["columns have several steps", Float64Array.from({ length: 60 }, (_, k) => k * k), 12],
  ["descending values", Float64Array.from({ length: 60 }, (_, k) => -k), 12],
  ["cells", Float64Array.from({ length: 60 }, (_, k) => (k === 7 ? Infinity : k)), 12],
] as const) {
  test(`columns have the lowest and the highest value of their steps: ${name}`, () => {
    const steps = stepsOf("", values);
    const count = values.length;
    const curves = [0, 1].map((start) => ({ start, stride: 2, title: "" }));
    let gathered: GatheredCurves | undefined;
    for (const results of arriving(2 * count, 7)) {
      gathered =
        gathered?.updated(results, OBJECTIVE, steps, curves, maxColumns) ??
        new GatheredCurves(results, OBJECTIVE, steps, curves, maxColumns);
      const { isDense, count: columnCount, columns } = gathered;
      assert.equal(isDense, count > 2 * maxColumns);
      const low = values.reduce((a, b) => Math.min(a, b));
      const high = values.reduce((a, b) => Math.max(a, b));
      const columnOf = (step: number) => {
        if (!isDense) return steps.positions[step] as number;
        const share = steps.cells ? step / count : ((values[step] as number) - low) / (high - low);
        return Math.min(Math.floor(share * columnCount), columnCount - 1);
      };
      const expected = columns.map(({ lows, highs, failures }) => ({
        lows: lows.map(() => Infinity),
        highs: highs.map(() => -Infinity),
        failures: failures.map(() => Failure.None),
      }));
      for (let scenario = 0; scenario < 2 * count; scenario++) {
        const { lows, highs, failures } = expected[scenario % 2] as Columns;
        const column = columnOf(Math.floor(scenario / 2));
        const value = OBJECTIVE.value(results, scenario);
        const reason = results.reasons[scenario];
        if (!Number.isNaN(value)) {
          lows[column] = Math.min(lows[column] as number, value);
          highs[column] = Math.max(highs[column] as number, value);
        } else if (reason) {
          const failure = reason === INFEASIBLE ? Failure.NoSolution : Failure.NotFound;
          failures[column] = Math.max(failures[column] as number, failure);
        }
      }
      assert.deepEqual(columns, expected);
      const all = expected
        .flatMap(({ lows, highs }) => [...lows, ...highs])
        .filter(Number.isFinite);
      assert.deepEqual(
        gathered.range,
        all.length > 0 ? [Math.min(...all), Math.max(...all)] : undefined,
      );
    }
  });
}

test("another measure or another width gathers again", () => {
  const steps = stepsOf("", Float64Array.of(1, 2));
  const curves = [{ start: 0, stride: 1, title: "" }];
  for (const results of arriving(2, 3)) {
    const gathered = new GatheredCurves(results, OBJECTIVE, steps, curves, 10);
    assert.equal(gathered.updated(results, OBJECTIVE, steps, curves, 10), gathered);
    assert.notEqual(gathered.updated(results, OBJECTIVE, steps, curves, 12), gathered);
    assert.notEqual(gathered.updated(results, { ...OBJECTIVE }, steps, curves, 10), gathered);
  }
});

test("a ranking is the same, merged or sorted at once", () => {
  for (const maximise of [true, false]) {
    let last: Uint32Array | undefined;
    for (const results of arriving(500, 11)) {
      const input = { results, measure: OBJECTIVE, maximise };
      last = ranked(input, last);
      assert.deepEqual(last, ranked(input));
      const values = [...last].map((scenario) => OBJECTIVE.value(results, scenario));
      const solved = values.filter((value) => !Number.isNaN(value));
      const sorted = solved.toSorted((a, b) => (maximise ? b - a : a - b));
      assert.deepEqual(values.slice(0, solved.length), sorted);
    }
    assert.equal(last?.length, 500);
  }
});

test("the cells of a map have the colours of the range that is known by then", () => {
  const x = { title: "x", values: Float64Array.of(1, 2, 3, 4, 5), stride: 1 };
  const y = { title: "y", values: Float64Array.of(3, 2, 1), stride: 5 };
  const map = { measure: OBJECTIVE, maximise: true, idle: "#808080", dark: false, x, y, start: 0 };
  const levels = colourLevels(false);
  let cells: MapCells | undefined;
  for (const results of arriving(15, 5)) {
    cells = cells?.updated(results, map) ?? new MapCells(results, map);
    const [low, high] = cells.range ?? [0, 1];
    const expected = Array.from({ length: 15 }, (_, scenario) => {
      const value = OBJECTIVE.value(results, scenario);
      if (!results.reasons[scenario]) return pixelOf(parseHex("#808080"));
      if (Number.isNaN(value)) return 0;
      return levels[Math.round(((value - low) * 255) / (high - low || 1))];
    });
    // The values of y descend, so the first row is at the top.
    assert.deepEqual([...cells.pixels], expected);
  }
});
