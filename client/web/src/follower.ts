// Follows jobs: one watch stream for all jobs that are on the screen.
//
// A browser opens at most six connections to a server over HTTP/1.1, for all tabs together, and a
// stream holds one for as long as it lasts. So a tab has one stream, whatever number of jobs it
// follows, and none while it is hidden.

import { batch, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { JobEventKind } from "../gen/solvemesh/v1/job_pb";
import type { JobService, WatchResultsResponse } from "../gen/solvemesh/v1/job_service_pb";
import type { Client } from "./grpc-web";
import { type Problem, problemOf } from "./problem";
import { retryDelay } from "./retry-delay";
import { emptyStory, fold, type Story } from "./story";

/** The state of the watch. */
export type Connection =
  /** No job is followed that can still change. */
  | { kind: "idle" }
  /** With `turnSeconds`, many tabs share the streams, and this one has its turn so often. */
  | { kind: "live"; turnSeconds?: number }
  | { kind: "reconnecting"; inSeconds: number }
  /** Several tries have failed. */
  | { kind: "away"; since: Date };

/**
 * How much is watched of a job. "brief" is for lists: the latest progress once a second, no log,
 * no incumbents.
 */
export type Detail = "full" | "brief";

/** A followed job, or one that was. */
interface Followed {
  story: Story;
  shown: Signal<Story | undefined>;
  /** Number of calls of `follow` without an `unfollow`. */
  users: number;
  detail: Detail;
  /** Everything up to this token is in the story. Empty: watch from the beginning. */
  token: string;
  /** True if the story was read again from the start because events were missing; once at most. */
  mended: boolean;
}

/** Number of jobs whose stories are kept after they are no longer followed. */
const MAX_KEPT = 12;
/** A change of the set of jobs waits for this long for further ones. */
const SETTLE_MS = 30;
/** A stream without a message for this long is dead: there are heartbeats every 15 s. */
const SILENCE_MS = 45_000;
/** When a tab that gave its stream up for another one opens the next. */
const TURN_MS = 5_000;
/** How long messages are taken in a row before the browser gets to draw: a quarter of a frame. */
const SLICE_MS = 4;
/** Number of failures in a row after which the gateway is said to be away. */
const FAILURES_UNTIL_AWAY = 3;

const BRIEF_KINDS = [
  JobEventKind.PROGRESS,
  JobEventKind.CANCEL_REQUESTED,
  JobEventKind.ATTEMPT_FAILED,
];

/** What a follower needs of the page. */
export interface FollowerPage {
  watchResults: Client<typeof JobService>["watchResults"];
  /** Tells other tabs of the stream; see stream-slots.ts. */
  claimSlot(end: () => void): () => void;
  /** Whether calls wait for a token, so that silence says nothing. */
  isAsked(): boolean;
  isHidden(): boolean;
  /** Calls back before the next frame. */
  beforeFrame(callback: () => void): void;
  /** Resolves after the next frame; see after-frame.ts. */
  afterFrame(): Promise<void>;
  random(): number;
}

/** A running stream. */
interface Stream {
  abort: AbortController;
  ids: ReadonlySet<string>;
}

/** Follows jobs. */
export interface Follower {
  /** The state of the watch, for the top bar. */
  connection: ReadonlySignal<Connection>;
  /**
   * The story of a job, which goes on until `unfollow` was called as often as `follow`. Undefined
   * until the first event has arrived.
   */
  follow(id: string, detail?: Detail): ReadonlySignal<Story | undefined>;
  /** Ends one `follow` of a job. */
  unfollow(id: string): void;
  /** Tries again at once, if the stream is broken. */
  reconnectNow(): void;
  /** Ends the stream until `resume`. */
  pause(): void;
  resume(): void;
}

export function createFollower(page: FollowerPage): Follower {
  const state = signal<Connection>({ kind: "idle" });
  const jobs = new Map<string, Followed>();
  /** Jobs whose stories are newer than what is shown. */
  const changed = new Set<Followed>();
  let stream: Stream | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let paused = false;
  let failures = 0;
  let lastMessageAt = 0;
  let awaySince: Date | undefined;
  let yieldedAt = Number.NEGATIVE_INFINITY;
  let showing = false;

  function follow(id: string, detail: Detail = "full"): ReadonlySignal<Story | undefined> {
    let job = jobs.get(id);
    if (job && detail === "full" && job.detail === "brief") {
      // What the brief watch left out is only in a watch from the beginning.
      job.detail = "full";
      job.token = "";
      job.story = emptyStory(id);
      stopStream();
    }
    if (!job) {
      const shown = signal<Story | undefined>(undefined);
      job = { story: emptyStory(id), shown, users: 0, detail, token: "", mended: false };
    }
    // The latest used one is the last to be dropped.
    jobs.delete(id);
    jobs.set(id, job);
    job.users += 1;
    schedule(SETTLE_MS);
    return job.shown;
  }

  function unfollow(id: string): void {
    const job = jobs.get(id);
    if (!job || job.users === 0) return;
    job.users -= 1;
    if (job.users === 0) schedule(SETTLE_MS);
  }

  function reconnectNow(): void {
    if (!stream) schedule(0);
  }

  function pause(): void {
    paused = true;
    stopStream();
    clearTimeout(timer);
  }

  function resume(): void {
    paused = false;
    reconnectNow();
  }

  function stopStream(): void {
    stream?.abort.abort();
    stream = undefined;
  }

  function schedule(delay: number): void {
    clearTimeout(timer);
    timer = setTimeout(() => synchronise(), delay);
  }

  /** Makes the stream that the followed jobs need, unless it runs already. */
  function synchronise(): void {
    forget();
    const wanted = [...jobs].filter(([, job]) => isWatched(job)).map(([id]) => id);
    if (wanted.length === 0 || paused) {
      stopStream();
      if (!paused) state.value = { kind: "idle" };
      return;
    }
    const ids = stream?.ids;
    if (ids && wanted.length === ids.size && wanted.every((id) => ids.has(id))) return;
    stopStream();
    void run(wanted);
  }

  /** Drops the stories of jobs that were followed the longest time ago. */
  function forget(): void {
    const unused = [...jobs].filter(([, job]) => job.users === 0).map(([id]) => id);
    const excess = Math.max(0, unused.length - MAX_KEPT);
    for (const id of unused.slice(0, excess)) jobs.delete(id);
  }

  async function run(ids: string[]): Promise<void> {
    const abort = new AbortController();
    stream = { abort, ids: new Set(ids) };
    const followed = ids.map((id) => jobs.get(id)!);

    // A token is valid for any set of jobs, but tokens cannot be compared: jobs with different
    // ones start at the beginning, and the fold ignores what it has had.
    const first = followed[0]!.token;
    const token = followed.every((job) => job.token === first) ? first : "";
    for (const job of followed) job.token = token;
    const brief = followed.every((job) => job.detail === "brief");

    const silence = setInterval(() => {
      if (page.isAsked()) lastMessageAt = Date.now();
      if (Date.now() - lastMessageAt > SILENCE_MS) abort.abort();
    }, 5_000);
    lastMessageAt = Date.now();
    const release = page.claimSlot(() => yieldStream());
    let problem: Problem | undefined;
    try {
      const responses = page.watchResults(
        {
          jobIds: ids,
          resumeToken: token,
          ...(brief && { kinds: BRIEF_KINDS, minInterval: { seconds: 1n, nanos: 0 } }),
        },
        { signal: abort.signal, onOpen: () => connected() },
      );
      let sliceStart = performance.now();
      for await (const response of responses) {
        lastMessageAt = Date.now();
        connected();
        receive(followed, response);
        if (followed.some(isTorn)) break;
        // Messages that the browser has already are handed over without a pause: a burst of them
        // would stop frames and keys until its end.
        if (performance.now() - sliceStart < SLICE_MS) continue;
        await page.afterFrame();
        if (abort.signal.aborted) break;
        sliceStart = performance.now();
      }
    } catch (error) {
      problem = problemOf(error);
    } finally {
      clearInterval(silence);
      release();
    }
    if (stream?.abort !== abort) return;
    stream = undefined;
    ended(followed, problem);
  }

  function connected(): void {
    failures = 0;
    awaySince = undefined;
    const turns = Date.now() - yieldedAt < 4 * TURN_MS;
    const { value } = state;
    if (value.kind === "live" && (value.turnSeconds !== undefined) === turns) return;
    state.value = turns ? { kind: "live", turnSeconds: TURN_MS / 1000 } : { kind: "live" };
  }

  /** Leaves the connection to another tab for a while. */
  function yieldStream(): void {
    yieldedAt = Date.now();
    stopStream();
    if (page.isHidden()) paused = true;
    else schedule(TURN_MS);
  }

  function receive(followed: readonly Followed[], response: WatchResultsResponse): void {
    const id = response.kind.case === "event" ? response.kind.value.jobId : undefined;
    for (const job of followed) {
      // A token covers all jobs of the stream, not only that of the event.
      if (response.resumeToken) job.token = response.resumeToken;
      if (id !== undefined && id !== job.story.id) continue;
      const next = fold(job.story, response);
      if (next === job.story) continue;
      job.story = next;
      changed.add(job);
    }
    if (changed.size > 0) show();
  }

  /** Shows the changed stories, once a frame at most. A hidden tab has no frames. */
  function show(): void {
    if (showing) return;
    showing = true;
    const flush = () => {
      showing = false;
      batch(() => {
        for (const job of changed) job.shown.value = job.story;
      });
      changed.clear();
    };
    if (page.isHidden()) setTimeout(flush, 250);
    else page.beforeFrame(flush);
  }

  function ended(followed: readonly Followed[], problem: Problem | undefined): void {
    for (const job of followed) {
      if (!isTorn(job)) continue;
      job.mended = true;
      job.token = "";
      job.story = emptyStory(job.story.id);
    }
    if (!problem) {
      // All jobs have finished, or one is torn.
      schedule(0);
      return;
    }
    if (problem.code === "NOT_FOUND") {
      missing(followed, problem);
      schedule(0);
      return;
    }
    if (problem.reason.startsWith("TOKEN_")) {
      for (const job of followed) job.token = "";
      schedule(0);
      return;
    }
    if (problem.code === "INVALID_ARGUMENT" || problem.code === "UNIMPLEMENTED") {
      for (const job of followed) fail(job, problem);
      schedule(0);
      return;
    }
    failures += 1;
    const atOnce = problem.reason === "WATCHER_TOO_SLOW" || problem.reason === "SHUTTING_DOWN";
    const isFirst = failures === 1;
    wait(atOnce && isFirst ? 0 : retryDelay(failures, page.random()));
  }

  /** One job that does not exist must not keep the others from being watched. */
  function missing(followed: readonly Followed[], problem: Problem): void {
    const named = followed.filter((job) => job.story.id === problem.metadata.job_id);
    for (const job of named.length > 0 ? named : followed) fail(job, problem);
  }

  function fail(job: Followed, problem: Problem): void {
    job.story = { ...job.story, problem };
    changed.add(job);
    show();
  }

  function wait(seconds: number): void {
    awaySince ??= new Date();
    const since = awaySince;
    const until = Date.now() + seconds * 1000;
    const tick = () => {
      const left = Math.max(0, until - Date.now());
      state.value =
        failures >= FAILURES_UNTIL_AWAY
          ? { kind: "away", since }
          : { kind: "reconnecting", inSeconds: Math.ceil(left / 1000) };
      clearTimeout(timer);
      timer = setTimeout(left > 0 ? tick : () => synchronise(), Math.min(left, 1000));
    };
    tick();
  }

  return { connection: state, follow, unfollow, reconnectNow, pause, resume };
}

function isWatched(job: Followed): boolean {
  return job.users > 0 && !job.story.finished && !job.story.problem;
}

function isTorn(job: Followed): boolean {
  return job.story.torn && !job.mended;
}
