// Jobs, and their events.

import type { Client } from "./shared/grpc-web.js";
import { type Job as JobMessage, type JobEvent, JobEventKind } from "./gen/solvemesh/v1/job_pb.js";
import { type JobService, JobView } from "./gen/solvemesh/v1/job_service_pb.js";
import { Assembly, type Result } from "./result.js";
import { type Retry, retrying, Tries } from "./retry.js";
import { RpcError } from "./shared/rpc-error.js";

type Service = Client<typeof JobService>;

export interface WatchOptions {
  /** Ends the watch; the job goes on. */
  signal?: AbortSignal;
  /** Only what follows this token of `JobEvents.resumeToken`. */
  resumeToken?: string;
  /** Only these kinds; `queued`, `started` and `finished` always arrive. */
  kinds?: readonly JobEventKind[];
}

/** The handle of a job. Any process that knows the id can make one, with `MeshClient.job`. */
export class Job {
  constructor(
    private readonly service: Service,
    private readonly retry: Retry,
    readonly id: string,
  ) {}

  /** The events of the job, to be read by `for await`. */
  events(options: WatchOptions = {}): JobEvents {
    return new JobEvents(this.service, this.retry, this.id, options);
  }

  /** Waits for the end of the job. It may be called again. The signal ends the wait only. */
  async result({ signal }: { signal?: AbortSignal } = {}): Promise<Result> {
    const assembly = new Assembly();
    // Of the other kinds, there may be many.
    const kinds = [JobEventKind.SOLUTION_PART, JobEventKind.LOG];
    for await (const event of this.events({ kinds, ...(signal && { signal }) })) {
      const result = assembly.add(event);
      if (result) return result;
    }
    throw new Error(`the watch of job ${this.id} ended without its result`);
  }

  /**
   * Cancels the job if it is queued, and asks it to stop with its best solution if it is running.
   * It has no effect on a job that has finished.
   */
  async cancel({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    await retrying(this.retry, signal, (options) =>
      this.service.cancelJob({ jobId: this.id }, options),
    );
  }

  /** What the mesh knows of the job. */
  async info(view: JobView = JobView.BASIC): Promise<JobMessage> {
    const response = await retrying(this.retry, undefined, (options) =>
      this.service.getJob({ jobId: this.id, view }, options),
    );
    if (!response.job) throw new Error("the gateway returned no job");
    return response.job;
  }
}

/** Without a message for this long, a stream is broken: gateways send heartbeats. */
const SILENCE_MS = 120_000;

/**
 * The events of a job, each once and in order. If the stream breaks, or the gateway shuts down, it is
 * opened again where it stopped, until the retry budget is used up.
 */
export class JobEvents implements AsyncIterable<JobEvent> {
  /** The position after the latest event, from which another watch can continue. */
  resumeToken: string;

  constructor(
    private readonly service: Service,
    private readonly retry: Retry,
    private readonly jobId: string,
    private readonly options: WatchOptions,
  ) {
    this.resumeToken = options.resumeToken ?? "";
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<JobEvent, void> {
    const { signal, kinds } = this.options;
    const tries = new Tries(this.retry);
    const resumed = this.resumeToken !== "";
    let anyEvent = false;
    for (;;) {
      signal?.throwIfAborted();
      const silence = new AbortController();
      const stop = () => silence.abort();
      let timer = setTimeout(stop, SILENCE_MS);
      const opened = Date.now();
      let failure: unknown;
      try {
        const responses = this.service.watchResults(
          { jobIds: [this.jobId], resumeToken: this.resumeToken, kinds: [...(kinds ?? [])] },
          { signal: signal ? AbortSignal.any([signal, silence.signal]) : silence.signal },
        );
        for await (const { kind, resumeToken } of responses) {
          clearTimeout(timer);
          timer = setTimeout(stop, SILENCE_MS);
          if (resumeToken) this.resumeToken = resumeToken;
          // A gateway that opens streams and fails at once must use up the budget.
          if (kind.case === "event" || Date.now() - opened > this.retry.maxBackoff) {
            tries.progressed();
          }
          if (kind.case !== "event") continue;
          anyEvent = true;
          // A caller takes as long as it likes.
          clearTimeout(timer);
          yield kind.value;
          if (kind.value.kind.case === "finished") return;
          timer = setTimeout(stop, SILENCE_MS);
        }
        // The job finished before the caller's token.
        if (resumed && !anyEvent) return;
        failure = new RpcError("UNAVAILABLE", "the gateway closed the stream early");
      } catch (error) {
        // What the caller's loop throws does not arrive here.
        failure = error;
      } finally {
        clearTimeout(timer);
        silence.abort();
      }
      await tries.failed(failure, signal);
    }
  }
}
