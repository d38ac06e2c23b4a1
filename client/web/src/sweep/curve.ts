// The curve of a measure over one parameter, or some curves, one for each value of another.

import { TerminationReason } from "../../gen/solvemesh/v1/result_pb";
import { parseHex } from "./colour-map";
import {
  type Area,
  drawAxes,
  fitted,
  type Mark,
  type Plot,
  type PlotInput,
  TEXT_HEIGHT,
  tickRoom,
} from "./plot";
import { cellScale, linearScale, paddedRange, type Scale } from "./scale";

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
  order: Uint32Array;
  /** Steps are one cell each, because a value is infinite. */
  cells: boolean;
}

/** Up to this number of pixels per step, each point is drawn. */
const POINT_SPACING = 7;

/** The height of the strip with the scenarios that have no solution, in pixels. */
const STRIP = 8;

/** The steps of an axis. */
export function stepsOf(title: string, values: Float64Array): Steps {
  const order = new Uint32Array(values.length);
  for (let step = 0; step < order.length; step++) order[step] = step;
  if (!isAscending(values)) {
    order.sort((a, b) => {
      const left = values[a] as number;
      const right = values[b] as number;
      return left < right ? -1 : left > right ? 1 : a - b;
    });
  }
  return { title, values, order, cells: values.some((value) => !Number.isFinite(value)) };
}

function isAscending(values: Float64Array): boolean {
  for (let k = 1; k < values.length; k++) {
    if (!((values[k] as number) > (values[k - 1] as number))) return false;
  }
  return true;
}

/** Plots curves over the steps of an axis. */
export function curvePlot(input: PlotInput, steps: Steps, curves: readonly Curve[]): Plot {
  const { results, measure, width, height, palette, context } = input;
  const { order, values } = steps;
  const range = rangeOf(input, steps, curves);
  const legend = curves.length > 1 ? TEXT_HEIGHT + 6 : 0;
  const area: Area = {
    left: 0,
    right: width - 14,
    top: 28 + legend,
    bottom: height - 40 - STRIP,
  };
  const y = linearScale(
    range ? paddedRange(range[0], range[1], 0.07) : [0, 1],
    [area.bottom, area.top],
    44,
  );
  area.left = tickRoom(input, range ? y.ticks : []);
  const x = horizontalScale(steps, area);
  // Not Float64Array.from: it takes ten times as long, and this runs in each frame.
  const xs = new Float64Array(order.length);
  for (let position = 0; position < order.length; position++) {
    const step = order[position] as number;
    xs[position] = x.pixel(steps.cells ? step : (values[step] as number));
  }
  const spacing = (area.right - area.left) / Math.max(order.length - 1, 1);

  const scenarioOf = (curve: Curve, position: number) =>
    curve.start + (order[position] as number) * curve.stride;
  const measured = (curve: Curve, position: number) =>
    measure.value(results, scenarioOf(curve, position));

  const drawCurve = (curve: Curve, color: string) => {
    context.strokeStyle = color;
    context.lineJoin = "round";
    context.lineWidth = 2;
    context.beginPath();
    tracePath(context, xs, (position) => {
      const value = measured(curve, position);
      return Number.isNaN(value) ? value : y.pixel(value);
    });
    context.stroke();
    if (spacing < POINT_SPACING) return;
    const radius = Math.min(spacing / 4 + 1, 3.5);
    for (let position = 0; position < order.length; position++) {
      const value = measured(curve, position);
      if (Number.isNaN(value)) continue;
      const reason = results.reasons[scenarioOf(curve, position)];
      context.fillStyle = reason === TerminationReason.OPTIMAL ? color : palette.warn;
      dot(context, xs[position] as number, y.pixel(value), radius);
    }
  };

  // A soft area below a single curve. Of several, areas would hide each other.
  const drawArea = (curve: Curve, color: string) => {
    const fill = context.createLinearGradient(0, area.top, 0, area.bottom);
    fill.addColorStop(0, withAlpha(color, 0.2));
    fill.addColorStop(1, withAlpha(color, 0));
    context.fillStyle = fill;
    context.beginPath();
    let from = Number.NaN;
    let last = Number.NaN;
    const close = () => {
      if (Number.isNaN(from)) return;
      context.lineTo(last, area.bottom);
      context.lineTo(from, area.bottom);
      from = Number.NaN;
    };
    // One point for each column of pixels is enough for an area.
    const step = Math.max(Math.floor(order.length / (2 * width)), 1);
    for (let position = 0; position < order.length; position += step) {
      const value = measured(curve, position);
      if (Number.isNaN(value)) {
        close();
        continue;
      }
      const at = xs[position] as number;
      if (Number.isNaN(from)) {
        from = at;
        context.moveTo(at, area.bottom);
      }
      context.lineTo(at, y.pixel(value));
      last = at;
    }
    close();
    context.fill();
  };

  const drawStrip = () => {
    const tick = Math.max(spacing, 1);
    for (const curve of curves) {
      for (let position = 0; position < order.length; position++) {
        const reason = results.reasons[scenarioOf(curve, position)];
        if (!reason || !Number.isNaN(measured(curve, position))) continue;
        context.fillStyle =
          reason === TerminationReason.NO_SOLUTION_FOUND ? palette.warn : palette.bad;
        const left = Math.floor(Math.max((xs[position] as number) - tick / 2, area.left));
        const right = Math.min(Math.ceil((xs[position] as number) + tick / 2), area.right);
        context.fillRect(left, area.bottom + 1, right - left, STRIP - 2);
      }
    }
  };

  const drawBest = () => {
    if (input.best === undefined || curves.length > 1 || measure.key !== "objective") return;
    const mark = markOf(input.best);
    if (!mark) return;
    context.fillStyle = palette.surface;
    dot(context, mark.x, mark.y, 6);
    context.fillStyle = palette.best;
    dot(context, mark.x, mark.y, 4.5);
    context.font = palette.font;
    context.textBaseline = "middle";
    const isRight = mark.x > (area.left + area.right) / 2;
    context.textAlign = isRight ? "right" : "left";
    context.fillText("best", mark.x + (isRight ? -10 : 10), mark.y + (input.maximise ? -8 : 10));
  };

  const drawLegend = () => {
    context.font = palette.font;
    context.textAlign = "left";
    context.textBaseline = "middle";
    const room = (area.right - area.left) / curves.length;
    for (const [index, curve] of curves.entries()) {
      const left = area.left + index * room;
      context.fillStyle = colorOf(input, index);
      context.fillRect(left, area.top - 16, 14, 3);
      context.fillStyle = palette.text;
      context.fillText(fitted(context, curve.title, room - 26), left + 20, area.top - 15);
    }
  };

  const markOf = (scenario: number): Mark | undefined => {
    for (const curve of curves) {
      const step = (scenario - curve.start) / curve.stride;
      if (!Number.isInteger(step) || step < 0 || step >= values.length) continue;
      const position = steps.order === order ? positionOf(steps, step) : -1;
      if (position < 0) continue;
      const value = measure.value(results, scenario);
      const at = Number.isNaN(value) ? area.bottom + STRIP / 2 : y.pixel(value);
      return { x: xs[position] as number, y: at };
    }
    return undefined;
  };

  return {
    range,
    draw() {
      const titleArea = { ...area, top: area.top - legend };
      drawAxes(
        input,
        { ...area, bottom: area.bottom + STRIP },
        { ticks: [], title: "" },
        { ticks: range ? y.ticks : [], title: "" },
        true,
      );
      drawAxes(
        input,
        { ...titleArea, bottom: area.bottom + STRIP },
        { ticks: x.ticks, title: steps.title },
        { ticks: [], title: measure.title },
        false,
      );
      drawStrip();
      const [single, ...others] = curves;
      if (single && others.length === 0) drawArea(single, colorOf(input, 0));
      for (const [index, curve] of curves.entries()) drawCurve(curve, colorOf(input, index));
      drawBest();
      if (curves.length > 1) drawLegend();
    },
    hit(pixel, at) {
      if (pixel < area.left - 12 || pixel > area.right + 14) return undefined;
      const position = nearest(xs, pixel);
      if (position === undefined) return undefined;
      let hit: number | undefined;
      let distance = Number.POSITIVE_INFINITY;
      for (const curve of curves) {
        const value = measured(curve, position);
        const away = Number.isNaN(value) ? 1e6 : Math.abs(y.pixel(value) - at);
        if (away < distance) {
          distance = away;
          hit = scenarioOf(curve, position);
        }
      }
      return hit;
    },
    mark: markOf,
  };
}

/** A colour such as "#1d5fd1" with a transparency. */
function withAlpha(color: string, alpha: number): string {
  const [red, green, blue] = parseHex(color);
  return `rgb(${red} ${green} ${blue} / ${alpha})`;
}

function colorOf({ palette }: PlotInput, index: number): string {
  return palette.series[index % palette.series.length] as string;
}

function horizontalScale(steps: Steps, area: Area): Scale {
  const span = [area.left, area.right] as const;
  if (steps.cells) return cellScale(steps.values, span, 70);
  const first = steps.values[steps.order[0] as number] as number;
  const last = steps.values[steps.order[steps.order.length - 1] as number] as number;
  // The ends are scenarios too: half a dot of room for them.
  const inner = [area.left + 6, area.right - 6] as const;
  return first === last
    ? linearScale([first - 1, last + 1], inner, 70)
    : linearScale([first, last], inner, 80);
}

function rangeOf(
  { results, measure }: PlotInput,
  { values }: Steps,
  curves: readonly Curve[],
): readonly [number, number] | undefined {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const { start, stride } of curves) {
    for (let step = 0; step < values.length; step++) {
      const value = measure.value(results, start + step * stride);
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return low <= high ? [low, high] : undefined;
}

/**
 * Draws a line through points that ascend in x. Of the points in one column of pixels the lowest
 * and the highest are drawn, which looks the same as all of them. The line has a gap where
 * a step has no value, unless the gap is narrower than a pixel.
 */
function tracePath(
  context: CanvasRenderingContext2D,
  xs: Float64Array,
  yOf: (position: number) => number,
): void {
  let column = Number.NaN;
  let low = 0;
  let high = 0;
  let last = 0;
  let isDown = false;
  let gapFrom = Number.NaN;
  const flush = () => {
    if (Number.isNaN(column)) return;
    if (low !== high) {
      context.lineTo(column, low);
      context.lineTo(column, high);
    }
    context.lineTo(column, last);
  };
  for (let position = 0; position < xs.length; position++) {
    const y = yOf(position);
    const x = xs[position] as number;
    if (Number.isNaN(y)) {
      if (Number.isNaN(gapFrom)) gapFrom = position > 0 ? (xs[position - 1] as number) : x;
      continue;
    }
    const broken = !Number.isNaN(gapFrom) && x - gapFrom > 1;
    gapFrom = Number.NaN;
    const isDense = Math.abs(x - column) < 0.5;
    if (isDown && !broken && isDense) {
      low = Math.min(low, y);
      high = Math.max(high, y);
      last = y;
      continue;
    }
    flush();
    if (!isDown || broken) {
      context.moveTo(x, y);
      // A point without neighbours is a short line, which round caps make a dot.
      context.lineTo(x + 0.5, y);
    } else {
      context.lineTo(x, y);
    }
    isDown = true;
    column = x;
    low = y;
    high = y;
    last = y;
  }
  flush();
}

function dot(context: CanvasRenderingContext2D, x: number, y: number, radius: number): void {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}

/** The position of the number nearest to `x` among ascending ones. */
function nearest(xs: Float64Array, x: number): number | undefined {
  if (xs.length === 0) return undefined;
  let low = 0;
  let high = xs.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((xs[middle] as number) < x) low = middle + 1;
    else high = middle;
  }
  const before = low - 1;
  return before >= 0 && x - (xs[before] as number) < (xs[low] as number) - x ? before : low;
}

/** The position of a step in the order of the values. */
function positionOf({ order }: Steps, step: number): number {
  return order[step] === step ? step : order.indexOf(step);
}
