import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { create } from "@bufbuild/protobuf";

import { SubmitJobRequestSchema } from "../gen/solvemesh/v1/job_service_pb";
import { forgetSent, rememberSent, sentRequest } from "../src/sent";

/** A local storage of limited size. */
class Storage {
  readonly items = new Map<string, string>();

  getItem(key: string): string | null {
    return this.items.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    if (value.length > 1_000_000) throw new Error("QuotaExceededError");
    this.items.set(key, value);
  }

  removeItem(key: string): void {
    this.items.delete(key);
  }
}

let storage: Storage;

beforeEach(() => {
  storage = new Storage();
  Object.assign(globalThis, { localStorage: storage });
  forgetSent();
});

const request = (lp: string) =>
  create(SubmitJobRequestSchema, {
    model: { name: "wyndor", form: { case: "lp", value: lp } },
    sweep: { scenarios: { case: "grid", value: { axes: [{ pointCount: 3 }] } } },
  });

test("a request is there for another tab", () => {
  rememberSent("job", request("Maximize\n x\nEnd"));
  forgetSent();
  assert.equal(sentRequest("job")?.model?.form.value, "Maximize\n x\nEnd");
  assert.equal(sentRequest("other"), undefined);
});

test("of a large request the model stays in this tab only", () => {
  rememberSent("job", request("x".repeat(500_000)));
  assert.equal(sentRequest("job")?.model?.form.case, "lp");
  forgetSent();
  const stored = sentRequest("job");
  assert.equal(stored?.model?.form.case, undefined);
  assert.equal(stored?.model?.name, "wyndor");
  assert.equal(stored?.sweep?.scenarios.case, "grid");
});

test("old requests are removed from the storage", () => {
  for (let index = 0; index < 60; index++) rememberSent(`job${index}`, request("x"));
  forgetSent();
  assert.equal(sentRequest("job0"), undefined);
  assert.ok(sentRequest("job59"));
  // The requests, and their index.
  assert.equal(storage.items.size, 41);
});

test("a storage with something else in it does no harm", () => {
  storage.setItem("solvemesh.sent", "{");
  storage.setItem("solvemesh.sent.job", "%%%");
  assert.equal(sentRequest("job"), undefined);
  rememberSent("job2", request("x"));
  assert.ok(sentRequest("job2"));
});

test("without a storage the tab has its own requests", () => {
  Object.assign(globalThis, { localStorage: undefined });
  rememberSent("job", request("x"));
  assert.ok(sentRequest("job"));
  assert.equal(sentRequest("other"), undefined);
});
