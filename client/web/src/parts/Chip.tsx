// A state in a word, with a dot in its colour.

import { JobState } from "../../gen/solvemesh/v1/job_pb";

export type Tone = "idle" | "busy" | "good" | "warn" | "bad";

export function Chip({ tone, children }: { tone: Tone; children: string }) {
  return <span class={`chip chip-${tone}`}>{children}</span>;
}

/** The state of a job. */
export function StateChip({ state, stopping = false }: { state: JobState; stopping?: boolean }) {
  const [tone, text] = stopping && state === JobState.RUNNING ? STOPPING : stateWord(state);
  return <Chip tone={tone}>{text}</Chip>;
}

const STOPPING = ["warn", "stopping"] as const;

/** The word for a state, and its tone. */
export function stateWord(state: JobState): readonly [Tone, string] {
  switch (state) {
    case JobState.QUEUED:
      return ["idle", "queued"];
    case JobState.RUNNING:
      return ["busy", "running"];
    case JobState.SUCCEEDED:
      return ["good", "succeeded"];
    case JobState.FAILED:
      return ["bad", "failed"];
    case JobState.CANCELLED:
      return ["warn", "stopped"];
    case JobState.EXPIRED:
      return ["bad", "expired"];
    default:
      return ["idle", "unknown"];
  }
}
