// The results of a sweep's scenarios, as columns.

import type { TerminationLimit, TerminationReason } from "../gen/solvemesh/v1/result_pb";
import type { ScenarioResult, SweepDescription } from "../gen/solvemesh/v1/sweep_pb";

/** Maximum number of values and duals that are kept, over all scenarios. */
export const MAX_KEPT_VALUES = 4_000_000;

/** The result of one scenario. Numbers that are not known are NaN. */
export interface ScenarioRow {
  index: number;
  label: string;
  /** UNSPECIFIED: there is no result yet. */
  reason: TerminationReason;
  limit: TerminationLimit;
  objective: number;
  bound: number;
  maxViolation: number;
  iterations: number;
  detail: string;
}

/**
 * The results by scenario. The columns are filled in place: for 100,000 scenarios a copy for each
 * message would cost more than the sweep. `answered` distinguishes versions.
 */
export interface Scenarios {
  /** Number of scenarios. */
  readonly count: number;
  /** Number of scenarios that have a result. */
  readonly answered: number;
  /** The scenarios in the order in which they were answered; the first `answered` are valid. */
  readonly order: Int32Array;
  /** By scenario: the number of its `TerminationReason`; 0 if there is no result yet. */
  readonly reasons: Uint8Array;
  readonly limits: Uint8Array;
  readonly objectives: Float64Array;
  readonly bounds: Float64Array;
  readonly maxViolations: Float64Array;
  readonly iterations: Float64Array;
  /** The labels and details of those scenarios that have one. */
  readonly labels: Map<number, string>;
  readonly details: Map<number, string>;
  /** Number of reported variables and constraints; 0 until the first answer. */
  readonly valueWidth: number;
  readonly dualWidth: number;
  /** `values[index * valueWidth + i]`, in the order of `SweepDescription.report`. */
  readonly values: Float64Array;
  readonly duals: Float64Array;
  /** True if values or duals were left out, as there are more than `MAX_KEPT_VALUES`. */
  readonly valuesDropped: boolean;
}

export function emptyScenarios(description: SweepDescription): Scenarios {
  const count = description.scenarioCount;
  const column = () => new Float64Array(count).fill(Number.NaN);
  return {
    count,
    answered: 0,
    order: new Int32Array(count),
    reasons: new Uint8Array(count),
    limits: new Uint8Array(count),
    objectives: column(),
    bounds: column(),
    maxViolations: column(),
    iterations: new Float64Array(count),
    labels: new Map(),
    details: new Map(),
    valueWidth: 0,
    dualWidth: 0,
    values: new Float64Array(0),
    duals: new Float64Array(0),
    valuesDropped: false,
  };
}

/** Adds results. Those of scenarios that have one already are ignored. */
export function addResults(scenarios: Scenarios, results: readonly ScenarioResult[]): Scenarios {
  let next = scenarios;
  if (next.valueWidth === 0 || next.dualWidth === 0) {
    // An infeasible scenario has no values.
    next = withRoomForValues(
      next,
      results.find((result) => result.values.length > 0),
    );
    next = withRoomForValues(
      next,
      results.find((result) => result.duals.length > 0),
    );
  }
  let { answered } = next;
  for (const result of results) {
    const { index } = result;
    if (index < 0 || index >= next.count || next.reasons[index] !== 0) continue;
    next.order[answered] = index;
    answered += 1;
    next.reasons[index] = result.reason;
    next.limits[index] = result.limit;
    next.objectives[index] = result.objective ?? Number.NaN;
    next.bounds[index] = result.objectiveBound ?? Number.NaN;
    next.maxViolations[index] = result.maxViolation ?? Number.NaN;
    next.iterations[index] = Number(result.iterationCount);
    if (result.label) next.labels.set(index, result.label);
    if (result.detail) next.details.set(index, result.detail);
    putValues(next.values, next.valueWidth, index, result.values);
    putValues(next.duals, next.dualWidth, index, result.duals);
  }
  return { ...next, answered };
}

/** The result of a scenario. */
export function scenarioAt(scenarios: Scenarios, index: number): ScenarioRow {
  return {
    index,
    label: scenarios.labels.get(index) ?? "",
    reason: scenarios.reasons[index] ?? 0,
    limit: scenarios.limits[index] ?? 0,
    objective: scenarios.objectives[index] ?? Number.NaN,
    bound: scenarios.bounds[index] ?? Number.NaN,
    maxViolation: scenarios.maxViolations[index] ?? Number.NaN,
    iterations: scenarios.iterations[index] ?? 0,
    detail: scenarios.details.get(index) ?? "",
  };
}

/** The scenarios with columns for values and duals, once it is known how many there are. */
function withRoomForValues(scenarios: Scenarios, sample: ScenarioResult | undefined): Scenarios {
  if (!sample) return scenarios;
  let next = scenarios;
  const { count } = scenarios;
  if (next.valueWidth === 0 && sample.values.length > 0) {
    const fits = sample.values.length * count <= MAX_KEPT_VALUES;
    next = fits
      ? { ...next, valueWidth: sample.values.length, values: unknown(sample.values.length * count) }
      : { ...next, valuesDropped: true };
  }
  if (next.dualWidth === 0 && sample.duals.length > 0) {
    const fits = sample.duals.length * count <= MAX_KEPT_VALUES;
    next = fits
      ? { ...next, dualWidth: sample.duals.length, duals: unknown(sample.duals.length * count) }
      : { ...next, valuesDropped: true };
  }
  return next;
}

function unknown(length: number): Float64Array {
  return new Float64Array(length).fill(Number.NaN);
}

function putValues(column: Float64Array, width: number, index: number, values: number[]): void {
  if (width > 0 && values.length === width) column.set(values, index * width);
}
