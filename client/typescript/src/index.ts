// A client for solvemesh, for Node and browsers.

export { createMeshClient, MeshClient, type MeshOptions, type SubmitOptions } from "./client.js";
export { JobFailedError, MeshError } from "./errors.js";
export { Job, JobEvents, type WatchOptions } from "./job.js";
export { type ArrayModel, fromArrays, fromFile, fromLp, fromMps } from "./model.js";
export { Assembly, Result } from "./result.js";
export { DEFAULT_RETRY, type Retry } from "./retry.js";
export * from "./gen/solvemesh/v1/job_pb.js";
export * from "./gen/solvemesh/v1/job_service_pb.js";
export * from "./gen/solvemesh/v1/model_pb.js";
export * from "./gen/solvemesh/v1/options_pb.js";
export * from "./gen/solvemesh/v1/result_pb.js";
export * from "./gen/solvemesh/v1/sweep_pb.js";
