import assert from "node:assert/strict";
import { test } from "node:test";

import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";

import { type JobEvent, JobEventSchema } from "../gen/solvemesh/v1/job_pb";
import { WatchResultsResponseSchema } from "../gen/solvemesh/v1/job_service_pb";
import { TerminationReason } from "../gen/solvemesh/v1/result_pb";
import { emptyStory, fold, type Story } from "../src/story";
import { PaceMeter } from "../src/sweep/progress";

const START = 1_700_000_000_000;

/** The story of a sweep of 1000 scenarios with events at these seconds. */
class Sweep {
  story: Story = emptyStory("job");
  private sequence = 0;
  private answered = 0;

  constructor() {
    this.add(-5, {
      case: "queued",
      value: { description: { sweep: { scenarioCount: 1000 } } },
    });
    this.add(0, { case: "started", value: { worker: "w" } });
  }

  answer(seconds: number, count: number): Story {
    const results = Array.from({ length: count }, (_, k) => ({
      index: this.answered + k,
      reason: TerminationReason.OPTIMAL,
    }));
    this.answered += count;
    return this.add(seconds, { case: "scenarioResults", value: { results } });
  }

  finish(seconds: number): Story {
    return this.add(seconds, { case: "finished", value: { state: 3 } });
  }

  // The initialisers of the cases differ, and `create` checks them.
  private add(seconds: number, kind: unknown): Story {
    this.sequence += 1;
    const event = create(JobEventSchema, {
      jobId: "job",
      sequence: this.sequence,
      attempt: 1,
      time: timestampFromMs(START + seconds * 1000),
      kind: kind as JobEvent["kind"],
    });
    const response = create(WatchResultsResponseSchema, { kind: { case: "event", value: event } });
    this.story = fold(this.story, response);
    return this.story;
  }
}

test("the rate is that of the last seconds, by the times of the events", () => {
  const sweep = new Sweep();
  const meter = new PaceMeter();
  for (let second = 1; second <= 10; second++) meter.measure(sweep.answer(second, 10));
  for (let second = 11; second <= 18; second++) meter.measure(sweep.answer(second, 50));
  const { rate, elapsed, remaining } = meter.measure(sweep.story);
  assert.equal(Math.round(rate ?? 0), 50);
  assert.equal(elapsed, 18);
  assert.equal(remaining, 500 / (rate ?? 1));
});

test("of a finished sweep it is that of all of its time", () => {
  const sweep = new Sweep();
  sweep.answer(1, 1000);
  const { rate, elapsed, remaining } = new PaceMeter().measure(sweep.finish(2));
  assert.equal(rate, 500);
  assert.equal(elapsed, 2);
  assert.equal(remaining, undefined);
});

test("a queued sweep has no rate", () => {
  assert.deepEqual(new PaceMeter().measure(emptyStory("job")), {
    rate: undefined,
    elapsed: undefined,
    remaining: undefined,
  });
});
