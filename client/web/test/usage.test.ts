import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { GetUsageResponseSchema } from "../gen/solvemesh/v1/job_service_pb";
import { matches, parseUsageQuery, usageHash } from "../src/usage/query";
import { dayOf, daysUpTo, SHOWN_DAYS, together, usageByOwner } from "../src/usage/summary";

const TODAY = "2026-03-02";

const usage = create(GetUsageResponseSchema, {
  live: [
    { tenant: "acme", submitter: "ci", jobCount: 3n, bytes: 5000n, scenarioCount: 40n },
    { tenant: "globex", submitter: "ci", jobCount: 1n, bytes: 100n },
  ],
  days: [
    { day: TODAY, tenant: "acme", submitter: "ci", jobCount: 2n, solverSeconds: 1.5 },
    { day: "2026-02-28", tenant: "acme", submitter: "ci", jobCount: 1n, solverSeconds: 60 },
    { day: "2026-02-28", tenant: "acme", submitter: "ann", jobCount: 5n, solverSeconds: 10 },
    // Before the days that are shown.
    { day: "2025-12-31", tenant: "acme", submitter: "old", jobCount: 9n, solverSeconds: 9 },
  ],
});

test("the days up to one, over the ends of months", () => {
  const days = daysUpTo(TODAY);
  assert.equal(days.length, SHOWN_DAYS);
  assert.deepEqual(days.slice(-3), ["2026-02-28", "2026-03-01", TODAY]);
  assert.equal(days[0], "2026-02-01");
  assert.equal(dayOf(Date.parse("2026-03-01T23:59:59.999Z")), "2026-03-01");
});

test("usage by tenant and key", () => {
  const owners = usageByOwner(usage, TODAY);
  assert.deepEqual(
    owners.map(({ tenant, key, live, total }) => [tenant, key, live.jobs, total.jobs]),
    [
      ["acme", "ci", 3, 3],
      ["globex", "ci", 1, 0],
      ["acme", "ann", 0, 5],
      // Known, but without a job in these days.
      ["acme", "old", 0, 0],
    ],
  );
  const [ci] = owners;
  assert.deepEqual(ci!.days.at(-1), { day: TODAY, jobs: 2, seconds: 1.5 });
  assert.deepEqual(ci!.days.at(-2), { day: "2026-03-01", jobs: 0, seconds: 0 });
  assert.equal(ci!.total.seconds, 61.5);
});

test("several owners together, and nobody", () => {
  const owners = usageByOwner(usage, TODAY);
  const { live, days, total } = together(owners, TODAY);
  assert.deepEqual(live, { jobs: 4, bytes: 5100, scenarios: 40 });
  assert.deepEqual(total, { jobs: 8, seconds: 71.5 });
  assert.deepEqual(days.at(-3), { day: "2026-02-28", jobs: 6, seconds: 70 });
  // The parts are not changed by it.
  assert.equal(owners[0]!.total.jobs, 3);
  assert.deepEqual(together([], TODAY).total, { jobs: 0, seconds: 0 });
});

test("whose usage is shown is in the address", () => {
  for (const query of [
    { tenant: undefined, key: undefined },
    { tenant: "acme & co", key: undefined },
    { tenant: "", key: "ci/1" },
  ]) {
    const hash = usageHash(query);
    assert.deepEqual(parseUsageQuery(new URLSearchParams(hash.split("?")[1] ?? "")), query);
  }
  assert.equal(usageHash({}), "#/usage");
  const unnamed = parseUsageQuery(new URLSearchParams("tenant="));
  assert.equal(matches(unnamed, { tenant: "", key: "ci" }), true);
  assert.equal(matches(unnamed, { tenant: "acme", key: "ci" }), false);
  const all = parseUsageQuery(new URLSearchParams());
  assert.equal(matches(all, { tenant: "acme", key: "ci" }), true);
});
