// The curve of a measure over one parameter, or some curves, one for each value of another.

import { TerminationReason } from "../../gen/solvemesh/v1/result_pb";
import { parseHex } from "./colour-map";
import { type Columns, type Curve, Failure, type GatheredCurves, type Steps } from "./columns";
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

/** Up to this number of pixels per step, each point is drawn. */
const POINT_SPACING = 7;

/** The height of the strip with the scenarios that have no solution, in pixels. */
const STRIP = 8;

/** Plots curves over the steps of an axis. */
export function curvePlot(input: PlotInput, gathered: GatheredCurves): Plot {
  const { results, measure, width, height, palette, context } = input;
  const { range, steps, curves } = gathered;
  const { order, values } = steps;
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
  const pixelAt = (position: number) => {
    const step = order[position] as number;
    return x.pixel(steps.cells ? step : (values[step] as number));
  };
  const xs = columnPixels(gathered, pixelAt);
  const spacing = (area.right - area.left) / Math.max(order.length - 1, 1);

  const scenarioOf = (curve: Curve, position: number) =>
    curve.start + (order[position] as number) * curve.stride;
  const measured = (curve: Curve, position: number) =>
    measure.value(results, scenarioOf(curve, position));

  const drawCurve = (index: number) => {
    const color = colorOf(input, index);
    context.strokeStyle = color;
    context.lineJoin = "round";
    context.lineWidth = 2;
    context.beginPath();
    traceLine(context, xs, gathered.columns[index] as Columns, y);
    context.stroke();
    if (spacing < POINT_SPACING) return;
    const curve = curves[index] as Curve;
    const radius = Math.min(spacing / 4 + 1, 3.5);
    for (let position = 0; position < order.length; position++) {
      const value = measured(curve, position);
      if (Number.isNaN(value)) continue;
      const reason = results.reasons[scenarioOf(curve, position)];
      context.fillStyle = reason === TerminationReason.OPTIMAL ? color : palette.warn;
      dot(context, pixelAt(position), y.pixel(value), radius);
    }
  };

  // A soft area below a single curve. Of several, areas would hide each other.
  const drawArea = (columns: Columns, color: string) => {
    const fill = context.createLinearGradient(0, area.top, 0, area.bottom);
    fill.addColorStop(0, withAlpha(color, 0.2));
    fill.addColorStop(1, withAlpha(color, 0));
    context.fillStyle = fill;
    context.beginPath();
    traceArea(context, xs, columns, y, area.bottom);
    context.fill();
  };

  const drawStrip = ({ failures }: Columns) => {
    const half = Math.max(spacing, 1) / 2;
    for (let column = 0; column < failures.length; column++) {
      const failure = failures[column];
      if (!failure) continue;
      const first = column;
      // Neighbours are one rectangle, unless they lie apart.
      while (
        failures[column + 1] === failure &&
        (xs[column + 1] as number) - (xs[column] as number) <= 2 * half + 1
      ) {
        column += 1;
      }
      context.fillStyle = failure === Failure.NotFound ? palette.warn : palette.bad;
      const left = Math.floor(Math.max((xs[first] as number) - half, area.left));
      const right = Math.min(Math.ceil((xs[column] as number) + half), area.right);
      context.fillRect(left, area.bottom + 1, right - left, STRIP - 2);
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
      const position = steps.positions[step] as number;
      if (position >= order.length) continue;
      const value = measure.value(results, scenario);
      const at = Number.isNaN(value) ? area.bottom + STRIP / 2 : y.pixel(value);
      return { x: pixelAt(position), y: at };
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
      for (const columns of gathered.columns) drawStrip(columns);
      const [single, ...others] = gathered.columns;
      if (single && others.length === 0) drawArea(single, colorOf(input, 0));
      for (const index of curves.keys()) drawCurve(index);
      drawBest();
      if (curves.length > 1) drawLegend();
    },
    hit(pixel, at) {
      if (pixel < area.left - 12 || pixel > area.right + 14) return undefined;
      const position = nearest(order.length, pixelAt, pixel);
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

/** The pixel of each column. */
function columnPixels(
  { isDense, count, steps }: GatheredCurves,
  pixelAt: (position: number) => number,
): Float64Array {
  const pixels = new Float64Array(count);
  // Of cells, the axis begins half a cell before the middle of the first one.
  const first = pixelAt(0);
  const last = pixelAt(steps.order.length - 1);
  const half = steps.cells ? (last - first) / (steps.order.length - 1) / 2 : 0;
  const width = (last - first + 2 * half) / count;
  for (let column = 0; column < count; column++) {
    pixels[column] = isDense ? first - half + (column + 0.5) * width : pixelAt(column);
  }
  return pixels;
}

/**
 * Draws a line through columns: where one has several values, from one end of them to the other.
 * The line has a gap where a column has no value, unless the gap is narrower than a pixel.
 */
function traceLine(
  context: CanvasRenderingContext2D,
  xs: Float64Array,
  { lows, highs }: Columns,
  y: Scale,
): void {
  /** Where the line ended, and in which column. */
  let end = Number.NaN;
  let last = -1;
  for (let column = 0; column < xs.length; column++) {
    const low = lows[column] as number;
    const high = highs[column] as number;
    if (low > high) continue;
    const x = xs[column] as number;
    const isBroken = last < 0 || isGap(xs, last, column);
    const [from, to] = Math.abs(end - low) <= Math.abs(end - high) ? [low, high] : [high, low];
    if (isBroken) {
      context.moveTo(x, y.pixel(from));
      // A point without neighbours is a short line.
      context.lineTo(x + 0.5, y.pixel(from));
    } else {
      context.lineTo(x, y.pixel(from));
    }
    if (to !== from) context.lineTo(x, y.pixel(to));
    end = to;
    last = column;
  }
}

/** Draws the outline of the area between a line as that of `traceLine` and the bottom. */
function traceArea(
  context: CanvasRenderingContext2D,
  xs: Float64Array,
  { lows, highs }: Columns,
  y: Scale,
  bottom: number,
): void {
  let from = -1;
  let last = -1;
  const close = () => {
    if (from < 0) return;
    context.lineTo(xs[last] as number, bottom);
    context.lineTo(xs[from] as number, bottom);
    from = -1;
  };
  for (let column = 0; column < xs.length; column++) {
    if ((lows[column] as number) > (highs[column] as number)) continue;
    if (from >= 0 && isGap(xs, last, column)) close();
    const x = xs[column] as number;
    if (from < 0) {
      from = column;
      context.moveTo(x, bottom);
    }
    context.lineTo(x, y.pixel(highs[column] as number));
    last = column;
  }
  close();
}

/** Whether the columns between two of them are a gap that can be seen. */
function isGap(xs: Float64Array, last: number, column: number): boolean {
  return column - last > 1 && (xs[column - 1] as number) - (xs[last] as number) > 1;
}

function dot(context: CanvasRenderingContext2D, x: number, y: number, radius: number): void {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}

/** The position whose pixel is the nearest to `x`, of positions with ascending pixels. */
function nearest(
  length: number,
  pixelAt: (position: number) => number,
  x: number,
): number | undefined {
  if (length === 0) return undefined;
  let low = 0;
  let high = length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (pixelAt(middle) < x) low = middle + 1;
    else high = middle;
  }
  const before = low - 1;
  return before >= 0 && x - pixelAt(before) < pixelAt(low) - x ? before : low;
}
