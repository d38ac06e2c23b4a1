// The requests that this browser has submitted, by job.
//
// The API does not return the model of a job, nor the parameters of a sweep. The tab has all
// requests that it made in memory; small ones are kept in the local storage too, for other tabs
// and later visits.

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";

import { type SubmitJobRequest, SubmitJobRequestSchema } from "../gen/solvemesh/v1/job_service_pb";
import { ModelSchema } from "../gen/solvemesh/v1/model_pb";

const INDEX_KEY = "solvemesh.sent";

/** The largest request that is stored as a whole, as text, in characters. */
const MAX_STORED = 256_000;

/** The jobs whose requests are stored; older ones are removed. */
const MAX_JOBS = 40;

const requests = new Map<string, SubmitJobRequest>();

/** Remembers the request of a job. */
export function rememberSent(jobId: string, request: SubmitJobRequest): void {
  requests.set(jobId, request);
  if (requests.size > MAX_JOBS) requests.delete(requests.keys().next().value as string);
  try {
    store(jobId, request);
  } catch {
    // The storage is full or not allowed. The tab still has the request.
  }
}

/**
 * The request of a job, if this browser sent it. Of a large one from another visit, the model is
 * missing.
 */
export function sentRequest(jobId: string): SubmitJobRequest | undefined {
  const known = requests.get(jobId);
  if (known) return known;
  try {
    const text = localStorage.getItem(itemKey(jobId));
    if (text === null) return undefined;
    const request = fromBinary(SubmitJobRequestSchema, base64Decode(text));
    requests.set(jobId, request);
    return request;
  } catch {
    return undefined;
  }
}

/** Forgets what this tab has in memory. The storage keeps what it has. */
export function forgetSent(): void {
  requests.clear();
}

function store(jobId: string, request: SubmitJobRequest): void {
  let text = encode(request);
  if (text.length > MAX_STORED) {
    const model = create(ModelSchema, { name: request.model?.name ?? "" });
    text = encode({ ...request, model });
  }
  if (text.length > MAX_STORED) return;
  const index = readIndex().filter((id) => id !== jobId);
  index.push(jobId);
  for (const old of index.splice(0, Math.max(index.length - MAX_JOBS, 0))) {
    localStorage.removeItem(itemKey(old));
  }
  localStorage.setItem(INDEX_KEY, JSON.stringify(index));
  localStorage.setItem(itemKey(jobId), text);
}

function readIndex(): string[] {
  let index: unknown;
  try {
    index = JSON.parse(localStorage.getItem(INDEX_KEY) ?? "[]");
  } catch {
    // Not written by this page.
  }
  return Array.isArray(index) ? index.filter((id) => typeof id === "string") : [];
}

function encode(request: SubmitJobRequest): string {
  return base64Encode(toBinary(SubmitJobRequestSchema, request));
}

function itemKey(jobId: string): string {
  return `solvemesh.sent.${jobId}`;
}
