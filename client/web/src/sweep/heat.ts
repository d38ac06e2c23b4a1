// The heat map of a measure over two parameters.

import type { Scenarios } from "../scenarios";
import { colourLevels, parseHex, pixelOf } from "./colour-map";
import type { Measure } from "./measure";
import { type Area, drawAxes, type Plot, type PlotInput, tickRoom } from "./plot";
import { cellScale } from "./scale";

/** An axis of a map: step `k` adds `k * stride` to the number of the scenario. */
export interface MapAxis {
  title: string;
  values: Float64Array;
  stride: number;
}

/** What the colours of a map depend on, besides the results. */
export interface MapInput {
  measure: Measure;
  /** Whether a larger objective is better. */
  maximise: boolean;
  /** Of a cell without a result. */
  idle: string;
  dark: boolean;
  x: MapAxis;
  y: MapAxis;
  /** The scenario at step 0 of both axes. */
  start: number;
}

/**
 * The cells of a map, kept up to date while results arrive: only those with new results are
 * coloured, unless the range of the values has grown.
 */
export class MapCells {
  /** By cell, from the top left: its colour as in `ImageData`; transparent without a solution. */
  readonly pixels: Uint32Array<ArrayBuffer>;
  private low = Number.POSITIVE_INFINITY;
  private high = Number.NEGATIVE_INFINITY;
  private seen = 0;

  constructor(
    private results: Scenarios,
    private readonly input: MapInput,
  ) {
    const { x, y, idle } = input;
    const cells = new Uint32Array(x.values.length * y.values.length);
    this.pixels = cells.fill(pixelOf(parseHex(idle)));
    this.add(results);
  }

  /** The range of the values; `undefined` if there are none. */
  get range(): readonly [number, number] | undefined {
    return this.low <= this.high ? [this.low, this.high] : undefined;
  }

  /** The same cells with the results that have arrived since; made again only if they have changed otherwise. */
  updated(results: Scenarios, input: MapInput): MapCells {
    const { measure, maximise, idle, dark, x, y, start } = this.input;
    const isSame =
      // The columns of the results are filled in place.
      results.objectives === this.results.objectives &&
      input.measure === measure &&
      input.maximise === maximise &&
      input.idle === idle &&
      input.dark === dark &&
      input.start === start &&
      input.x.values === x.values &&
      input.y.values === y.values;
    if (!isSame) return new MapCells(results, input);
    this.add(results);
    return this;
  }

  private add(results: Scenarios): void {
    const { low, high } = this;
    const { measure } = this.input;
    for (let k = this.seen; k < results.answered; k++) {
      const scenario = results.order[k] as number;
      if (this.cellOf(scenario) === undefined) continue;
      const value = measure.value(results, scenario);
      if (value < this.low) this.low = value;
      if (value > this.high) this.high = value;
    }
    this.colour(results, low === this.low && high === this.high ? this.seen : 0);
    this.seen = results.answered;
    this.results = results;
  }

  /** Colours the cells of the results from the one with this number in the order of arrival. */
  private colour(results: Scenarios, from: number): void {
    const { measure, maximise, dark } = this.input;
    const levels = colourLevels(dark);
    const [low, high] = this.range ?? [0, 1];
    const factor = (levels.length - 1) / (high - low || 1);
    const isBetterHigh = maximise || measure.key !== "objective";
    for (let k = from; k < results.answered; k++) {
      const scenario = results.order[k] as number;
      const cell = this.cellOf(scenario);
      if (cell === undefined) continue;
      const value = measure.value(results, scenario);
      const level = Math.round((isBetterHigh ? value - low : high - value) * factor);
      const shown = Math.min(Math.max(level, 0), levels.length - 1);
      this.pixels[cell] = Number.isNaN(value) ? 0 : (levels[shown] as number);
    }
  }

  /** The cell of a scenario, if it is one of this slice. Ascending values go to the right and up. */
  private cellOf(scenario: number): number | undefined {
    const { x, y, start } = this.input;
    const columns = x.values.length;
    const rows = y.values.length;
    const column = Math.floor((scenario - start) / x.stride) % columns;
    const row = Math.floor((scenario - start) / y.stride) % rows;
    if (start + column * x.stride + row * y.stride !== scenario) return undefined;
    const line = isDescending(y) ? row : rows - 1 - row;
    return line * columns + (isDescending(x) ? columns - 1 - column : column);
  }
}

function isDescending({ values }: MapAxis): boolean {
  return (values[values.length - 1] as number) < (values[0] as number);
}

/** Plots a measure over two axes. */
export function heatPlot(
  input: PlotInput,
  cells: MapCells,
  { x, y, start }: Pick<MapInput, "x" | "y" | "start">,
): Plot {
  const { width, height, context, palette } = input;
  const { range } = cells;
  const area: Area = { left: 0, right: width - 14, top: 28, bottom: height - 40 };
  const columns = x.values.length;
  const rows = y.values.length;
  const upwards = [area.bottom, area.top] as const;
  const yScale = cellScale(y.values, isDescending(y) ? [area.top, area.bottom] : upwards, 36);
  area.left = tickRoom(input, yScale.ticks);
  const toTheRight = [area.left, area.right] as const;
  const xScale = cellScale(x.values, isDescending(x) ? [area.right, area.left] : toTheRight, 70);
  const cellWidth = (area.right - area.left) / columns;
  const cellHeight = (area.bottom - area.top) / rows;

  return {
    range,
    draw() {
      // Cells without a solution are transparent, so that the hatching below them shows.
      context.fillStyle = hatching(context, palette.surface, palette.bad);
      context.fillRect(area.left, area.top, area.right - area.left, area.bottom - area.top);
      const image = imageOf(cells.pixels, columns, rows);
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

/** An image with one pixel for each cell. */
function imageOf(
  pixels: Uint32Array<ArrayBuffer>,
  columns: number,
  rows: number,
): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = rows;
  const image = new ImageData(new Uint8ClampedArray(pixels.buffer), columns, rows);
  canvas.getContext("2d")?.putImageData(image, 0, 0);
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
