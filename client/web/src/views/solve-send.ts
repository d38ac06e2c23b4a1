// Sends the model, once a click, and keeps at it while the mesh has no room or does not answer.

import { batch, signal } from "@preact/signals";

import type { SubmitJobRequest } from "../../gen/solvemesh/v1/job_service_pb";
import { client } from "../api";
import type { Check } from "../model/check";
import { buildRequest, type Draft } from "../model/request";
import { sleep, submit, type Waiting } from "../model/submit";
import { type Problem, problemOf } from "../problem";
import { rememberSent } from "../sent";
import { capabilities, check, draft, timeoutFor, unready } from "./solve-state";

/** A submission that goes on, or that has failed. */
export interface Sending {
  request: SubmitJobRequest;
  timeoutMs: number;
  /** Set while it waits for its next try. */
  waiting?: Waiting | undefined;
  /** Set once it has failed. It can be tried again with the same request. */
  problem?: Problem | undefined;
  abort: AbortController;
}

/** The submission, while there is one to tell about. */
export const sending = signal<Sending | undefined>(undefined);

/** Sends the model of the form, and shows its job. */
export async function solve(show: (jobId: string) => void): Promise<void> {
  if (unready.value || busy()) return;
  const jobId = await send(draft());
  if (jobId) show(jobId);
}

/** Sends a model. Returns the id of the job, or nothing if that failed or was given up. */
export function send(what: Draft): Promise<string | undefined> {
  const request = buildRequest(what, capabilities.value, crypto.randomUUID());
  return attempt({ request, timeoutMs: timeoutFor(what.source), abort: new AbortController() });
}

/** Sends the failed request again: the same one, with the same id. */
export async function sendAgain(show: (jobId: string) => void): Promise<void> {
  const failed = sending.value;
  if (!failed) return;
  const { request, timeoutMs } = failed;
  failed.abort.abort();
  const jobId = await attempt({ request, timeoutMs, abort: new AbortController() });
  if (jobId) show(jobId);
}

/** Ends the submission. A try that is on its way may still become a job. */
export function giveUp(): void {
  sending.value?.abort.abort();
  sending.value = undefined;
}

/** Whether a submission is on its way. */
export function busy(): boolean {
  return sending.value !== undefined && !sending.value.problem;
}

async function attempt(now: Sending): Promise<string | undefined> {
  const { request, timeoutMs, abort } = now;
  const update = (change: Partial<Sending>) => {
    if (!abort.signal.aborted) sending.value = { ...now, ...change };
  };
  update({});
  try {
    const job = await submit(
      request,
      {
        send: (message, signal) => client.submitJob(message, { signal, timeoutMs }),
        sleep,
        now: Date.now,
      },
      abort.signal,
      (waiting) => update({ waiting }),
    );
    rememberSent(job.jobId, request);
    sending.value = undefined;
    return job.jobId;
  } catch (error) {
    if (abort.signal.aborted) return undefined;
    const problem = problemOf(error);
    if (problem.violations.length > 0) {
      // As an error of the check, it is shown at its line or field.
      const found: Check = { kind: "bad", problem };
      batch(() => {
        check.value = found;
        sending.value = undefined;
      });
    } else {
      update({ problem });
    }
    return undefined;
  }
}
