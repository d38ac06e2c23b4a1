import { tokenizeLp } from "./lp";
import { tokenizeMps } from "./mps";
import type { TextFormat, Token } from "./token";

/** Texts above this many characters are shown without colours, so that typing stays smooth. */
export const MAX_HIGHLIGHT = 200_000;

/** A run of text of one colour; `kind` is empty for text outside of any token. */
export interface Run {
  kind: Token["kind"] | "";
  text: string;
  /** Whether the place of an error or a warning lies in it. */
  marked: boolean;
}

/** The tokens of a text, none if it is too long. */
export function tokensOf(text: string, format: TextFormat): Token[] {
  if (text.length > MAX_HIGHLIGHT) return [];
  return format === "lp" ? tokenizeLp(text) : tokenizeMps(text);
}

/**
 * The runs of a part of a text, from `from` to `to`. `marks` are offsets of errors: the run in
 * which one lies, or the character there, is marked.
 */
export function runsOf(
  text: string,
  tokens: readonly Token[],
  from: number,
  to: number,
  marks: readonly number[],
): Run[] {
  const runs: Run[] = [];
  const plain = (start: number, end: number) => {
    let at = start;
    for (const mark of marks) {
      if (mark < at || mark >= end || /\s/.test(text.charAt(mark))) continue;
      if (mark > at) runs.push({ kind: "", text: text.slice(at, mark), marked: false });
      runs.push({ kind: "", text: text.slice(mark, mark + 1), marked: true });
      at = mark + 1;
    }
    if (end > at) runs.push({ kind: "", text: text.slice(at, end), marked: false });
  };
  let at = from;
  for (let index = firstEndingAfter(tokens, from); index < tokens.length; index += 1) {
    const token = tokens[index];
    if (token === undefined || token.start >= to) break;
    const start = Math.max(token.start, from);
    const end = Math.min(token.end, to);
    plain(at, start);
    const marked = marks.some((mark) => mark >= start && mark < end);
    runs.push({ kind: token.kind, text: text.slice(start, end), marked });
    at = end;
  }
  plain(at, to);
  return runs;
}

function firstEndingAfter(tokens: readonly Token[], offset: number): number {
  let low = 0;
  let high = tokens.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((tokens[middle]?.end ?? 0) > offset) high = middle;
    else low = middle + 1;
  }
  return low;
}
