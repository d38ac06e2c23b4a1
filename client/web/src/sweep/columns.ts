// The values of curves by column of the plot, kept up to date while results arrive.
//
// A frame must not look at each of 100,000 scenarios. So the values are gathered in columns, which
// take up only the results that are new, and a drawing takes as long as the plot is wide.

import { TerminationReason } from "../../gen/solvemesh/v1/result_pb";
import type { Scenarios } from "../scenarios";
import type { Measure } from "./measure";

/** The scenarios of a curve: step `k` of it is the scenario `start + k * stride`. */
export interface Curve {
  start: number;
  stride: number;
  /** What the curve is of, if there are several. */
  title: string;
}

/** The horizontal axis: the value of each step, and the steps by ascending value. */
export interface Steps {
  title: string;
  values: Float64Array;
  /** By position from the left: the step. Steps may be missing. */
  order: Uint32Array;
  /** By step: its position from the left; the number of steps if it is not in `order`. */
  positions: Uint32Array;
  /** Steps are one cell each, because a value is infinite. */
  cells: boolean;
}

/** Why a column has scenarios without a solution; the worst reason of them. */
export enum Failure {
  None = 0,
  /** No solution was found in the time. */
  NotFound = 1,
  /** There is none, or the solver failed. */
  NoSolution = 2,
}

/** A step of an axis has a column of its own, unless there are this many in a column. */
const MIN_STEPS_IN_COLUMN = 2;

/** The columns of one curve. */
export interface Columns {
  /** By column: the lowest and the highest value. Empty: `Infinity` and `-Infinity`. */
  lows: Float64Array;
  highs: Float64Array;
  /** By column: a `Failure`. */
  failures: Uint8Array;
}

/** The steps of an axis. */
export function stepsOf(title: string, values: Float64Array): Steps {
  const order = new Uint32Array(values.length);
  for (let step = 0; step < order.length; step++) order[step] = step;
  let positions = order;
  if (!isAscending(values)) {
    order.sort((a, b) => {
      const left = values[a] as number;
      const right = values[b] as number;
      return left < right ? -1 : left > right ? 1 : a - b;
    });
    positions = inverse(order, values.length);
  }
  const cells = values.some((value) => !Number.isFinite(value));
  return { title, values, order, positions, cells };
}

/** By step: its position in an order of some of `count` steps; `count` if it is not in it. */
export function inverse(order: Uint32Array, count: number) {
  const positions = new Uint32Array(count).fill(count);
  for (let position = 0; position < order.length; position++) {
    positions[order[position] as number] = position;
  }
  return positions;
}

function isAscending(values: Float64Array): boolean {
  for (let k = 1; k < values.length; k++) {
    if (!((values[k] as number) > (values[k - 1] as number))) return false;
  }
  return true;
}

/** Curves over the steps of an axis, gathered in columns. */
export class GatheredCurves {
  /** By curve. */
  readonly columns: Columns[];
  /** Whether a column has several steps. Then columns are equal parts of the axis. */
  readonly isDense: boolean;
  /** Number of columns. */
  readonly count: number;
  private low = Number.POSITIVE_INFINITY;
  private high = Number.NEGATIVE_INFINITY;
  private seen = 0;
  private results: Scenarios;

  /** `maxColumns` is the number of columns that can be distinguished. */
  constructor(
    results: Scenarios,
    readonly measure: Measure,
    readonly steps: Steps,
    readonly curves: readonly Curve[],
    readonly maxColumns: number,
  ) {
    this.results = results;
    this.isDense = steps.order.length >= MIN_STEPS_IN_COLUMN * maxColumns;
    this.count = this.isDense ? maxColumns : steps.order.length;
    this.columns = curves.map(() => ({
      lows: new Float64Array(this.count).fill(Number.POSITIVE_INFINITY),
      highs: new Float64Array(this.count).fill(Number.NEGATIVE_INFINITY),
      failures: new Uint8Array(this.count),
    }));
    this.add(results);
  }

  /** The range of the values; `undefined` if there are none. */
  get range(): readonly [number, number] | undefined {
    return this.low <= this.high ? [this.low, this.high] : undefined;
  }

  /** The same curves with the results that have arrived since; gathered again only if they have changed otherwise. */
  updated(
    results: Scenarios,
    measure: Measure,
    steps: Steps,
    curves: readonly Curve[],
    maxColumns: number,
  ): GatheredCurves {
    const isSame =
      // The columns of the results are filled in place.
      results.objectives === this.results.objectives &&
      measure === this.measure &&
      steps === this.steps &&
      curves === this.curves &&
      maxColumns === this.maxColumns;
    if (!isSame) return new GatheredCurves(results, measure, steps, curves, maxColumns);
    this.add(results);
    return this;
  }

  private add(results: Scenarios): void {
    const { measure, curves, columns } = this;
    const { values, cells, order, positions } = this.steps;
    const length = values.length;
    const first = values[order[0] as number] as number;
    const span = (values[order[order.length - 1] as number] as number) - first;
    // Parts of the axis, by step if steps are cells.
    const factor = this.count / (cells ? length : span || 1);
    for (let k = this.seen; k < results.answered; k++) {
      const scenario = results.order[k] as number;
      const value = measure.value(results, scenario);
      for (let index = 0; index < curves.length; index++) {
        const { start, stride } = curves[index] as Curve;
        const step = (scenario - start) / stride;
        if (!Number.isInteger(step) || step < 0 || step >= length) continue;
        let column = positions[step] as number;
        // Steps without a position are not drawn: a ranking lags behind the results.
        if (column >= order.length) continue;
        if (this.isDense) {
          const place = (cells ? step : (values[step] as number) - first) * factor;
          column = Math.min(Math.floor(place), this.count - 1);
        }
        const { lows, highs, failures } = columns[index] as Columns;
        if (Number.isNaN(value)) {
          const failure = failureOf(results.reasons[scenario] as number);
          if (failure > (failures[column] as number)) failures[column] = failure;
          continue;
        }
        if (value < (lows[column] as number)) lows[column] = value;
        if (value > (highs[column] as number)) highs[column] = value;
        if (value < this.low) this.low = value;
        if (value > this.high) this.high = value;
      }
    }
    this.seen = results.answered;
    this.results = results;
  }
}

function failureOf(reason: TerminationReason): Failure {
  return reason === TerminationReason.NO_SOLUTION_FOUND ? Failure.NotFound : Failure.NoSolution;
}
