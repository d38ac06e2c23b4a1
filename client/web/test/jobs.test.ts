import assert from "node:assert/strict";
import { test } from "node:test";

import { create } from "@bufbuild/protobuf";

import { type Job, JobSchema, JobState } from "../gen/solvemesh/v1/job_pb";
import { firstList, removeRow, replaceRow, requestSize, update } from "../src/jobs/list";
import {
  filterOf,
  hashOf,
  parseLabel,
  parseQuery,
  withLabel,
  withoutLabel,
  withState,
} from "../src/jobs/query";

const job = (jobId: string, state = JobState.RUNNING) => create(JobSchema, { jobId, state });
const ids = (jobs: readonly Job[]) => jobs.map(({ jobId }) => jobId);
const query = (search: string) => parseQuery(new URLSearchParams(search));

test("an address stands for a filter, and a filter for an address", () => {
  const parsed = query("state=failed,running,lost&label=team%3Dblue&label=run=a=b&page=xyz");
  assert.deepEqual(parsed.states, [JobState.RUNNING, JobState.FAILED]);
  assert.deepEqual(parsed.labels, [
    ["team", "blue"],
    ["run", "a=b"],
  ]);
  assert.equal(
    hashOf(parsed),
    "#/jobs?state=running,failed&label=team%3Dblue&label=run%3Da%3Db&page=xyz",
  );
  assert.deepEqual(filterOf(parsed).labels, { team: "blue", run: "a=b" });
  assert.equal(hashOf(query("")), "#/jobs");
});

test("a change of the filter goes back to the newest jobs", () => {
  const start = query("page=xyz&label=team=blue");
  assert.equal(hashOf(withState(start, JobState.QUEUED)), "#/jobs?state=queued&label=team%3Dblue");
  assert.equal(hashOf(withState(query("state=queued"), JobState.QUEUED)), "#/jobs");
  assert.equal(hashOf(withLabel(start, "team", "red")), "#/jobs?label=team%3Dred");
  assert.equal(hashOf(withoutLabel(start, "team")), "#/jobs");
});

test("a label without a value has an empty one; without a key it is none", () => {
  assert.deepEqual(parseLabel(" done "), [["done", ""]]);
  assert.equal(parseLabel("=blue"), undefined);
  assert.equal(parseLabel(""), undefined);
});

const response = (jobs: Job[], { next = "", hasStates = false } = {}) => ({
  jobs,
  next,
  hasStates,
});

test("rows keep their places while new jobs are counted", () => {
  const list = firstList([job("b"), job("a")], "next");
  const jobs = [job("d"), job("c"), job("b", JobState.SUCCEEDED), job("a")];
  const after = update(list, response(jobs, { next: "other" }));
  assert.deepEqual(ids(after.shown), ["b", "a"]);
  assert.equal(after.shown[0]?.state, JobState.SUCCEEDED);
  assert.deepEqual(ids(after.fresh), ["d", "c"]);
  assert.equal(after.next, "next");
});

test("a row that the filter does not match any more stays, and can be looked up", () => {
  const list = firstList([job("b"), job("a")], "");
  const after = update(list, response([job("a")], { hasStates: true }));
  assert.deepEqual(ids(after.shown), ["b", "a"]);
  assert.deepEqual([...after.gone], ["b"]);
  const known = replaceRow(after, job("b", JobState.SUCCEEDED));
  assert.equal(known.shown[0]?.state, JobState.SUCCEEDED);
  assert.deepEqual(ids(removeRow(after, "b").shown), ["a"]);
});

test("jobs that the mesh has forgotten are removed, if no state is asked for", () => {
  const list = firstList([job("b"), job("a")], "");
  assert.deepEqual(ids(update(list, response([job("a")])).shown), ["a"]);
  assert.deepEqual(ids(update(list, response([])).shown), []);
});

test("rows below the end of a response are neither gone nor forgotten", () => {
  const list = firstList([job("c"), job("b"), job("a")], "");
  const jobs = [job("e"), job("d"), job("c")];
  for (const hasStates of [true, false]) {
    const after = update(list, response(jobs, { next: "more", hasStates }));
    assert.deepEqual(ids(after.shown), ["c", "b", "a"]);
    assert.equal(after.gone.size, 0);
    assert.deepEqual(ids(after.fresh), ["e", "d"]);
  }
});

test("jobs below the last row are not new: they are on the next page", () => {
  const list = firstList([job("c"), job("b")], "next");
  const after = update(list, response([job("c"), job("b"), job("a")]));
  assert.deepEqual(after.fresh, []);
});

test("all rows may have left the filter while others have come", () => {
  const after = update(firstList([job("a")], ""), response([job("b")], { hasStates: true }));
  assert.deepEqual(ids(after.shown), ["a"]);
  assert.deepEqual(ids(after.fresh), ["b"]);
});

test("an empty list shows what comes at once", () => {
  const after = update(firstList([], ""), response([job("a")], { next: "next" }));
  assert.deepEqual(ids(after.shown), ["a"]);
  assert.equal(after.next, "next");
});

test("as many jobs are asked for as are needed to find all rows", () => {
  assert.equal(requestSize(undefined), 50);
  const list = firstList(
    Array.from({ length: 50 }, (_, index) => job(`${index}`)),
    "",
  );
  assert.equal(requestSize(list), 100);
});
