// An event as the list of events keeps it.

import { create } from "@bufbuild/protobuf";
import {
  IncumbentSchema,
  type JobEvent,
  JobEventSchema,
  JobFinishedSchema,
  LogLinesSchema,
  SolutionPartSchema,
} from "../gen/solvemesh/v1/job_pb";
import { type SolveResult, SolveResultSchema } from "../gen/solvemesh/v1/result_pb";
import { ScenarioResultsSchema } from "../gen/solvemesh/v1/sweep_pb";
import { dateOf } from "./time";

/** An event without its bulk: a story of an hour must not keep every value of every incumbent. */
export interface EventLine {
  sequence: number;
  time: Date | undefined;
  attempt: number;
  /** Number of events that were left out directly before this one. */
  skipped: number;
  event: JobEvent;
  /** Number of lines, values or results that the event had. */
  bulk: number;
}

export function eventLine(event: JobEvent): EventLine {
  const [kind, bulk] = withoutBulk(event.kind);
  return {
    sequence: event.sequence,
    time: dateOf(event.time),
    attempt: event.attempt,
    skipped: event.skippedCount,
    event: kind === event.kind ? event : create(JobEventSchema, { ...event, kind }),
    bulk,
  };
}

type Kind = JobEvent["kind"];

function withoutBulk(kind: Kind): [Kind, number] {
  switch (kind.case) {
    case "incumbent": {
      const { values } = kind.value;
      const bare = { ...kind.value, values: [], variableIndices: [], variableNames: [] };
      return [{ case: kind.case, value: create(IncumbentSchema, bare) }, values.length];
    }
    case "log": {
      const { lines, omittedCount } = kind.value;
      return [{ case: kind.case, value: create(LogLinesSchema, { omittedCount }) }, lines.length];
    }
    case "solutionPart": {
      const { index, count, solution } = kind.value;
      const value = create(SolutionPartSchema, { index, count });
      return [{ case: kind.case, value }, solution?.values.length ?? 0];
    }
    case "scenarioResults":
      return [{ case: kind.case, value: create(ScenarioResultsSchema) }, kind.value.results.length];
    case "finished": {
      const { result } = kind.value;
      const bare = { ...kind.value };
      if (result) bare.result = withoutSolution(result);
      return [
        { case: kind.case, value: create(JobFinishedSchema, bare) },
        result?.solution?.values.length ?? 0,
      ];
    }
    default:
      return [kind, 0];
  }
}

/** A result without its solution and basis. */
export function withoutSolution(result: SolveResult): SolveResult {
  const bare = { ...result };
  delete bare.solution;
  delete bare.basis;
  return create(SolveResultSchema, bare);
}
