import assert from "node:assert/strict";
import { test } from "node:test";
import type { GetCapabilitiesResponse } from "../gen/solvemesh/v1/job_service_pb";
import { Presolve, Solver } from "../gen/solvemesh/v1/options_pb";
import { DEFAULT_OPTIONS, type OptionsForm, optionsForm } from "../src/model/options";
import { buildRequest } from "../src/model/request";
import type { Source } from "../src/model/source";

// A gateway that supports everything.
const ALL = {
  solvers: [
    {
      solver: Solver.HIGHS,
      options: [{ name: "simplex_strategy" }],
      supportedOptions: [
        ...["relative_gap", "absolute_gap", "threads", "seed", "node_limit", "iteration_limit"],
        ...["solution_limit", "objective_target", "presolve", "return_log"],
        ...["return_infeasible_subset", "return_sensitivity"],
      ],
    },
  ],
} as unknown as GetCapabilitiesResponse;

const source: Source = { kind: "text", name: "m", format: "lp", text: "" };

const again = (options: OptionsForm) =>
  optionsForm(buildRequest({ source, options, axes: [] }, ALL, "id"));

test("the form of a request is the one that it was made from", () => {
  const form: OptionsForm = {
    ...DEFAULT_OPTIONS,
    timeLimit: "90 s",
    solver: Solver.HIGHS,
    relativeGap: "0.001",
    absoluteGap: "0",
    threads: "4",
    seed: "7",
    presolve: Presolve.OFF,
    log: false,
    infeasibleSubset: false,
    sensitivity: true,
    nodeLimit: "1000000",
    solutionLimit: "3",
    iterationLimit: "0",
    objectiveTarget: "-1.5",
    memoryLimit: "512",
    lane: "express",
    labels: "team=blue\nrun=1",
    raw: [{ name: "simplex_strategy", value: "4" }],
  };
  assert.deepEqual(again(form), form);
  assert.deepEqual(again({ ...DEFAULT_OPTIONS }), DEFAULT_OPTIONS);
});

test("other words for the same options stand for the same request", () => {
  const form = again({ ...DEFAULT_OPTIONS, timeLimit: "1.5h", labels: "a=b, c=d=e" });
  assert.equal(form.timeLimit, "90 min");
  assert.equal(form.labels, "a=b\nc=d=e");
});
