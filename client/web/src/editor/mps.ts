import type { Token } from "./token";

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[ed][+-]?\d+)?$/i;
const INFINITE = /^[+-]?inf(?:inity)?$/i;
const BOUND = /^(?:up|lo|fx|fr|mi|pl|bv|li|ui|sc|si)$/i;
const MARKER = /^'(?:MARKER|INTORG|INTEND)'$/;
const FIELD = /\S+/g;

/** Splits a text in the MPS format into tokens. */
export function tokenizeMps(text: string): Token[] {
  const tokens: Token[] = [];
  let section = "";
  let start = 0;
  while (start <= text.length) {
    const found = text.indexOf("\n", start);
    const end = found < 0 ? text.length : found;
    const line = text.slice(start, end);
    if (line.startsWith("*")) {
      tokens.push({ kind: "comment", start, end });
    } else {
      const header = /^\S/.test(line);
      let index = 0;
      for (const field of line.matchAll(FIELD)) {
        const from = start + field.index;
        const to = from + field[0].length;
        if (header && index === 0) {
          section = field[0].toUpperCase();
          tokens.push({ kind: "keyword", start: from, end: to });
        } else if (index === 0 && section === "ROWS" && /^[nlge]$/i.test(field[0])) {
          tokens.push({ kind: "comparison", start: from, end: to });
        } else if (index === 0 && section === "BOUNDS" && BOUND.test(field[0])) {
          tokens.push({ kind: "comparison", start: from, end: to });
        } else if (section === "OBJSENSE" || MARKER.test(field[0])) {
          tokens.push({ kind: "keyword", start: from, end: to });
        } else if (index > 0 && (NUMBER.test(field[0]) || INFINITE.test(field[0]))) {
          tokens.push({ kind: "number", start: from, end: to });
        } else {
          tokens.push({ kind: index === 0 ? "label" : "name", start: from, end: to });
        }
        index += 1;
      }
    }
    start = end + 1;
  }
  return tokens;
}
