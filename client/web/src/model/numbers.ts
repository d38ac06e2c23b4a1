const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

/** The number that a field contains: nothing if it is empty, `NaN` if it is no finite number. */
export function numberOf(text: string): number | undefined {
  const trimmed = text.trim().replace(/^−/, "-");
  if (!trimmed) return undefined;
  const value = NUMBER.test(trimmed) ? Number(trimmed) : Number.NaN;
  return Number.isFinite(value) ? value : Number.NaN;
}

const SECONDS: Record<string, number> = { ms: 0.001, s: 1, m: 60, min: 60, h: 3600, d: 86400 };

/** The seconds that a field contains: `90`, `1.5 h`, `2m`. As `numberOf`. */
export function parseSeconds(text: string): number | undefined {
  const found = /^\s*([^a-z]*e?[^a-z]*?)\s*(ms|s|min|m|h|d)?\s*$/i.exec(text);
  if (!found) return Number.NaN;
  const value = numberOf(found[1] ?? "");
  if (value === undefined) return found[2] ? Number.NaN : undefined;
  return value * (SECONDS[found[2]?.toLowerCase() ?? "s"] ?? 1);
}
