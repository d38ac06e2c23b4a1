/** The offset at which each line of a text starts. */
export function lineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) {
    starts.push(at + 1);
  }
  return starts;
}

/**
 * The offset of a line and column as the gateway counts them: from 1, columns in characters, of
 * which some take two places of a JavaScript string. A place beyond the line is at its end.
 */
export function offsetOf(
  text: string,
  starts: readonly number[],
  line: number,
  column: number,
): number {
  const index = Math.min(Math.max(line, 1), starts.length) - 1;
  const start = starts[index] ?? 0;
  const next = starts[index + 1];
  const end = next === undefined ? text.length : next - 1;
  let at = start;
  for (let passed = 1; passed < column && at < end; passed += 1) {
    at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
  }
  return Math.min(at, end);
}

/** The line of an offset, from 1. */
export function lineOf(starts: readonly number[], offset: number): number {
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((starts[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return low + 1;
}

/** The columns that a line takes on the screen. */
export function columnsOf(text: string, starts: readonly number[], line: number): number {
  const start = starts[line - 1];
  if (start === undefined) return 0;
  const next = starts[line];
  return width(text, start, next === undefined ? text.length : next - 1);
}

/** The columns of the widest line. */
export function widestLine(text: string): number {
  let widest = 0;
  let start = 0;
  while (start <= text.length) {
    const found = text.indexOf("\n", start);
    const end = found < 0 ? text.length : found;
    // No character takes more than the eight columns of a tab.
    if ((end - start) * 8 > widest) widest = Math.max(widest, width(text, start, end));
    start = end + 1;
  }
  return widest;
}

/** Characters of East Asian scripts and signs above the basic plane are two columns wide. */
function width(text: string, start: number, end: number): number {
  let columns = 0;
  for (let at = start; at < end; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 9) columns += 8 - (columns % 8);
    else columns += code >= 0x1100 && (code < 0xd800 || code > 0xdfff) ? 2 : 1;
  }
  return columns;
}
