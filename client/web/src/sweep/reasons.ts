// How scenarios ended, in words and colours.

import { TerminationLimit, TerminationReason } from "../../gen/solvemesh/v1/result_pb";
import type { Tone } from "../parts/Chip";

/** A reason in a word, and its tone. */
export function reasonWord(reason: TerminationReason): readonly [Tone, string] {
  switch (reason) {
    case TerminationReason.UNSPECIFIED:
      return ["idle", "no result yet"];
    case TerminationReason.OPTIMAL:
      return ["good", "optimal"];
    case TerminationReason.FEASIBLE:
      return ["warn", "feasible"];
    case TerminationReason.INFEASIBLE:
      return ["bad", "infeasible"];
    case TerminationReason.UNBOUNDED:
      return ["bad", "unbounded"];
    case TerminationReason.INFEASIBLE_OR_UNBOUNDED:
      return ["bad", "infeasible or unbounded"];
    case TerminationReason.IMPRECISE:
      return ["warn", "imprecise"];
    case TerminationReason.NO_SOLUTION_FOUND:
      return ["warn", "no solution found"];
    case TerminationReason.NUMERICAL_ERROR:
      return ["bad", "numerical error"];
    default:
      return ["bad", "error"];
  }
}

/** Whether a scenario has a solution that is known to be feasible. */
export function isSolved(reason: number): boolean {
  return reason === TerminationReason.OPTIMAL || reason === TerminationReason.FEASIBLE;
}

/** The limit that stopped a solve, in words; empty for none. */
export function limitWord(limit: TerminationLimit): string {
  switch (limit) {
    case TerminationLimit.UNSPECIFIED:
      return "";
    case TerminationLimit.TIME:
      return "time limit";
    case TerminationLimit.ITERATION:
      return "iteration limit";
    case TerminationLimit.NODE:
      return "node limit";
    case TerminationLimit.SOLUTION:
      return "solution limit";
    case TerminationLimit.MEMORY:
      return "memory limit";
    case TerminationLimit.OBJECTIVE:
      return "objective target";
    case TerminationLimit.INTERRUPTED:
      return "stopped";
    default:
      return "limit";
  }
}
