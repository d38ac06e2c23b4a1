// The lines of a chart as paths of pixels.

/** What a path is drawn with: a canvas or a `Path2D`. */
export interface Pen {
  moveTo(x: number, y: number): void;
  lineTo(x: number, y: number): void;
}

/** A series to draw: values over time, NaN where there is none. */
export interface Series {
  seconds: Float64Array;
  values: Float64Array;
  /** The indices to draw, `first` included, `end` not. */
  first: number;
  end: number;
}

export interface Pixels {
  x(seconds: number): number;
  y(value: number): number;
  /** The last value holds up to here. */
  right: number;
}

/**
 * Draws a series as steps: a value holds until the next one. NaN ends the line.
 *
 * Of all points in one column of pixels only the lowest, the highest and the last are drawn, so
 * that 100,000 points cost as much as there are pixels, and none is left out that could be seen.
 */
export function stepPath(pen: Pen, series: Series, pixels: Pixels): void {
  const { seconds, values, first, end } = series;
  let before: number | undefined;
  let column = Number.NaN;
  let top = 0;
  let bottom = 0;
  let last = 0;
  const flush = () => {
    if (Number.isNaN(column)) return;
    if (before === undefined) pen.moveTo(column, last);
    else {
      pen.lineTo(column, before);
      if (top < Math.min(before, last)) pen.lineTo(column, top);
      if (bottom > Math.max(before, last)) pen.lineTo(column, bottom);
      if (last !== before || top !== bottom) pen.lineTo(column, last);
    }
    before = last;
    column = Number.NaN;
  };
  for (let index = first; index < end; index++) {
    const value = values[index]!;
    if (Number.isNaN(value)) {
      flush();
      before = undefined;
      continue;
    }
    const x = Math.round(pixels.x(seconds[index]!) * 2) / 2;
    const y = pixels.y(value);
    if (x !== column) {
      flush();
      column = x;
      top = y;
      bottom = y;
    }
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
    last = y;
  }
  flush();
  if (before !== undefined) pen.lineTo(pixels.right, before);
}
