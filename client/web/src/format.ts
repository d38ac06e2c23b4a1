// Numbers, times and sizes as people read them.

/** A number with at most `digits` significant digits and grouped thousands. */
export function number(x: number, digits = 7): string {
  if (Number.isNaN(x)) return "–";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
  const rounded = Number(x.toPrecision(digits));
  if (rounded === 0) return "0";
  const size = Math.abs(rounded);
  if (size >= 1e15 || size < 1e-4) {
    const [mantissa = "", exponent = "0"] = rounded.toExponential().split("e");
    return minus(`${mantissa}e${Number(exponent)}`);
  }
  const [whole = "", fraction] = size.toFixed(fractionDigits(size, digits)).split(".");
  const kept = fraction?.replace(/0+$/, "");
  return (rounded < 0 ? "−" : "") + grouped(whole) + (kept ? `.${kept}` : "");
}

/** A number with all of its digits, as it can be copied into a program. */
export function exact(x: number): string {
  if (Number.isNaN(x)) return "";
  if (!Number.isFinite(x)) return x > 0 ? "Infinity" : "-Infinity";
  return String(x === 0 ? 0 : x);
}

/** A time span: "0.02 s", "12.3 s", "3 min 20 s", "2 h 5 min", "3 d 4 h". */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "–";
  const span = Math.max(0, seconds);
  if (span < 0.001) return "0 s";
  if (span < 1) return `${Number(span.toPrecision(span < 0.1 ? 1 : 2))} s`;
  if (span < 60) return `${Number(span.toFixed(1))} s`;
  const whole = Math.round(span);
  if (whole < 3600) return pair(Math.floor(whole / 60), "min", whole % 60, "s");
  if (whole < 86_400)
    return pair(Math.floor(whole / 3600), "h", Math.floor((whole % 3600) / 60), "min");
  return pair(Math.floor(whole / 86_400), "d", Math.floor((whole % 86_400) / 3600), "h");
}

/** Ratios below this are errors of rounding, as in the gap of a MIP that is solved to its optimum. */
export const ROUNDING = 1e-9;

/** A ratio in percent with three significant digits: "4.23 %", "0 %". */
export function percent(ratio: number): string {
  if (!Number.isFinite(ratio)) return number(ratio);
  if (Math.abs(ratio) < ROUNDING) return "0 %";
  const value = ratio * 100;
  if (value !== 0 && Math.abs(value) < 0.0001) return `${value < 0 ? "−" : ""}< 0.0001 %`;
  return `${number(value, Math.abs(value) >= 1000 ? 4 : 3)} %`;
}

/** A count with grouped thousands: "12,345". */
export function count(n: number | bigint): string {
  return number(Number(n), 15);
}

/** A count with its noun: "1 variable", "12,345 variables". */
export function counted(n: number | bigint, noun: string, plural = `${noun}s`): string {
  return `${count(n)} ${Number(n) === 1 ? noun : plural}`;
}

/** How long ago something was: "just now", "12 s ago", "3 h ago", or the date. */
export function ago(date: Date, now = Date.now()): string {
  const seconds = Math.round((now - date.getTime()) / 1000);
  if (seconds < 3) return "just now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  if (seconds < 7 * 86_400) return `${Math.floor(seconds / 86_400)} d ago`;
  return date.toISOString().slice(0, 10);
}

/** A size in bytes: "812 B", "1.2 MB". */
export function bytes(n: number | bigint): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let size = Number(n);
  let unit = 0;
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${number(size, 3)} ${units[unit]}`;
}

/** The time of day by the local clock: "12:03:11". */
export function clock(date: Date): string {
  const two = (n: number) => String(n).padStart(2, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

function fractionDigits(size: number, digits: number): number {
  const before = Math.max(0, Math.floor(Math.log10(size)) + 1);
  const leading = size < 1 ? -Math.floor(Math.log10(size)) - 1 : 0;
  return Math.min(20, Math.max(0, digits - before + leading));
}

function grouped(whole: string): string {
  // Four digits are read without help: 3600, but 17,510.
  return whole.length < 5 ? whole : whole.replace(/\B(?=(\d{3})+$)/g, ",");
}

function minus(text: string): string {
  return text.replaceAll("-", "−");
}

function pair(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}
