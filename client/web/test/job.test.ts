import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { JobState, SolutionPartSchema } from "../gen/solvemesh/v1/job_pb";
import { constraintTexts, typeset } from "../src/constraint-text";
import { eventWords } from "../src/event-words";
import { retryDelay } from "../src/retry-delay";
import { parseRoute } from "../src/router";
import { sentenceOf } from "../src/sentence";
import { joinParts } from "../src/solution-parts";
import { incumbentRows, variableRows } from "../src/solution-rows";
import type { Story } from "../src/story";
import { recorded, storyOf } from "./stream";

function sentence(name: string, count?: number): string {
  return sentenceOf(storyOf(recorded(name).slice(0, count))).text;
}

test("a job in one sentence", () => {
  assert.match(sentence("wyndor"), /^Optimal: 3600, proven in .* m?s, checked\.$/);
  assert.equal(sentence("wyndor", 1), "Waiting for a worker in the lane “express”.");
  assert.equal(sentence("cover", 2), "Solving: no solution yet.");
  assert.match(
    sentence("infeasible"),
    /^Infeasible: there is no solution, proven.* and checked\.$/,
  );
  assert.match(sentence("unbounded"), /^Unbounded: the objective improves without limit/);
  assert.equal(sentence("sweep"), "All 10 scenarios answered.");
  assert.equal(sentence("retried"), "Failed: the solver crashed at each attempt.");
  assert.match(
    sentence("retried", -1),
    /^Attempt 3\. Best so far 516, at most .* % from the optimum/,
  );
});

test("a stopped job tells what was kept", () => {
  const story = storyOf(recorded("cover"));
  const stopped: Story = { ...story, job: { ...story.job, state: JobState.CANCELLED } };
  const { text, tone } = sentenceOf(stopped);
  assert.equal(tone, "warn");
  assert.match(text, /^Stopped after .* s: best \d+, at most .* % from the optimum, checked\.$/);
  const early = storyOf(recorded("cover").slice(0, 1));
  const cancelled: Story = {
    ...early,
    finished: true,
    job: { ...early.job, state: JobState.CANCELLED },
  };
  assert.equal(sentenceOf(cancelled).text, "Cancelled before a worker had begun.");
});

test("every recorded event has words", () => {
  for (const name of ["wyndor", "cover", "infeasible", "sweep", "retried"]) {
    for (const line of storyOf(recorded(name)).events.toArray()) {
      const [kind, text] = eventWords(line);
      assert.notEqual(kind, "unknown");
      assert.doesNotMatch(text, /undefined|NaN|\[object/);
    }
  }
});

test("constraints as they were written", () => {
  const lp = [
    "Minimize",
    " cost: x + y",
    "Subject To",
    " c1: x + y >= 2 \\ at least two",
    " c2: 3 x",
    "  + 2 y <= 18",
    " x - y = 0",
    "Bounds",
    " x <= 4",
    "End",
  ].join("\n");
  const found = constraintTexts(lp, new Set(["c1", "c2", "cost"]));
  assert.deepEqual(
    [...found],
    [
      ["c1", "x + y >= 2"],
      ["c2", "3 x + 2 y <= 18 x - y = 0"],
    ],
  );
  assert.equal(typeset("x + y >= 2"), "x + y ≥ 2");
  assert.equal(typeset("2 =< x"), "2 ≤ x");
});

test("the parts of a solution are joined in their order", () => {
  const part = (index: number, values: number[]) =>
    create(SolutionPartSchema, {
      index,
      count: 2,
      solution: { values, variableNames: values.map((value) => `x${value}`) },
    });
  const solution = joinParts([part(1, [3]), part(0, [1, 2])]);
  assert.deepEqual(solution?.values, [1, 2, 3]);
  assert.deepEqual(solution?.variableNames, ["x1", "x2", "x3"]);
  assert.equal(joinParts([part(0, [1])]), undefined, "a part is missing");
  assert.equal(joinParts([]), undefined);
});

test("rows of a solution and of an incumbent with some of the variables", () => {
  const rows = variableRows(storyOf(recorded("wyndor")).solution!);
  assert.equal(rows.length, 2);
  assert.deepEqual([rows.at(0).name, rows.at(0).value, rows.at(0).cost?.upper], ["Doors", 2, 750]);
  const { incumbent } = storyOf(recorded("cover").slice(0, -1));
  const some = incumbentRows(incumbent!);
  assert.equal(some.at(0).name, incumbent?.variableNames[0]);
  assert.equal(some.at(0).index, incumbent?.variableIndices[0]);
});

test("routes", () => {
  assert.deepEqual(parseRoute(""), { view: "solve" });
  assert.deepEqual(parseRoute("#/"), { view: "solve" });
  assert.deepEqual(parseRoute("#/job/a-1"), { view: "job", id: "a-1" });
  assert.deepEqual(parseRoute("#/job/a%2F1/log"), { view: "job", id: "a/1", tab: "log" });
  assert.deepEqual(parseRoute("#/mesh"), { view: "mesh" });
  const jobs = parseRoute("#/jobs?state=running&label=a%3Db");
  assert.equal(jobs.view === "jobs" && jobs.params.get("label"), "a=b");
  assert.deepEqual(parseRoute("#/job/%E0%A4%A"), { view: "solve" }, "not a valid escape");
});

test("delays double up to a limit, and differ between tabs", () => {
  assert.deepEqual(
    [1, 2, 3, 6, 20].map((failures) => retryDelay(failures, 0)),
    [0.5, 1, 2, 15, 15],
  );
  assert.equal(retryDelay(1, 0.5), 0.375);
});
