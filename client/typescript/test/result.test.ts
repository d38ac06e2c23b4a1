import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Assembly, type JobEvent, JobEventSchema, JobState } from "../src/index.js";
import { backoff, DEFAULT_RETRY } from "../src/retry.js";

function part(attempt: number, index: number, variableOffset: number, values: number[]): JobEvent {
  return create(JobEventSchema, {
    jobId: "j",
    attempt,
    kind: { case: "solutionPart", value: { index, count: 2, solution: { variableOffset, values } } },
  });
}

function finished(attempt: number, solutionPartCount: number): JobEvent {
  return create(JobEventSchema, {
    jobId: "j",
    attempt,
    kind: { case: "finished", value: { state: JobState.SUCCEEDED, result: { solutionPartCount } } },
  });
}

function assemble(...events: JobEvent[]) {
  const assembly = new Assembly();
  return events.map((event) => assembly.add(event)).at(-1);
}

test("parts are joined, and those of a dead attempt dropped", () => {
  const result = assemble(part(1, 0, 0, [9]), part(2, 0, 0, [1, 2]), part(2, 1, 2, [3]), finished(2, 2));
  assert.deepEqual(result?.values, Float64Array.of(1, 2, 3));
});

test("parts that are missing are an error", () => {
  assert.throws(() => assemble(part(1, 0, 0, [1]), finished(1, 2)), /received 1 of 2 parts/);
  assert.throws(() => assemble(part(1, 1, 0, [1])), /part 1 of the solution instead of part 0/);
  assert.throws(
    () => assemble(part(1, 0, 0, [1]), part(1, 1, 2, [3]), finished(1, 2)),
    /part 1 of the solution does not continue/,
  );
});

test("pauses double up to the maximum and are never shorter than asked", () => {
  const pauses = [1, 2, 5, 6, 5000].map((failures) => backoff(DEFAULT_RETRY, failures, 0, 1));
  assert.deepEqual(pauses, [100, 200, 1600, 2000, 2000]);
  assert.equal(backoff(DEFAULT_RETRY, 1, 0, 0), 50);
  assert.equal(backoff(DEFAULT_RETRY, 1, 7000, 0.5), 7000);
});
