// Where a job is shown once its model is sent: beside the model on a wide screen, else alone.

import { type ReadonlySignal, signal } from "@preact/signals";

import { go } from "../router";
import { useMedia } from "./use-media";

const WIDE = "(min-width: 1100px)";
const KEY = "solvemesh.beside";

const shown = signal(stored());

/** The id of the job beside the model, or nothing. It survives a reload of the tab. */
export const beside: ReadonlySignal<string> = shown;

/** Shows a job beside the model, or none. */
export function showBeside(jobId: string): void {
  shown.value = jobId;
  try {
    if (jobId) sessionStorage.setItem(KEY, jobId);
    else sessionStorage.removeItem(KEY);
  } catch {
    // Not allowed: the job is not shown again after a reload.
  }
}

/** Shows a job: beside the model, or as a view of its own where there is no room. */
export function showJob(jobId: string): void {
  showBeside(jobId);
  if (!matchMedia(WIDE).matches) go(`#/job/${jobId}`);
}

/** Whether there is room for the job beside the model. */
export function useWide(): boolean {
  return useMedia(WIDE);
}

function stored(): string {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}
