// The variables and constraints of a solution as rows of a table.

import type { Incumbent } from "../gen/solvemesh/v1/job_pb";
import type { SensitivityRanges, Solution } from "../gen/solvemesh/v1/result_pb";

export interface VariableRow {
  index: number;
  name: string;
  value: number;
  reducedCost: number | undefined;
  cost: Range | undefined;
  bound: Range | undefined;
}

export interface ConstraintRow {
  index: number;
  name: string;
  activity: number;
  dual: number | undefined;
  rightHandSide: Range | undefined;
}

/** The ends between which a number may move; see `SensitivityRanges`. */
export interface Range {
  lower: number;
  upper: number;
  objectiveAtLower: number;
  objectiveAtUpper: number;
}

/** Rows that are made when they are looked at: a solution may have a million. */
export interface Rows<T> {
  length: number;
  at(index: number): T;
}

export function variableRows(solution: Solution): Rows<VariableRow> {
  return {
    length: solution.values.length,
    at: (index) => ({
      index,
      name: solution.variableNames[index] || `x${index}`,
      value: solution.values[index] ?? Number.NaN,
      reducedCost: solution.reducedCosts[index],
      cost: rangeAt(solution.costRanges, index),
      bound: rangeAt(solution.boundRanges, index),
    }),
  };
}

export function constraintRows(solution: Solution): Rows<ConstraintRow> {
  return {
    length: solution.activities.length,
    at: (index) => ({
      index,
      name: solution.constraintNames[index] || `row ${index}`,
      activity: solution.activities[index] ?? Number.NaN,
      dual: solution.duals[index],
      rightHandSide: rangeAt(solution.rightHandSideRanges, index),
    }),
  };
}

/** The values of an incumbent, which may have some of the variables only. */
export function incumbentRows(incumbent: Incumbent): Rows<VariableRow> {
  return {
    length: incumbent.values.length,
    at: (position) => {
      const index = incumbent.variableIndices[position] ?? position;
      return {
        index,
        name: incumbent.variableNames[position] || `x${index}`,
        value: incumbent.values[position] ?? Number.NaN,
        reducedCost: undefined,
        cost: undefined,
        bound: undefined,
      };
    },
  };
}

function rangeAt(ranges: SensitivityRanges | undefined, index: number): Range | undefined {
  const lower = ranges?.lower[index];
  const upper = ranges?.upper[index];
  if (ranges === undefined || lower === undefined || upper === undefined) return undefined;
  return {
    lower,
    upper,
    objectiveAtLower: ranges.objectiveAtLower[index] ?? Number.NaN,
    objectiveAtUpper: ranges.objectiveAtUpper[index] ?? Number.NaN,
  };
}
