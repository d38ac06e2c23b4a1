import { MAX_HIGHLIGHT, tokensOf } from "./highlight";
import type { TextFormat, Token } from "./token";

/**
 * The names in a model's text and some of its numbers, to complete names and to propose values.
 * Only the gateway reads the model; this is a quick look at text that may be wrong.
 */
export interface Symbols {
  /** The variables, in the order of their first use. */
  variables: string[];
  /** The named constraints. */
  constraints: string[];
  /** The objective coefficients. */
  objective: Map<string, number>;
  /** The right-hand sides of the named constraints. */
  rightHandSides: Map<string, number>;
  /** Whether it declares variables that are integer. */
  integers: boolean;
}

/** The symbols of a text; none if it is too long for a look while typing. */
export function symbolsOf(text: string, format: TextFormat): Symbols {
  if (text.length > MAX_HIGHLIGHT) return empty();
  const tokens = tokensOf(text, format);
  return format === "lp" ? ofLp(text, tokens) : ofMps(text, tokens);
}

function empty(): Symbols {
  return {
    variables: [],
    constraints: [],
    objective: new Map(),
    rightHandSides: new Map(),
    integers: false,
  };
}

function ofLp(text: string, tokens: readonly Token[]): Symbols {
  const symbols = empty();
  const seen = new Set<string>();
  let section: "objective" | "constraints" | "other" = "other";
  let label = "";
  let sign = 1;
  let coefficient: number | undefined;
  let compared = false;
  for (const { kind, start, end } of tokens) {
    const word = text.slice(start, end);
    if (kind === "keyword" || kind === "unsupported") {
      if (/^m(?:in|ax)/i.test(word)) section = "objective";
      else if (/^(?:s\.t|st|subject|such)/i.test(word)) section = "constraints";
      else if (kind === "keyword" && !/^free$/i.test(word)) {
        symbols.integers ||= /^(?:gen|int|bin|semi-int)/i.test(word);
        section = "other";
      }
    }
    if (section === "other") continue;
    if (kind === "operator") {
      if (word === "*") continue;
      // A number before a sign is a constant, and the sign begins another term.
      if (coefficient !== undefined) {
        coefficient = undefined;
        sign = 1;
      }
      if (word === "-") sign = -sign;
      continue;
    }
    if (kind === "number") {
      coefficient = Number(word);
      if (compared && label) symbols.rightHandSides.set(label, sign * coefficient);
      continue;
    }
    if (kind === "label") {
      label = section === "constraints" ? word.replace(/[ \t]*:$/, "") : "";
      if (label) symbols.constraints.push(label);
      compared = false;
    } else if (kind === "comparison") {
      compared = true;
    } else if (kind === "name") {
      if (!seen.has(word)) {
        seen.add(word);
        symbols.variables.push(word);
      }
      if (section === "objective") {
        const value = sign * (coefficient ?? 1);
        symbols.objective.set(word, (symbols.objective.get(word) ?? 0) + value);
      }
      // A right side with a variable is not a number of its own.
      if (compared) symbols.rightHandSides.delete(label);
    }
    sign = 1;
    coefficient = undefined;
  }
  return symbols;
}

function ofMps(text: string, tokens: readonly Token[]): Symbols {
  const symbols = empty();
  const seen = new Set<string>();
  const rows = new Set<string>();
  let objective = "";
  let section = "";
  let fields: string[] = [];
  const flush = () => {
    const first = fields[0];
    if (first === undefined) return;
    if (section === "ROWS" && fields.length === 2) {
      const name = fields[1] ?? "";
      if (/^n$/i.test(first)) objective ||= name;
      else {
        rows.add(name);
        symbols.constraints.push(name);
      }
    } else if (section === "COLUMNS") {
      if (fields.includes("'MARKER'")) {
        symbols.integers = true;
      } else {
        if (!seen.has(first)) {
          seen.add(first);
          symbols.variables.push(first);
        }
        for (let at = 1; at + 1 < fields.length; at += 2) {
          if (fields[at] === objective) symbols.objective.set(first, Number(fields[at + 1]));
        }
      }
    } else if (section === "RHS") {
      for (let at = fields.length % 2; at + 1 < fields.length; at += 2) {
        const row = fields[at] ?? "";
        if (rows.has(row)) symbols.rightHandSides.set(row, Number(fields[at + 1]));
      }
    } else if (section === "BOUNDS") {
      symbols.integers ||= /^(?:bv|li|ui|si)$/i.test(first);
    }
  };
  let lineEnd = -1;
  for (const { kind, start, end } of tokens) {
    if (kind === "comment") continue;
    const header = start === 0 || text.charAt(start - 1) === "\n";
    if (start > lineEnd) {
      flush();
      fields = [];
      const found = text.indexOf("\n", start);
      lineEnd = found < 0 ? text.length : found;
      if (header) section = text.slice(start, end).toUpperCase();
    }
    if (!header) fields.push(text.slice(start, end));
  }
  flush();
  return symbols;
}
