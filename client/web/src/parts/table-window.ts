// Which rows of a long table are in view, and where they are drawn.

/**
 * The largest height of an element, in pixels. Browsers cut off what is higher than about 17
 * million. Longer tables are compressed: the scroll bar then moves over more rows per pixel.
 */
const MAX_HEIGHT = 10_000_000;

/** Rows drawn above and below the view, so that fast scrolling does not show gaps. */
const OVERSCAN = 8;

/** The sizes of a table, in pixels. */
export interface TableSize {
  rowCount: number;
  rowHeight: number;
  /** The height of the visible part, without the header. */
  viewHeight: number;
}

/** The rows to draw. */
export interface TableWindow {
  first: number;
  end: number;
  /** The distance from the top of the table to the first drawn row, in pixels. */
  offset: number;
  /** The height of the whole table, in pixels. */
  height: number;
}

/** The rows to draw at a scroll position. */
export function windowAt(size: TableSize, scrollTop: number): TableWindow {
  const { rowCount, rowHeight, viewHeight } = size;
  const height = Math.min(rowCount * rowHeight, MAX_HEIGHT);
  const scrolled = Math.min(Math.max(scrollTop, 0), Math.max(height - viewHeight, 0));
  const top = scrolled * compression(size);
  const first = Math.max(Math.floor(top / rowHeight) - OVERSCAN, 0);
  const end = Math.min(Math.ceil((top + viewHeight) / rowHeight) + OVERSCAN, rowCount);
  return { first, end, offset: scrolled - top + first * rowHeight, height };
}

/** The scroll position nearest to `scrollTop` at which a row is in view as a whole. */
export function scrollTo(size: TableSize, scrollTop: number, position: number): number {
  const factor = compression(size);
  const top = scrollTop * factor;
  const rowTop = position * size.rowHeight;
  if (rowTop < top) return rowTop / factor;
  const lowest = rowTop + size.rowHeight - size.viewHeight;
  return lowest > top ? lowest / factor : scrollTop;
}

/** Pixels of rows that one pixel of scrolling moves. */
function compression({ rowCount, rowHeight, viewHeight }: TableSize): number {
  const real = rowCount * rowHeight;
  return real <= MAX_HEIGHT ? 1 : (real - viewHeight) / (MAX_HEIGHT - viewHeight);
}
