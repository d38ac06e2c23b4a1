// The parameters of a sweep: what they are called, and their values in each scenario.

import {
  type GridAxis,
  ParameterKind,
  type ScenarioParameter,
  type ScenarioTable,
  type Sweep,
  type SweepDescription,
} from "../../gen/solvemesh/v1/sweep_pb";

/** An axis of a grid. */
export interface Axis {
  /** The name on the command line: `obj:Windows`. */
  name: string;
  /** The name in words. */
  title: string;
  values: Float64Array;
}

/** All combinations of the values of some axes. */
export interface Grid {
  kind: "grid";
  axes: Axis[];
  /** The distance between the numbers of two scenarios that differ by one step of an axis. */
  strides: number[];
}

/** A list of scenarios. */
export interface Table {
  kind: "table";
  /** The names on the command line. */
  names: string[];
  titles: string[];
  table: ScenarioTable;
}

/** What the scenarios change; `unknown` for a table, or a very large grid, that was sent elsewhere. */
export type Design = Grid | Table | { kind: "unknown" };

/** The design of a sweep, as it was sent or, if this browser did not send it, as it is described. */
export function designOf(sweep: Sweep | undefined, described?: SweepDescription): Design {
  switch (sweep?.scenarios.case) {
    case "grid":
      return gridOf(sweep.scenarios.value.axes);
    case "table": {
      const table = sweep.scenarios.value;
      const names = table.parameters.map(parameterName);
      return { kind: "table", names, titles: table.parameters.map(parameterTitle), table };
    }
    default:
      return described?.grid ? gridOf(described.grid.axes) : { kind: "unknown" };
  }
}

function gridOf(gridAxes: readonly GridAxis[]): Grid {
  const axes = gridAxes.map((axis) => ({
    name: axis.parameter ? parameterName(axis.parameter) : "",
    title: axis.parameter ? parameterTitle(axis.parameter) : "",
    values: axisValues(axis),
  }));
  const strides: number[] = [];
  let stride = 1;
  for (const axis of [...axes].reverse()) {
    strides.unshift(stride);
    stride *= axis.values.length;
  }
  return { kind: "grid", axes, strides };
}

/** The values of an axis, by the formula of docs/sweeps.md. */
export function axisValues(axis: GridAxis): Float64Array {
  if (axis.values.length > 0) return Float64Array.from(axis.values);
  const { first = 0, last = first, pointCount } = axis;
  const values = new Float64Array(Math.max(pointCount, 1));
  for (let k = 0; k < values.length; k++) {
    const s = k / (pointCount - 1);
    values[k] = k === 0 ? first : k === pointCount - 1 ? last : first * (1 - s) + last * s;
  }
  return values;
}

/** The step of a scenario along an axis of its grid. */
export function stepAlong(grid: Grid, axis: number, scenario: number): number {
  const length = grid.axes[axis]?.values.length ?? 1;
  return Math.floor(scenario / (grid.strides[axis] ?? 1)) % length;
}

/** The names of the parameters, as on the command line. */
export function parameterNames(design: Design): readonly string[] {
  switch (design.kind) {
    case "grid":
      return design.axes.map((axis) => axis.name);
    case "table":
      return design.names;
    case "unknown":
      return [];
  }
}

/** The names of the parameters, in words. */
export function parameterTitles(design: Design): readonly string[] {
  switch (design.kind) {
    case "grid":
      return design.axes.map((axis) => axis.title);
    case "table":
      return design.titles;
    case "unknown":
      return [];
  }
}

/** The value of a parameter in a scenario; `undefined` if it is that of the base model. */
export function parameterValue(
  design: Design,
  parameter: number,
  scenario: number,
): number | undefined {
  switch (design.kind) {
    case "grid":
      return design.axes[parameter]?.values[stepAlong(design, parameter, scenario)];
    case "table":
      return tableValue(design.table, parameter, scenario);
    case "unknown":
      return undefined;
  }
}

/**
 * The value of a parameter as it is shown. Equal steps that cross 0 miss it by a rounding error,
 * which is the exact value of the scenario but no news to a reader.
 */
export function shownValue(
  design: Design,
  parameter: number,
  scenario: number,
): number | undefined {
  const value = parameterValue(design, parameter, scenario);
  if (value === undefined || design.kind !== "grid") return value;
  const values = design.axes[parameter]?.values ?? [];
  const span = Math.abs((values[values.length - 1] ?? 0) - (values[0] ?? 0));
  return Math.abs(value) < span * 1e-12 ? 0 : value;
}

function tableValue(table: ScenarioTable, parameter: number, scenario: number): number | undefined {
  const { values, scenarioStarts, parameterIndices } = table;
  if (scenarioStarts.length === 0) return values[scenario * table.parameters.length + parameter];
  const end = scenarioStarts[scenario + 1] ?? 0;
  for (let k = scenarioStarts[scenario] ?? 0; k < end; k++) {
    if (parameterIndices[k] === parameter) return values[k];
  }
  return undefined;
}

/** The name of a parameter on the command line: `rhs:plant3`. */
export function parameterName(parameter: ScenarioParameter): string {
  const variable = parameter.variable || `#${parameter.variableIndex ?? "?"}`;
  const constraint = parameter.constraint || `#${parameter.constraintIndex ?? "?"}`;
  switch (parameter.kind) {
    case ParameterKind.OBJECTIVE:
      return `obj:${variable}`;
    case ParameterKind.OBJECTIVE_OFFSET:
      return "offset";
    case ParameterKind.VARIABLE_LOWER:
      return `lower:${variable}`;
    case ParameterKind.VARIABLE_UPPER:
      return `upper:${variable}`;
    case ParameterKind.VARIABLE_FIXED:
      return `fix:${variable}`;
    case ParameterKind.CONSTRAINT_LOWER:
      return `row-lower:${constraint}`;
    case ParameterKind.CONSTRAINT_UPPER:
      return `row-upper:${constraint}`;
    case ParameterKind.RIGHT_HAND_SIDE:
      return `rhs:${constraint}`;
    case ParameterKind.COEFFICIENT:
      // Two commas where a name has one, so that the command line can tell them apart.
      return /,/.test(variable + constraint)
        ? `coef:${constraint},,${variable}`
        : `coef:${constraint},${variable}`;
    default:
      return "parameter";
  }
}

/** The name of a parameter in words. */
export function parameterTitle(parameter: ScenarioParameter): string {
  const variable = parameter.variable || `variable ${parameter.variableIndex ?? "?"}`;
  const constraint = parameter.constraint || `constraint ${parameter.constraintIndex ?? "?"}`;
  switch (parameter.kind) {
    case ParameterKind.OBJECTIVE:
      return `objective coefficient of ${variable}`;
    case ParameterKind.OBJECTIVE_OFFSET:
      return "constant of the objective";
    case ParameterKind.VARIABLE_LOWER:
      return `lower bound of ${variable}`;
    case ParameterKind.VARIABLE_UPPER:
      return `upper bound of ${variable}`;
    case ParameterKind.VARIABLE_FIXED:
      return `${variable} fixed at`;
    case ParameterKind.CONSTRAINT_LOWER:
      return `lower bound of ${constraint}`;
    case ParameterKind.CONSTRAINT_UPPER:
      return `upper bound of ${constraint}`;
    case ParameterKind.RIGHT_HAND_SIDE:
      return `right-hand side of ${constraint}`;
    case ParameterKind.COEFFICIENT:
      return `coefficient of ${variable} in ${constraint}`;
    default:
      return "parameter";
  }
}
