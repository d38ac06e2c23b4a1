import type {
  GetCapabilitiesResponse,
  SolverCapabilities,
} from "../../gen/solvemesh/v1/job_service_pb";
import { Solver } from "../../gen/solvemesh/v1/options_pb";
import type { FileLimits } from "./read-file";

/** The solvers' names, in the order of the menu. */
export const SOLVER_NAMES: readonly [Solver, string][] = [
  [Solver.AUTO, "mesh chooses"],
  [Solver.HIGHS, "HiGHS"],
  [Solver.CLARABEL, "Clarabel"],
  [Solver.MICROLP, "microlp"],
  [Solver.SCIP, "SCIP"],
  [Solver.CBC, "CBC"],
];

/** The name of a solver, of a request or of a result. */
export function solverName(solver: Solver): string {
  // Only in results, so it is not in the menu.
  if (solver === Solver.DENSE_SIMPLEX) return "dense simplex";
  return SOLVER_NAMES.find(([value]) => value === solver)?.[1] ?? "unknown solver";
}

/** What a solver can do. The mesh chooses HiGHS, so `AUTO` is as that. */
export function solverCapabilities(
  capabilities: GetCapabilitiesResponse | undefined,
  solver: Solver,
): SolverCapabilities | undefined {
  const wanted = solver === Solver.AUTO ? Solver.HIGHS : solver;
  return capabilities?.solvers.find((each) => each.solver === wanted);
}

/** Why a solver can't be chosen now; empty if it can. */
export function whyUnavailable(
  capabilities: GetCapabilitiesResponse | undefined,
  solver: Solver,
): string {
  if (!capabilities || solver === Solver.AUTO) return "";
  const found = solverCapabilities(capabilities, solver);
  if (!found) return "this gateway does not know it";
  return found.available ? "" : "no connected worker has it";
}

/** Whether a solver supports a field of the options, by its name in the API. */
export function supports(
  capabilities: GetCapabilitiesResponse | undefined,
  solver: Solver,
  field: string,
): boolean {
  if (!capabilities) return true;
  return solverCapabilities(capabilities, solver)?.supportedOptions.includes(field) ?? false;
}

/** The gateway's own limits, or its defaults where it has not told them yet. */
export function fileLimits(capabilities: GetCapabilitiesResponse | undefined): FileLimits {
  return {
    maxMessageBytes: Number(capabilities?.limits?.maxMessageBytes ?? 64n << 20n),
    maxModelBytes: Number(capabilities?.limits?.maxModelBytes ?? 512n << 20n),
  };
}
