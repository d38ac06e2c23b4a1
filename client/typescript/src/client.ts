// The client.

import { create } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { JobService, SubmitJobRequestSchema } from "./gen/solvemesh/v1/job_service_pb.js";
import type { Model } from "./gen/solvemesh/v1/model_pb.js";
import type { SolveOptionsSchema } from "./gen/solvemesh/v1/options_pb.js";
import { Job } from "./job.js";
import type { Result } from "./result.js";
import { DEFAULT_RETRY, type Retry, retrying } from "./retry.js";
import { type Client, createClient } from "./shared/grpc-web.js";

export interface MeshOptions {
  /** The address of a gateway: "http://127.0.0.1:50051". In its own page: `location.origin`. */
  baseUrl: string;
  retry?: Partial<Retry>;
  /**
   * A token that is sent with each call, as `authorization: Bearer TOKEN`. It needs `https://`, or an
   * address of this machine.
   */
  token?: string;
  /** Permits to send the token without TLS over a network, where it can be read. */
  allowPlainTextToken?: boolean;
}

export interface SubmitOptions {
  /** How to solve the model. */
  options?: MessageInitShape<typeof SolveOptionsSchema>;
  /** How long the solver may run, in seconds: `options.timeLimit`. */
  timeLimit?: number;
  /** Labels to find the job by. */
  labels?: { [key: string]: string };
  /** The same id is the same job. Default: a random one. */
  requestId?: string;
  /** See the function. */
  signal?: AbortSignal;
}

/** Makes a client. It opens no connection; the first call does. */
export function createMeshClient(options: MeshOptions): MeshClient {
  return new MeshClient(options);
}

/** Calls the gateways behind one address, by gRPC-Web, which Node and browsers can send alike. */
export class MeshClient {
  /** The generated methods, for all else. Their calls are made once, without retries. */
  readonly service: Client<typeof JobService>;
  private readonly retry: Retry;

  constructor({ baseUrl, retry, token, allowPlainTextToken }: MeshOptions) {
    const { protocol, username, hostname } = new URL(baseUrl);
    if (protocol !== "http:" && protocol !== "https:") {
      throw new TypeError(`baseUrl must begin with http:// or https://, not ${protocol}`);
    }
    if (username) throw new TypeError("baseUrl must not contain a user");
    if (token && protocol === "http:" && !allowPlainTextToken && !isLoopback(hostname)) {
      throw new TypeError("baseUrl must begin with https://, as the token would be sent unencrypted");
    }
    this.retry = { ...DEFAULT_RETRY, ...retry };
    const headers: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {};
    this.service = createClient(JobService, baseUrl, 0, headers);
  }

  /**
   * Submits a model, waits for the end of its job, and returns the result. An infeasible or unbounded
   * model is a result, not an error. A job that failed is a `JobFailedError`.
   *
   * If `signal` is aborted, the job is cancelled, and the result is the best solution so far: its
   * state is CANCELLED, its limit INTERRUPTED.
   */
  async solve(model: Model, { signal, ...rest }: SubmitOptions = {}): Promise<Result> {
    // The job may exist as soon as the request is on its way, so the submission is not aborted: only
    // with its id the job can be cancelled.
    const job = await this.submit(model, rest);
    try {
      return await job.result({ ...(signal && { signal }) });
    } catch (error) {
      if (!signal?.aborted) throw error;
      await job.cancel();
      return await job.result({ signal: AbortSignal.timeout(CANCEL_GRACE_MS) });
    }
  }

  /**
   * Submits a job, and returns when the mesh has stored it: it runs on if this process ends. If
   * `signal` is aborted meanwhile, the job may exist or not.
   */
  async submit(model: Model, { signal, ...rest }: SubmitOptions = {}): Promise<Job> {
    const { options, timeLimit, labels, requestId } = rest;
    const request = create(SubmitJobRequestSchema, {
      model,
      options: {
        ...options,
        ...(timeLimit !== undefined && { timeLimit: durationFromMs(timeLimit * 1000) }),
      },
      labels: labels ?? {},
      // It makes retries safe.
      requestId: requestId ?? newRequestId(),
    });
    const response = await retrying(this.retry, signal, (call) =>
      this.service.submitJob(request, call),
    );
    return this.job(response.job?.jobId ?? "");
  }

  /** The handle of a job by its id. It makes no call. */
  job(id: string): Job {
    return new Job(this.service, this.retry, id);
  }
}

/** Whether a host name, as `URL` writes it, is this machine. */
function isLoopback(host: string): boolean {
  return host === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(host) || /^(.+\.)?localhost$/.test(host);
}

/** How long `solve` waits for a job that it has cancelled. */
const CANCEL_GRACE_MS = 15_000;

/** A random UUID. Browsers have `randomUUID` on pages with TLS only. */
function newRequestId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
