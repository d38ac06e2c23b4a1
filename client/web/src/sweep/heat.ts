// The heat map of a measure over two parameters.

import { colourLevels, parseHex, pixelOf } from "./colour-map";
import { type Area, drawAxes, type Plot, type PlotInput, tickRoom } from "./plot";
import { cellScale } from "./scale";

/** An axis of a map: step `k` adds `k * stride` to the number of the scenario. */
export interface MapAxis {
  title: string;
  values: Float64Array;
  stride: number;
}

/** Plots a measure over two axes; `start` is the scenario at step 0 of both. */
export function heatPlot(input: PlotInput, x: MapAxis, y: MapAxis, start: number): Plot {
  const { width, height, context, palette } = input;
  const range = rangeOf(input, x, y, start);
  const area: Area = { left: 0, right: width - 14, top: 28, bottom: height - 40 };
  const columns = x.values.length;
  const rows = y.values.length;
  // Ascending values go to the right and up.
  const flipX = (x.values[columns - 1] as number) < (x.values[0] as number);
  const flipY = (y.values[rows - 1] as number) < (y.values[0] as number);
  const yScale = cellScale(y.values, flipY ? [area.top, area.bottom] : [area.bottom, area.top], 36);
  area.left = tickRoom(input, yScale.ticks);
  const xScale = cellScale(x.values, flipX ? [area.right, area.left] : [area.left, area.right], 70);
  const cellWidth = (area.right - area.left) / columns;
  const cellHeight = (area.bottom - area.top) / rows;

  return {
    range,
    draw() {
      // Cells without a solution are transparent, so that the hatching below them shows.
      context.fillStyle = hatching(context, palette.surface, palette.bad);
      context.fillRect(area.left, area.top, area.right - area.left, area.bottom - area.top);
      const image = imageOf(input, x, y, start, range, flipX, !flipY);
      context.imageSmoothingEnabled = false;
      context.drawImage(image, area.left, area.top, area.right - area.left, area.bottom - area.top);
      drawAxes(
        input,
        area,
        { ticks: xScale.ticks, title: x.title },
        { ticks: yScale.ticks, title: y.title },
        false,
      );
    },
    hit(pixel, at) {
      if (pixel < area.left || pixel > area.right || at < area.top || at > area.bottom) {
        return undefined;
      }
      return start + xScale.value(pixel) * x.stride + yScale.value(at) * y.stride;
    },
    mark(scenario) {
      const stepX = Math.floor((scenario - start) / x.stride) % columns;
      const stepY = Math.floor((scenario - start) / y.stride) % rows;
      if (start + stepX * x.stride + stepY * y.stride !== scenario) return undefined;
      return {
        x: xScale.pixel(stepX),
        y: yScale.pixel(stepY),
        width: Math.max(cellWidth, 4),
        height: Math.max(cellHeight, 4),
      };
    },
  };
}

function rangeOf(
  { results, measure }: PlotInput,
  x: MapAxis,
  y: MapAxis,
  start: number,
): readonly [number, number] | undefined {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let row = 0; row < y.values.length; row++) {
    for (let column = 0; column < x.values.length; column++) {
      const value = measure.value(results, start + column * x.stride + row * y.stride);
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return low <= high ? [low, high] : undefined;
}

/** An image with one pixel for each cell. */
function imageOf(
  { results, measure, maximise, palette }: PlotInput,
  x: MapAxis,
  y: MapAxis,
  start: number,
  range: readonly [number, number] | undefined,
  flipX: boolean,
  flipY: boolean,
): HTMLCanvasElement {
  const columns = x.values.length;
  const rows = y.values.length;
  const levels = colourLevels(palette.dark);
  const unanswered = pixelOf(parseHex(palette.idle));
  const [low, high] = range ?? [0, 1];
  const factor = (levels.length - 1) / (high - low || 1);
  const isBetterHigh = maximise || measure.key !== "objective";
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  const image = new ImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  for (let row = 0; row < rows; row++) {
    const line = (flipY ? rows - 1 - row : row) * columns;
    for (let column = 0; column < columns; column++) {
      const scenario = start + column * x.stride + row * y.stride;
      const reason = results.reasons[scenario];
      const value = measure.value(results, scenario);
      const at = line + (flipX ? columns - 1 - column : column);
      if (!reason) pixels[at] = unanswered;
      if (!reason || Number.isNaN(value)) continue;
      const level = Math.round((isBetterHigh ? value - low : high - value) * factor);
      pixels[at] = levels[Math.min(Math.max(level, 0), levels.length - 1)] as number;
    }
  }
  context?.putImageData(image, 0, 0);
  return canvas;
}

/** Thin diagonal lines. */
function hatching(
  context: CanvasRenderingContext2D,
  background: string,
  color: string,
): CanvasPattern | string {
  const size = 7;
  const tile = document.createElement("canvas");
  tile.width = size;
  tile.height = size;
  const painter = tile.getContext("2d");
  if (!painter) return background;
  painter.fillStyle = background;
  painter.fillRect(0, 0, size, size);
  painter.strokeStyle = color;
  painter.globalAlpha = 0.55;
  painter.beginPath();
  for (const shift of [-size, 0, size]) {
    painter.moveTo(shift - 1, size + 1);
    painter.lineTo(shift + size + 1, -1);
  }
  painter.stroke();
  return context.createPattern(tile, "repeat") ?? background;
}
