import assert from "node:assert/strict";
import { test } from "node:test";

import { create } from "@bufbuild/protobuf";

import { TerminationReason } from "../gen/solvemesh/v1/result_pb";
import {
  ParameterKind,
  ScenarioParameterSchema,
  ScenarioResultSchema,
  SweepDescriptionSchema,
  SweepSchema,
} from "../gen/solvemesh/v1/sweep_pb";
import { addResults, emptyScenarios } from "../src/scenarios";
import {
  designOf,
  parameterName,
  parameterTitle,
  parameterValue,
  shownValue,
  stepAlong,
} from "../src/sweep/axes";
import { colourLevels, parseHex, pixelOf } from "../src/sweep/colour-map";
import { stepsOf } from "../src/sweep/columns";
import { countsOf, extremesOf, measuresOf, OBJECTIVE } from "../src/sweep/measure";
import { cellScale, isEven, linearScale, niceTicks, paddedRange } from "../src/sweep/scale";

const grid = create(SweepSchema, {
  scenarios: {
    case: "grid",
    value: {
      axes: [
        {
          parameter: { kind: ParameterKind.RIGHT_HAND_SIDE, constraint: "p3" },
          values: [12, 18],
        },
        {
          parameter: { kind: ParameterKind.OBJECTIVE, variable: "Windows" },
          first: 100,
          last: 1000,
          pointCount: 10,
        },
      ],
    },
  },
});

test("the last axis of a grid changes fastest, and its ends are exact", () => {
  const design = designOf(grid);
  assert.equal(design.kind, "grid");
  const setting = (scenario: number) => [
    parameterValue(design, 0, scenario),
    parameterValue(design, 1, scenario),
  ];
  assert.deepEqual(setting(0), [12, 100]);
  assert.deepEqual(setting(9), [12, 1000]);
  assert.deepEqual(setting(10), [18, 100]);
  assert.deepEqual(setting(19), [18, 1000]);
  if (design.kind === "grid") assert.equal(stepAlong(design, 1, 13), 3);
});

test("a rounding error at 0 is not shown, and is kept", () => {
  const axis = { parameter: {}, first: -4, last: 40, pointCount: 45 };
  const design = designOf(
    create(SweepSchema, { scenarios: { case: "grid", value: { axes: [axis] } } }),
  );
  assert.notEqual(parameterValue(design, 0, 4), 0);
  assert.equal(shownValue(design, 0, 4), 0);
  assert.equal(shownValue(design, 0, 5), parameterValue(design, 0, 5));
});

test("a sparse table has the values of the base where a scenario has none", () => {
  const table = create(SweepSchema, {
    scenarios: {
      case: "table",
      value: {
        parameters: [{ kind: ParameterKind.OBJECTIVE_OFFSET }, {}],
        scenarioStarts: [0, 0, 2, 3],
        parameterIndices: [1, 0, 0],
        values: [7, 8, 9],
      },
    },
  });
  const design = designOf(table);
  const settings = [0, 1, 2].map((scenario) => [
    parameterValue(design, 0, scenario),
    parameterValue(design, 1, scenario),
  ]);
  assert.deepEqual(settings, [
    [undefined, undefined],
    [8, 7],
    [9, undefined],
  ]);
});

test("a sweep of another browser has no design", () => {
  assert.equal(designOf(undefined).kind, "unknown");
});

test("every kind of parameter has a name of the command line and one in words", () => {
  const named = (kind: ParameterKind, variable = "x", constraint = "c") =>
    create(ScenarioParameterSchema, { kind, variable, constraint });
  assert.equal(parameterName(named(ParameterKind.VARIABLE_FIXED)), "fix:x");
  assert.equal(parameterName(named(ParameterKind.COEFFICIENT)), "coef:c,x");
  assert.equal(parameterName(named(ParameterKind.COEFFICIENT, "x(1,2)")), "coef:c,,x(1,2)");
  assert.equal(parameterTitle(named(ParameterKind.COEFFICIENT)), "coefficient of x in c");
  const indexed = create(ScenarioParameterSchema, {
    kind: ParameterKind.VARIABLE_UPPER,
    variableIndex: 3,
  });
  assert.equal(parameterName(indexed), "upper:#3");
});

const description = create(SweepDescriptionSchema, {
  scenarioCount: 5,
  report: { variables: ["x"], constraints: [] },
});

const { OPTIMAL, FEASIBLE, INFEASIBLE } = TerminationReason;

function results(...rows: [number, TerminationReason, number?][]) {
  return addResults(
    emptyScenarios(description),
    rows.map(([index, reason, objective]) =>
      create(ScenarioResultSchema, {
        index,
        reason,
        ...(objective !== undefined && { objective, values: [objective / 2] }),
      }),
    ),
  );
}

test("best and worst are of the scenarios with a solution, the first of equal ones", () => {
  const some = results([3, OPTIMAL, 7], [0, INFEASIBLE], [1, FEASIBLE, 2], [4, OPTIMAL, 7]);
  assert.deepEqual(extremesOf(some, true), { best: 3, worst: 1 });
  assert.deepEqual(extremesOf(some, false), { best: 1, worst: 3 });
  assert.deepEqual(extremesOf(results([0, INFEASIBLE]), true), {
    best: undefined,
    worst: undefined,
  });
  assert.deepEqual(countsOf(some), [
    { reason: OPTIMAL, count: 2 },
    { reason: FEASIBLE, count: 1 },
    { reason: INFEASIBLE, count: 1 },
  ]);
});

test("reported values can be plotted; a scenario without a solution has none", () => {
  const some = results([0, OPTIMAL, 8], [1, INFEASIBLE]);
  const measures = measuresOf(description, some);
  assert.deepEqual(
    measures.map(({ title }) => title),
    ["objective", "x", "iterations"],
  );
  const x = measures[1] ?? OBJECTIVE;
  assert.equal(x.value(some, 0), 4);
  assert.ok(Number.isNaN(x.value(some, 1)) && Number.isNaN(OBJECTIVE.value(some, 1)));
});

test("ticks are round numbers with equally many decimals", () => {
  const texts = (low: number, high: number, count: number) =>
    niceTicks(low, high, count).map(({ text }) => text);
  assert.deepEqual(texts(0, 1, 5), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
  assert.deepEqual(texts(95, 1010, 5), ["200", "400", "600", "800", "1000"]);
  assert.deepEqual(texts(-3e7, 3e7, 3).length, 3);
  assert.deepEqual(texts(5, 5, 3), ["5"]);
});

test("a linear scale maps both ways", () => {
  const scale = linearScale([0, 10], [100, 0], 20);
  assert.equal(scale.pixel(2.5), 75);
  assert.equal(scale.value(75), 2.5);
});

test("a value of a cell lies in its middle", () => {
  const scale = cellScale(Float64Array.of(1, 2, 4), [0, 300], 50);
  assert.equal(scale.pixel(1), 150);
  assert.deepEqual([scale.value(-5), scale.value(120), scale.value(900)], [0, 1, 2]);
  assert.deepEqual(
    scale.ticks.map(({ text }) => text),
    ["1", "2", "4"],
  );
});

test("descending equal steps have round ticks at their places", () => {
  const values = Float64Array.from({ length: 21 }, (_, k) => 20 - k);
  assert.ok(isEven(values));
  const scale = cellScale(values, [0, 210], 50);
  const tick = scale.ticks.find(({ text }) => text === "10");
  assert.ok(tick && Math.abs(tick.pixel - scale.pixel(10)) < 1e-9);
});

test("a range is never empty", () => {
  assert.deepEqual(paddedRange(0, 0, 0.1), [-1, 1]);
  assert.deepEqual(paddedRange(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0.1), [0, 1]);
});

test("steps are drawn by ascending value; infinite ones as cells", () => {
  assert.deepEqual([...stepsOf("", Float64Array.of(3, 1, 2)).order], [1, 2, 0]);
  const unbounded = stepsOf("", Float64Array.of(5, Number.POSITIVE_INFINITY));
  assert.ok(unbounded.cells);
  assert.deepEqual([...unbounded.order], [0, 1]);
});

test("the colours of a map go from one end to the other", () => {
  const levels = colourLevels(true);
  assert.equal(levels.length, 256);
  assert.equal(levels[0], pixelOf(parseHex("#440154")));
  assert.equal(levels[255], pixelOf(parseHex("#fde725")));
});
