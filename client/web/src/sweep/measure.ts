// What the charts of a sweep can show of a scenario.

import type { SweepDescription } from "../../gen/solvemesh/v1/sweep_pb";
import type { Scenarios } from "../scenarios";
import { isSolved } from "./reasons";

/** A number of each scenario. */
export interface Measure {
  key: string;
  title: string;
  /** The number of a scenario; NaN if it has none. */
  value(results: Scenarios, scenario: number): number;
}

/** Further reported values are in the table, but not in the choice of measures. */
const MAX_CHOICES = 200;

/** The objective of those scenarios that have a solution. */
export const OBJECTIVE: Measure = {
  key: "objective",
  title: "objective",
  value: (results, scenario) =>
    isSolved(results.reasons[scenario] ?? 0)
      ? (results.objectives[scenario] as number)
      : Number.NaN,
};

const ITERATIONS: Measure = {
  key: "iterations",
  title: "iterations",
  value: (results, scenario) =>
    results.reasons[scenario] ? (results.iterations[scenario] as number) : Number.NaN,
};

/** The names of the reported variables; by index if all are reported, as only the mesh has names. */
export function valueNames(sweep: SweepDescription, results: Scenarios): string[] {
  return sweep.report?.variables.length
    ? [...sweep.report.variables]
    : Array.from({ length: results.valueWidth }, (_, index) => `#${index}`);
}

/** The names of the reported constraints. */
export function dualNames(sweep: SweepDescription, results: Scenarios): string[] {
  return sweep.report?.constraints.length
    ? [...sweep.report.constraints]
    : Array.from({ length: results.dualWidth }, (_, index) => `#${index}`);
}

/** All that a chart can show. */
export function measuresOf(sweep: SweepDescription, results: Scenarios): Measure[] {
  const values = results.valueWidth > 0 ? valueNames(sweep, results) : [];
  const duals = results.dualWidth > 0 ? dualNames(sweep, results) : [];
  const choices: Measure[] = [OBJECTIVE];
  for (const [index, name] of values.slice(0, MAX_CHOICES).entries()) {
    choices.push({
      key: `value:${name}`,
      title: name,
      value: (from, scenario) => from.values[scenario * from.valueWidth + index] ?? Number.NaN,
    });
  }
  for (const [index, name] of duals.slice(0, MAX_CHOICES).entries()) {
    choices.push({
      key: `dual:${name}`,
      title: `dual of ${name}`,
      value: (from, scenario) => from.duals[scenario * from.dualWidth + index] ?? Number.NaN,
    });
  }
  choices.push(ITERATIONS);
  return choices;
}

/** The scenarios with the best and the worst objective, the first one of several. */
export interface Extremes {
  best: number | undefined;
  worst: number | undefined;
}

/** The best and the worst scenario so far. */
export function extremesOf(results: Scenarios, maximise: boolean): Extremes {
  let best: number | undefined;
  let worst: number | undefined;
  const sign = maximise ? 1 : -1;
  let high = Number.NEGATIVE_INFINITY;
  let low = Number.POSITIVE_INFINITY;
  for (let k = 0; k < results.answered; k++) {
    const scenario = results.order[k] as number;
    if (!isSolved(results.reasons[scenario] as number)) continue;
    const value = sign * (results.objectives[scenario] as number);
    if (value > high) {
      high = value;
      best = scenario;
    }
    if (value < low) {
      low = value;
      worst = scenario;
    }
  }
  return { best, worst };
}

/** Number of results by reason, in the order of the reasons, without those that have none. */
export function countsOf(results: Scenarios): { reason: number; count: number }[] {
  const counts = new Int32Array(16);
  for (let k = 0; k < results.answered; k++) {
    const reason = results.reasons[results.order[k] as number] as number;
    counts[reason] = (counts[reason] ?? 0) + 1;
  }
  return Array.from(counts, (count, reason) => ({ reason, count })).filter(
    ({ count, reason }) => count > 0 && reason > 0,
  );
}
