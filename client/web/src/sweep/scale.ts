// Scales and ticks of the charts of a sweep.

import { roundStep } from "../chart/ticks";
import { number } from "../format";

/** Maps values to pixels. */
export interface Scale {
  /** The pixel of a value. */
  pixel(value: number): number;
  /** The value at a pixel. */
  value(pixel: number): number;
  ticks: Tick[];
}

/** A mark of an axis. */
export interface Tick {
  pixel: number;
  text: string;
}

/** A linear scale from `[low, high]` to pixels, with about one tick in `spacing` pixels. */
export function linearScale(
  [low, high]: readonly [number, number],
  [start, end]: readonly [number, number],
  spacing: number,
): Scale {
  const span = high - low || 1;
  const pixel = (value: number) => start + ((value - low) / span) * (end - start);
  const count = Math.max(Math.floor(Math.abs(end - start) / spacing), 1);
  return {
    pixel,
    value: (at) => low + ((at - start) / (end - start || 1)) * span,
    ticks: niceTicks(low, high, count).map(({ value, text }) => ({ pixel: pixel(value), text })),
  };
}

/** At most about `count` round numbers from `low` to `high`, with their texts. */
export function niceTicks(
  low: number,
  high: number,
  count: number,
): { value: number; text: string }[] {
  if (!(high > low)) return [{ value: low, text: tickText(low, 0) }];
  const step = roundStep((high - low) / count);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const ticks: { value: number; text: string }[] = [];
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  for (let k = first; k <= last; k++) {
    // Not first + k * step: sums of 0.1 are not round.
    const value = k * step;
    ticks.push({ value, text: tickText(value, decimals) });
  }
  return ticks;
}

function tickText(value: number, decimals: number): string {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 1e7 || size < 1e-4) return number(value, 4);
  return fixedFormat(Math.min(decimals, 8)).format(value);
}

/** Formats by their number of decimals. To make one takes longer than to draw a curve. */
const fixedFormats = new Map<number, Intl.NumberFormat>();

function fixedFormat(decimals: number): Intl.NumberFormat {
  let format = fixedFormats.get(decimals);
  if (!format) {
    format = new Intl.NumberFormat("en", {
      // As in `format.ts`: 1000, but 10,000.
      useGrouping: "min2",
      minimumFractionDigits: decimals,
      maximumFractionDigits: decimals,
    });
    fixedFormats.set(decimals, format);
  }
  return format;
}

/**
 * A scale of cells: value `k` lies in the middle of the cell `k`. Ticks are at round numbers where
 * the values are equal steps, otherwise at the values.
 */
export function cellScale(
  values: Float64Array,
  [start, end]: readonly [number, number],
  spacing: number,
): Scale {
  const cell = (end - start) / values.length;
  const pixel = (index: number) => start + (index + 0.5) * cell;
  const value = (at: number) =>
    Math.min(Math.max(Math.floor((at - start) / cell), 0), values.length - 1);
  const first = values[0] ?? 0;
  const last = values[values.length - 1] ?? 0;
  if (values.length > 12 && isEven(values)) {
    const inner = linearScale([first, last], [pixel(0), pixel(values.length - 1)], spacing);
    const ticks =
      first < last
        ? inner.ticks
        : niceTicks(last, first, Math.max(Math.floor(Math.abs(end - start) / spacing), 1)).map(
            (tick) => ({ pixel: inner.pixel(tick.value), text: tick.text }),
          );
    return { pixel, value, ticks };
  }
  const every = Math.max(Math.ceil((values.length * spacing) / Math.abs(end - start)), 1);
  const ticks: Tick[] = [];
  for (let index = 0; index < values.length; index += every) {
    ticks.push({ pixel: pixel(index), text: shortNumber(values[index] as number) });
  }
  return { pixel, value, ticks };
}

/** Whether values are equal steps. */
export function isEven(values: Float64Array): boolean {
  const first = values[0] as number;
  const step = ((values[values.length - 1] as number) - first) / (values.length - 1);
  if (!Number.isFinite(step) || step === 0) return false;
  return values.every((value, k) => Math.abs(first + k * step - value) <= Math.abs(step) * 1e-6);
}

/** A number for a label, with few digits. */
export function shortNumber(value: number): string {
  return number(value, 5);
}

/** The range of the finite values, widened by a part of it on both sides. */
export function paddedRange(low: number, high: number, part: number): [number, number] {
  if (!(low <= high)) return [0, 1];
  if (low === high) {
    const pad = Math.abs(low) * 0.1 || 1;
    return [low - pad, high + pad];
  }
  const pad = (high - low) * part;
  return [low - pad, high + pad];
}
