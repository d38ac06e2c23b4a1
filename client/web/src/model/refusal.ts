import type { Problem } from "../problem";

/** An error of a call, as a person wants to read it. */
export interface Refusal {
  /** What happened. */
  title: string;
  /** What to do about it. */
  advice: string;
}

/** An error of a submission in words. Errors of fields are shown at the fields too. */
export function refusalOf(problem: Problem): Refusal {
  switch (problem.reason) {
    case "SYNTAX_ERROR":
    case "INVALID_MODEL":
    case "UNSUPPORTED_FEATURE":
      return { title: problem.message, advice: "" };
    case "MODEL_TOO_LARGE":
      return {
        title: problem.message,
        advice: "The limit is the gateway's; its flags can raise it.",
      };
    case "REQUEST_TOO_LARGE":
      return {
        title: problem.message,
        advice: "Pack the model, with zstd if gzip is not enough.",
      };
    case "QUEUE_FULL":
      return {
        title: `The queue of ${problem.metadata.lane ? `the lane ${problem.metadata.lane}` : "this lane"} is full.`,
        advice: "Jobs leave it as workers finish them; more workers help.",
      };
    case "MESH_LIMIT_REACHED":
      return {
        title: `The mesh is at its limit${limitInWords(problem)}.`,
        advice: "It takes new jobs when running ones have finished.",
      };
    case "NO_WORKER":
      return {
        title: `No connected worker has ${problem.metadata.solver || "this solver"}.`,
        advice: "Choose another solver, or start a worker that has it.",
      };
    case "MESH_UNAVAILABLE":
      return {
        title: "The mesh cannot take jobs now.",
        advice: "The gateway does not reach its broker. Nothing was queued.",
      };
    case "OUTCOME_UNKNOWN":
      return {
        title: "The broker did not confirm the job in time.",
        advice: "The same request is sent again; it cannot become two jobs.",
      };
    case "SHUTTING_DOWN":
      return {
        title: "The gateway is shutting down.",
        advice: "Another one may answer in a moment.",
      };
    case "QUOTA_EXCEEDED": {
      const { quota, scope, limit } = problem.metadata;
      return {
        title: `The quota ${quota} of your ${scope} is used up: ${limit}.`,
        advice: "The view Usage shows by what.",
      };
    }
    case "ROLE_TOO_LOW":
      return {
        title: `The role of your token, ${problem.metadata.role}, may not submit jobs.`,
        advice: `A token with the role ${problem.metadata.required} may.`,
      };
    case "REQUEST_ID_TAKEN":
    case "REQUEST_ID_EXPIRED":
      return { title: problem.message, advice: "Solve again to send it as a new request." };
    default:
      return byCode(problem);
  }
}

function byCode(problem: Problem): Refusal {
  switch (problem.code) {
    case "UNAVAILABLE":
    case "UNKNOWN":
      return {
        title: "The gateway does not answer.",
        advice: `It may be restarting, or the network is down (${problem.message}).`,
      };
    case "DEADLINE_EXCEEDED":
      return {
        title: "The gateway took too long to answer.",
        advice:
          "If several tabs of this gateway are open, close some: a browser opens six connections to one address over plain HTTP.",
      };
    case "RESOURCE_EXHAUSTED":
      return { title: problem.message, advice: "The mesh has no room for it at this time." };
    default:
      return { title: problem.message, advice: "" };
  }
}

function limitInWords({ metadata }: Problem): string {
  if (!metadata.limit) return "";
  const value = metadata.value ? ` of ${Number(metadata.value).toLocaleString("en")}` : "";
  return `: ${metadata.limit}${value}`;
}
