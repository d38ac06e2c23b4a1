// Follows the state of the mesh by one stream, which is opened again when it is lost.

import type { JobService } from "../../gen/solvemesh/v1/job_service_pb";
import type { MeshState } from "../../gen/solvemesh/v1/mesh_pb";
import type { Client } from "../grpc-web";
import { type Problem, problemOf } from "../problem";
import { retryDelay } from "../retry-delay";

/** Time between two states, in seconds. */
export const INTERVAL_SECONDS = 2;
/** A stream without a state for this long is dead. */
const SILENCE_MS = 15_000;
/** When a tab that gave its stream up for another one opens the next. */
const TURN_MS = 5_000;

/** What is known of the mesh. */
export interface MeshNews {
  state: MeshState | undefined;
  /** When `state` arrived, by the clock of this browser. */
  updated: Date | undefined;
  /** Why there is no newer state. */
  problem: Problem | undefined;
  /** True if the gateway is of a version that does not tell its state. */
  isUnsupported: boolean;
}

export const NO_NEWS: MeshNews = {
  state: undefined,
  updated: undefined,
  problem: undefined,
  isUnsupported: false,
};

/** What the watch needs of the page. */
export interface MeshTransport {
  watchMesh: Client<typeof JobService>["watchMesh"];
  /** Tells other tabs of the stream; see stream-slots.ts. */
  claimSlot(end: () => void): () => void;
  /** Whether calls wait for a token, so that silence says nothing. */
  isAsked(): boolean;
  random(): number;
}

/** Watches the mesh until the returned function is called. */
export function watchMesh(transport: MeshTransport, show: (news: MeshNews) => void): () => void {
  let news = NO_NEWS;
  let failures = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let stream: AbortController | undefined;

  const change = (changes: Partial<MeshNews>) => {
    news = { ...news, ...changes };
    show(news);
  };

  const run = async () => {
    const abort = new AbortController();
    stream = abort;
    let silence: ReturnType<typeof setTimeout> | undefined;
    const listen = () => {
      clearTimeout(silence);
      silence = setTimeout(() => {
        if (transport.isAsked()) listen();
        else abort.abort();
      }, SILENCE_MS);
    };
    let delay: number | undefined;
    const release = transport.claimSlot(() => {
      delay = TURN_MS;
      abort.abort();
    });
    try {
      listen();
      const states = transport.watchMesh(
        { interval: { seconds: BigInt(INTERVAL_SECONDS) } },
        { signal: abort.signal },
      );
      for await (const { mesh } of states) {
        listen();
        failures = 0;
        if (mesh) change({ state: mesh, updated: new Date(), problem: undefined });
      }
      // A gateway does not end the stream by itself without an error; a proxy may.
      failures += 1;
    } catch (error) {
      if (stream !== abort) return;
      const problem = problemOf(error);
      if (problem.code === "UNIMPLEMENTED") {
        change({ isUnsupported: true, problem: undefined });
        return;
      }
      failures += 1;
      if (problem.reason === "SHUTTING_DOWN" && failures === 1) delay ??= 0;
      // A turn that another tab has is not a problem.
      if (delay === undefined) change({ problem: wordsOf(problem) });
    } finally {
      clearTimeout(silence);
      release();
    }
    if (stream !== abort) return;
    timer = setTimeout(run, delay ?? retryDelay(failures, transport.random()) * 1000);
  };

  void run();
  return () => {
    clearTimeout(timer);
    const running = stream;
    stream = undefined;
    running?.abort();
  };
}

/** An abort comes from this page, after a silence: its text says nothing of the gateway. */
function wordsOf(problem: Problem): Problem {
  if (problem.code !== "CANCELLED") return problem;
  return { ...problem, message: "the gateway sends nothing any more" };
}
