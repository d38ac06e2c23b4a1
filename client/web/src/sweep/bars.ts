// Scenarios without an axis, sorted from the best to the worst: as bars with their labels, or, if
// there are many, as a curve over the rank.

import { TerminationReason } from "../../gen/solvemesh/v1/result_pb";
import { type Area, drawAxes, fitted, type Mark, type Plot, type PlotInput } from "./plot";
import { linearScale, paddedRange, shortNumber } from "./scale";

/** Up to this number of scenarios, each is a bar. */
export const MAX_BARS = 60;

/** The height of a bar with its margin, in pixels. */
const BAR = 24;

/** The height of a plot of bars, in pixels. */
export function barsHeight(count: number): number {
  return count * BAR + 28 + 40;
}

/** What a ranking depends on. */
type RankingInput = Pick<PlotInput, "results" | "measure" | "maximise">;

/**
 * The scenarios with a value, from the best to the worst, then those without a solution. `last` is
 * the same for the first results: only those that have arrived since are sorted, and merged into
 * it.
 */
export function ranked(
  { results, measure, maximise }: RankingInput,
  last: Uint32Array = new Uint32Array(0),
): Uint32Array {
  const sign = maximise || measure.key !== "objective" ? -1 : 1;
  const keyOf = (scenario: number) => {
    const value = measure.value(results, scenario);
    return Number.isNaN(value) ? Number.POSITIVE_INFINITY : sign * value;
  };
  const compare = (a: number, b: number) => {
    const left = keyOf(a);
    const right = keyOf(b);
    return left < right ? -1 : left > right ? 1 : a - b;
  };
  const added = results.order.slice(last.length, results.answered).sort(compare);
  const order = new Uint32Array(results.answered);
  let taken = 0;
  for (let k = 0, position = 0; position < order.length; position++) {
    const isLast =
      taken >= added.length ||
      (k < last.length && compare(last[k] as number, added[taken] as number) < 0);
    order[position] = isLast ? (last[k++] as number) : (added[taken++] as number);
  }
  return order;
}

/** Plots one bar for each scenario. */
export function barsPlot(
  input: PlotInput,
  order: Uint32Array,
  nameOf: (scenario: number) => string,
): Plot {
  const { results, measure, width, palette, context, maximise } = input;
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const scenario of order) {
    const value = measure.value(results, scenario);
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const range = low <= high ? ([low, high] as const) : undefined;
  context.font = palette.font;
  const names = Array.from(order, nameOf);
  const nameRoom = Math.min(
    Math.max(40, ...names.map((name) => context.measureText(name).width)) + 16,
    width * 0.4,
  );
  const valueRoom = width < 420 ? 60 : 76;
  const area: Area = {
    left: nameRoom,
    right: width - valueRoom,
    top: 28,
    bottom: 28 + order.length * BAR,
  };
  // Bars start at 0. Where that would make all of them look the same, they become dots on a
  // scale that is cut.
  const size = Math.max(Math.abs(low), Math.abs(high));
  const isCut = range !== undefined && low * high > 0 && high - low < 0.2 * size;
  const ends: [number, number] = !range
    ? [0, 1]
    : isCut
      ? paddedRange(low, high, 0.15)
      : [Math.min(low, 0), Math.max(high, 0)];
  const x = linearScale(ends[0] === ends[1] ? [0, 1] : ends, [area.left, area.right], 90);
  const positions = new Map(Array.from(order, (scenario, position) => [scenario, position]));
  const middle = (position: number) => area.top + (position + 0.5) * BAR;

  const drawRow = (scenario: number, position: number) => {
    const at = middle(position);
    const value = measure.value(results, scenario);
    const reason = results.reasons[scenario];
    context.font = palette.font;
    context.textBaseline = "middle";
    context.textAlign = "right";
    context.fillStyle = palette.text;
    context.fillText(fitted(context, names[position] ?? "", nameRoom - 12), area.left - 10, at);
    context.textAlign = "left";
    if (Number.isNaN(value)) {
      context.fillStyle =
        reason === TerminationReason.NO_SOLUTION_FOUND ? palette.warn : palette.bad;
      context.fillText("no solution", area.left + 6, at);
      return;
    }
    const isBest = measure.key === "objective" && scenario === input.best;
    context.fillStyle = isBest
      ? palette.best
      : reason === TerminationReason.OPTIMAL
        ? (palette.series[0] as string)
        : palette.warn;
    const end = x.pixel(value);
    if (isCut) {
      context.beginPath();
      context.arc(end, at, 5, 0, 2 * Math.PI);
      context.fill();
    } else {
      const from = x.pixel(0);
      context.fillRect(Math.min(from, end), at - 7, Math.max(Math.abs(end - from), 1), 14);
    }
    context.fillStyle = palette.text;
    context.fillText(shortNumber(value), area.right + 8, at);
  };

  return {
    range,
    draw() {
      context.strokeStyle = palette.line;
      context.lineWidth = 1;
      for (const { pixel } of x.ticks) {
        context.beginPath();
        context.moveTo(Math.round(pixel) + 0.5, area.top);
        context.lineTo(Math.round(pixel) + 0.5, area.bottom);
        context.stroke();
      }
      drawAxes(
        input,
        area,
        { ticks: x.ticks, title: isCut ? "the axis does not begin at 0" : "" },
        {
          ticks: [],
          title: `${measure.title}, ${maximise || measure.key !== "objective" ? "largest" : "smallest"} first`,
        },
        false,
      );
      for (const [position, scenario] of order.entries()) drawRow(scenario, position);
    },
    hit(_, at) {
      const position = Math.floor((at - area.top) / BAR);
      return at >= area.top ? order[position] : undefined;
    },
    mark(scenario): Mark | undefined {
      const position = positions.get(scenario);
      if (position === undefined) return undefined;
      return { x: width / 2, y: middle(position), width, height: BAR };
    },
  };
}
