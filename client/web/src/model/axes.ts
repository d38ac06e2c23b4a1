import { create } from "@bufbuild/protobuf";

import {
  type GridAxis,
  GridAxisSchema,
  ParameterKind,
  type ScenarioParameter,
  ScenarioParameterSchema,
  type Sweep,
  SweepSchema,
} from "../../gen/solvemesh/v1/sweep_pb";
import type { Symbols } from "../editor/symbols";
import { numberOf } from "./numbers";

/** An axis of a sweep as a person fills it in. */
export interface AxisForm {
  kind: ParameterKind;
  variable: string;
  constraint: string;
  from: string;
  to: string;
  points: string;
}

/** What an axis can change. */
export interface AxisKind {
  kind: ParameterKind;
  /** Its name in the menu. */
  title: string;
  /** The names that it needs. */
  needs: readonly ("variable" | "constraint")[];
}

/** The kinds of axes, in the order of the menu. */
export const AXIS_KINDS: readonly AxisKind[] = [
  { kind: ParameterKind.OBJECTIVE, title: "objective coefficient", needs: ["variable"] },
  { kind: ParameterKind.RIGHT_HAND_SIDE, title: "right-hand side", needs: ["constraint"] },
  { kind: ParameterKind.VARIABLE_UPPER, title: "upper bound", needs: ["variable"] },
  { kind: ParameterKind.VARIABLE_LOWER, title: "lower bound", needs: ["variable"] },
  { kind: ParameterKind.VARIABLE_FIXED, title: "fixed value", needs: ["variable"] },
  { kind: ParameterKind.COEFFICIENT, title: "coefficient", needs: ["constraint", "variable"] },
  { kind: ParameterKind.CONSTRAINT_LOWER, title: "row's lower bound", needs: ["constraint"] },
  { kind: ParameterKind.CONSTRAINT_UPPER, title: "row's upper bound", needs: ["constraint"] },
  { kind: ParameterKind.OBJECTIVE_OFFSET, title: "objective constant", needs: [] },
];

/** The axes of a grid that the page can show. */
export const MAX_AXES = 2;

/** The names that a kind of axis needs. */
export function needs(kind: ParameterKind): readonly ("variable" | "constraint")[] {
  return AXIS_KINDS.find((each) => each.kind === kind)?.needs ?? [];
}

/** The number of the model that an axis changes, if the text names one. */
export function currentValue(axis: AxisForm, symbols: Symbols): number | undefined {
  if (axis.kind === ParameterKind.OBJECTIVE) return symbols.objective.get(axis.variable);
  if (axis.kind === ParameterKind.RIGHT_HAND_SIDE)
    return symbols.rightHandSides.get(axis.constraint);
  return undefined;
}

/**
 * An axis to begin with: of the first coefficients of the objective and then right-hand sides
 * that no axis varies yet, from half its number to twice it.
 */
export function proposeAxis(symbols: Symbols, taken: readonly AxisForm[]): AxisForm {
  const blank = { variable: "", constraint: "", from: "", to: "", points: "21" };
  const free = (axis: AxisForm) => !taken.some((other) => sameParameter(other, axis));
  const prices = symbols.variables
    .filter((name) => symbols.objective.has(name))
    .map((variable): AxisForm => ({ ...blank, kind: ParameterKind.OBJECTIVE, variable }));
  const sides = symbols.constraints
    .filter((name) => symbols.rightHandSides.has(name))
    .map((constraint): AxisForm => ({ ...blank, kind: ParameterKind.RIGHT_HAND_SIDE, constraint }));
  // The last variable: in the product mix that is the one with the best rate.
  const candidates =
    taken.length === 0 ? [...prices.reverse(), ...sides] : [...sides.reverse(), ...prices];
  const axis = candidates.find(free) ?? { ...blank, kind: ParameterKind.OBJECTIVE };
  return { ...axis, ...range(currentValue(axis, symbols)) };
}

/** From half of a number to twice it, in round numbers. */
export function range(value: number | undefined): { from: string; to: string } {
  if (value === undefined) return { from: "", to: "" };
  if (value === 0) return { from: "0", to: "10" };
  const round = (number: number) => String(Number(number.toPrecision(2)));
  const ends = [round(value / 2), round(value * 2)];
  return { from: (value > 0 ? ends[0] : ends[1]) ?? "", to: (value > 0 ? ends[1] : ends[0]) ?? "" };
}

/** What is missing or wrong in an axis; empty if it is complete. */
export function axisError(axis: AxisForm, others: readonly AxisForm[]): string {
  for (const need of needs(axis.kind)) {
    if (!axis[need].trim()) return `name the ${need}`;
  }
  const from = numberOf(axis.from);
  const to = numberOf(axis.to);
  const points = numberOf(axis.points);
  if (from === undefined || Number.isNaN(from)) return "“from” is not a number";
  if (to === undefined || Number.isNaN(to)) return "“to” is not a number";
  if (points === undefined || !Number.isInteger(points) || points < 1) return "1 point or more";
  if (points < 2 && from !== to) return "2 points or more";
  if (others.some((other) => sameParameter(other, axis))) return "another axis varies this too";
  return "";
}

/** The number of scenarios, `NaN` while an axis has no number of points. */
export function scenarioCount(axes: readonly AxisForm[]): number {
  return axes.reduce((count, { points }) => count * (numberOf(points) ?? Number.NaN), 1);
}

/** What to return of each scenario beside its objective. */
export interface ReportForm {
  /** The values of all variables. */
  allVariables?: boolean;
  /** The values of these. */
  variables?: string[];
}

/** The sweep of complete axes. */
export function sweepOf(axes: readonly AxisForm[], report?: ReportForm): Sweep {
  return create(SweepSchema, {
    scenarios: { case: "grid", value: { axes: axes.map(axisOf) } },
    ...(report && { report }),
  });
}

function axisOf(axis: AxisForm): GridAxis {
  return create(GridAxisSchema, {
    parameter: parameterOf(axis),
    first: numberOf(axis.from),
    last: numberOf(axis.to),
    pointCount: numberOf(axis.points) ?? 0,
  });
}

function parameterOf(axis: AxisForm): ScenarioParameter {
  const parameter = create(ScenarioParameterSchema, { kind: axis.kind });
  for (const need of needs(axis.kind)) parameter[need] = axis[need].trim();
  return parameter;
}

function sameParameter(one: AxisForm, other: AxisForm): boolean {
  return (
    one.kind === other.kind &&
    needs(one.kind).every((need) => one[need].trim() === other[need].trim())
  );
}
