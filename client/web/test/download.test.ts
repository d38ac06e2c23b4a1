import assert from "node:assert/strict";
import { test } from "node:test";

import {
  constraintsCsv,
  csv,
  jsonLines,
  sol,
  solutionJson,
  variablesCsv,
} from "../src/parts/download";

const SOLUTION = {
  variableNames: ["Doors", "flow[a,b]", 'say "x"'],
  values: [2, 0.1, -0],
  reducedCosts: [0, 1e-7, Number.POSITIVE_INFINITY],
  constraintNames: ["plant1"],
  activities: [4],
  duals: [100],
};

const text = (chunks: Iterable<string>) => [...chunks].join("");

test("names with commas and quotes are quoted in CSV, numbers are exact", () => {
  assert.equal(
    text(variablesCsv(SOLUTION)),
    'variable,value,reduced_cost\nDoors,2,0\n"flow[a,b]",0.1,1e-7\n"say ""x""",0,inf\n',
  );
  assert.equal(text(constraintsCsv(SOLUTION)), "constraint,activity,dual\nplant1,4,100\n");
});

test("a column that the solution does not have is left out", () => {
  const short = { ...SOLUTION, reducedCosts: [] };
  assert.equal(text(variablesCsv(short)).split("\n")[0], "variable,value");
});

test("missing values are empty cells", () => {
  assert.equal(text(csv(["a", "b"], [[undefined, Number.NaN]])), "a,b\n,\n");
});

test("a .sol file has all values, below the objective", () => {
  assert.equal(
    text(sol(SOLUTION, 3600)),
    '# Objective value = 3600\nDoors 2\nflow[a,b] 0.1\nsay "x" 0\n',
  );
});

test("a solution without names is written with the names that the mesh generates", () => {
  const unnamed = { ...SOLUTION, variableNames: [], constraintNames: [] };
  assert.equal(text(sol(unnamed, undefined)), "x0 2\nx1 0.1\nx2 0\n");
  assert.equal(text(constraintsCsv(unnamed)), "constraint,activity,dual\nc0,4,100\n");
  const parsed = JSON.parse(text(solutionJson({}, unnamed))) as Record<string, unknown>;
  assert.deepEqual(parsed.values, { x0: 2, x1: 0.1, x2: 0 });
  assert.deepEqual(parsed.duals, { c0: 100 });
});

test("JSON is valid, with null for what is not finite", () => {
  const parsed: unknown = JSON.parse(
    text(solutionJson({ jobId: "7", objective: 3600, gap: undefined }, SOLUTION)),
  );
  assert.deepEqual(parsed, {
    jobId: "7",
    objective: 3600,
    gap: null,
    values: { Doors: 2, "flow[a,b]": 0.1, 'say "x"': 0 },
    reducedCosts: { Doors: 0, "flow[a,b]": 1e-7, 'say "x"': null },
    duals: { plant1: 100 },
    activities: { plant1: 4 },
  });
});

test("rows are JSON objects, one a line", () => {
  const lines = text(
    jsonLines(
      ["a", "b"],
      [
        [1, "x"],
        [Number.NaN, ""],
      ],
    ),
  )
    .trim()
    .split("\n");
  assert.deepEqual(
    lines.map((line) => JSON.parse(line) as unknown),
    [
      { a: 1, b: "x" },
      { a: null, b: "" },
    ],
  );
});

test("a large file is made in chunks", () => {
  const rows = Array.from({ length: 25_000 }, (_, index) => [index]);
  const chunks = [...csv(["n"], rows)];
  assert.equal(chunks.length, 3);
  assert.equal(text(chunks).split("\n").length, 25_002);
});
