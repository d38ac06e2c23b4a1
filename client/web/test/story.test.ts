import assert from "node:assert/strict";
import { test } from "node:test";
import { clone, create } from "@bufbuild/protobuf";
import { JobState } from "../gen/solvemesh/v1/job_pb";
import {
  type WatchResultsResponse,
  WatchResultsResponseSchema,
} from "../gen/solvemesh/v1/job_service_pb";
import { TerminationReason } from "../gen/solvemesh/v1/result_pb";
import { scenarioAt } from "../src/scenarios";
import { emptyStory, fold, MAX_EVENTS, MAX_LOG_LINES } from "../src/story";
import { jobIdOf, recorded, storyOf } from "./stream";

test("an LP that is solved at once has its result, solution and one point", () => {
  const story = storyOf(recorded("wyndor"));
  assert.equal(story.finished, true);
  assert.equal(story.job.state, JobState.SUCCEEDED);
  assert.equal(story.result?.termination?.reason, TerminationReason.OPTIMAL);
  assert.deepEqual(story.solution?.values, [2, 6]);
  assert.equal(story.points.length, 1);
  assert.equal(story.points.last()?.objective, 3600);
  assert.equal(story.points.last()?.gap, 0);
  assert.equal(story.lastSequence, 3);
  assert.equal(story.skipped, 0);
});

test("the incumbents, the points and the log of a MIP", () => {
  const responses = recorded("cover");
  const story = storyOf(responses);
  const incumbents = responses.filter((response) => {
    return response.kind.case === "event" && response.kind.value.kind.case === "incumbent";
  });
  assert.ok(incumbents.length > 1);
  assert.equal(story.found.length, incumbents.length);
  assert.ok(story.log.length > 10);
  assert.match(story.log.at(0), /\S/);

  const seconds = [...story.points.column("seconds")];
  assert.deepEqual(
    seconds,
    seconds.toSorted((a, b) => a - b),
  );
  const best = [...story.points.column("objective")].filter((value) => !Number.isNaN(value));
  assert.deepEqual(
    best,
    best.toSorted((a, b) => b - a),
    "a minimum only falls",
  );
});

test("while it runs, the best solution so far is there, with the values that were sent", () => {
  const responses = recorded("cover");
  const running = storyOf(responses.slice(0, -1));
  assert.equal(running.finished, false);
  assert.equal(running.job.state, JobState.RUNNING);
  const { incumbent } = running;
  assert.ok(incumbent);
  assert.equal(incumbent.objective, running.found.last()?.objective);
  assert.equal(incumbent.values.length, incumbent.variableNames.length);
  assert.ok(incumbent.values.every((value) => value !== 0));
  assert.equal(storyOf(responses).incumbent, undefined);
});

test("an infeasible model has its subset, and no solution", () => {
  const story = storyOf(recorded("infeasible"));
  assert.equal(story.result?.termination?.reason, TerminationReason.INFEASIBLE);
  assert.equal(story.result?.infeasibleSubset?.constraints.length, 3);
  assert.equal(story.solution, undefined);
});

test("a sweep fills its scenarios", () => {
  const { scenarios } = storyOf(recorded("sweep"));
  assert.ok(scenarios);
  assert.equal(scenarios.count, 10);
  assert.equal(scenarios.answered, 10);
  assert.equal(scenarioAt(scenarios, 0).objective, 1500);
  assert.ok(Math.abs(scenarioAt(scenarios, 4).objective - 3600) < 1e-9);
  assert.equal(scenarios.valueWidth, 2);
  assert.deepEqual([...scenarios.values.subarray(8, 10)], [2, 6]);
  assert.deepEqual([...scenarios.order].sort(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("attempts follow one another in the chart, and the line is broken between them", () => {
  const story = storyOf(recorded("retried"));
  assert.equal(story.attempts.length, 3);
  assert.equal(story.job.state, JobState.FAILED);
  assert.equal(story.job.failure?.reason, "SOLVER_CRASHED");
  const starts = story.attempts.toArray().map((attempt) => attempt.seconds);
  assert.deepEqual(
    starts,
    starts.toSorted((a, b) => a - b),
  );
  assert.equal(starts[0], 0);
  assert.equal(story.attempts.at(0).failure?.reason, "SOLVER_CRASHED");
  assert.ok((story.attempts.at(1).startObjective ?? 0) > 0, "from the solution of the one before");

  const seconds = story.points.column("seconds");
  assert.deepEqual(
    [...seconds],
    [...seconds].toSorted((a, b) => a - b),
  );
  const objectives = story.points.column("objective");
  const breaks = [...objectives].filter(Number.isNaN).length;
  assert.equal(breaks, 2);
  // What was found last is kept: there is no result.
  assert.ok(story.incumbent);
});

test("a new attempt clears what is known of the solve", () => {
  const responses = recorded("retried");
  const second = responses.findIndex(({ kind }) => {
    return kind.case === "event" && kind.value.attempt === 2 && kind.value.kind.case === "started";
  });
  const before = storyOf(responses.slice(0, second));
  const after = storyOf(responses.slice(0, second + 1));
  assert.ok(before.job.progress);
  assert.equal(after.job.progress, undefined);
  assert.equal(after.incumbent, undefined);
  assert.ok(after.points.length >= before.points.length);
  assert.equal(after.job.attempt, 2);
});

test("a resumed and a repeated stream make the same story", () => {
  const responses = recorded("retried");
  const whole = storyOf(responses);
  for (const cut of [1, 2, 17, responses.length - 1]) {
    const part = storyOf(responses.slice(0, cut));
    assert.equal(part.token, responses[cut - 1]?.resumeToken);
    assert.deepEqual(responses.slice(cut).reduce(fold, part), whole, `resumed after ${cut}`);
    assert.deepEqual(responses.reduce(fold, part), whole, `from the beginning after ${cut}`);
  }
});

test("older versions of a story stay as they were", () => {
  const responses = recorded("retried");
  const early = storyOf(responses.slice(0, 30));
  const copy = {
    seconds: [...early.points.column("seconds")],
    log: early.log.toArray(),
    events: early.events.length,
  };
  responses.slice(30).reduce(fold, early);
  assert.deepEqual([...early.points.column("seconds")], copy.seconds);
  assert.deepEqual(early.log.toArray(), copy.log);
  assert.equal(early.events.length, copy.events);
  // Two futures of the same version do not mix.
  const [a, b] = [responses.slice(30, 60), responses.slice(30, 50)];
  const [first, second] = [a.reduce(fold, early), b.reduce(fold, early)];
  assert.deepEqual(first, storyOf(responses.slice(0, 60)));
  assert.deepEqual(second, storyOf(responses.slice(0, 50)));
});

test("events of other jobs and heartbeats change nothing but the token", () => {
  const responses = recorded("wyndor");
  const story = storyOf(responses.slice(0, 2));
  const heartbeat = create(WatchResultsResponseSchema, {
    kind: { case: "heartbeat", value: {} },
    resumeToken: "later",
  });
  const after = fold(story, heartbeat);
  assert.equal(after.token, "later");
  assert.equal(after.lastSequence, story.lastSequence);

  const foreign = responses[2]!;
  const other = fold(emptyStory("another"), foreign);
  assert.equal(other.lastSequence, 0);
  assert.equal(other.token, foreign.resumeToken);
});

test("events that the mesh left out are counted, others that are missing tear the story", () => {
  const responses = recorded("retried");
  const id = jobIdOf(responses);
  const gap = (skipped: number) => {
    const late = clone(WatchResultsResponseSchema, responses[9]!);
    if (late.kind.case === "event") late.kind.value.skippedCount = skipped;
    return fold(responses.slice(0, 4).reduce(fold, emptyStory(id)), late);
  };
  assert.equal(gap(5).torn, false);
  assert.equal(gap(5).skipped, 5);
  assert.equal(gap(4).torn, true);
});

test("an unknown kind of event is skipped, and counts as an event", () => {
  const responses = recorded("wyndor");
  const story = storyOf(responses.slice(0, 2));
  const unknown = create(WatchResultsResponseSchema, {
    kind: { case: "event", value: { jobId: story.id, sequence: 3 } },
  });
  const after = fold(story, unknown);
  assert.equal(after.lastSequence, 3);
  assert.equal(after.job.state, story.job.state);
});

test("an hour of a chatty solve keeps a bounded number of lines and events", () => {
  let story = storyOf(recorded("cover").slice(0, 2));
  const start = story.lastSequence;
  const count = 8_000;
  for (let index = 1; index <= count; index++) {
    story = fold(story, logResponse(story.id, start + index, 3));
  }
  assert.equal(story.log.length, MAX_LOG_LINES);
  assert.equal(story.log.length + story.log.dropped, count * 3);
  assert.equal(story.events.length, MAX_EVENTS);
  assert.equal(story.events.length + story.events.dropped, count + start);
  assert.equal(story.events.last()?.bulk, 3);
  assert.equal(story.log.last(), `line 2 of ${start + count}`);
});

function logResponse(jobId: string, sequence: number, count: number): WatchResultsResponse {
  const lines = Array.from({ length: count }, (_, line) => `line ${line} of ${sequence}`);
  return create(WatchResultsResponseSchema, {
    kind: {
      case: "event",
      value: { jobId, sequence, attempt: 1, kind: { case: "log", value: { lines } } },
    },
  });
}
