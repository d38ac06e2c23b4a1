import type { Token, TokenKind } from "./token";

/**
 * The keywords that open a section, where one begins with another the longer one first. As in the
 * gateway's reader, a keyword is the first word of its line and ends at a blank, and before a
 * colon or a comparison the word is a name: a constraint may be called `end`.
 */
const SUPPORTED = [
  "minimi[sz]e",
  "minimum",
  "min",
  "maximi[sz]e",
  "maximum",
  "max",
  "subject[ \\t]+to",
  "such[ \\t]+that",
  "s\\.t\\.",
  "st\\.?",
  "bounds?",
  "generals?",
  "gen",
  "integers?",
  "int",
  "binaries",
  "binary",
  "bin",
  "semi-continuous",
  "semi-integers?",
  "semis?",
  "problem",
  "end",
];
const UNSUPPORTED = [
  "general[ \\t]+constraints?",
  "gencons",
  "sos[12]?",
  "lazy[ \\t]+constraints",
  "lazy",
  "user[ \\t]+cuts",
  "pwlobj",
  "pwl",
  "scenario",
  "indicators",
];

const BLANK = /\s+/y;
const COMMENT = /\\\*[^\\]*\*\\|\\[^\n]*/y;
const KEYWORD = new RegExp(
  `(?:(${UNSUPPORTED.join("|")})|${SUPPORTED.join("|")})(?=[\\s\\\\]|$)(?![ \\t]*[:<>=])`,
  "iy",
);
const NUMBER = /(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?/iy;
const COMPARISON = /<=|>=|=<|=>|<|>|=/y;
const ARROW = /<->|->/y;
const NAME = /[\p{L}!"#$%&(,;?@_'`{|~][\p{L}\p{N}!"#$%&(),.;?@_'`{}|~[\]]*/uy;
const COLON = /[ \t]*:/y;
const FREE = /free(?=[\s\\]|$)/iy;

/** Splits a text in the LP format into tokens. Blanks and unknown characters belong to no token. */
export function tokenizeLp(text: string): Token[] {
  const tokens: Token[] = [];
  let at = text.startsWith("\ufeff") ? 1 : 0;
  /** Whether no token of this line was seen yet. */
  let fresh = true;
  let section = "";

  const match = (pattern: RegExp): number => {
    pattern.lastIndex = at;
    return pattern.test(text) ? pattern.lastIndex : 0;
  };
  const push = (kind: TokenKind, end: number) => {
    tokens.push({ kind, start: at, end });
    at = end;
    fresh = false;
  };

  while (at < text.length) {
    let end = match(BLANK);
    if (end) {
      fresh ||= text.slice(at, end).includes("\n");
      at = end;
      continue;
    }
    end = match(COMMENT);
    if (end) {
      const before = fresh;
      const lines = text.slice(at, end).includes("\n");
      push("comment", end);
      fresh = before || lines;
      continue;
    }
    if (fresh) {
      KEYWORD.lastIndex = at;
      const found = KEYWORD.exec(text);
      if (found) {
        section = found[0].toLowerCase();
        push(found[1] === undefined ? "keyword" : "unsupported", KEYWORD.lastIndex);
        continue;
      }
    }
    end = match(NUMBER);
    if (end) {
      push("number", end);
      continue;
    }
    end = match(ARROW);
    if (end) {
      push("unsupported", end);
      continue;
    }
    end = match(COMPARISON);
    if (end) {
      push("comparison", end);
      continue;
    }
    if (section.startsWith("bound")) {
      end = match(FREE);
      if (end) {
        push("keyword", end);
        continue;
      }
    }
    end = match(NAME);
    if (end) {
      COLON.lastIndex = end;
      if (COLON.test(text)) {
        push("label", COLON.lastIndex);
      } else {
        push(/^inf(?:inity)?$/i.test(text.slice(at, end)) ? "number" : "name", end);
      }
      continue;
    }
    const sign = text.charAt(at);
    if ("+-*".includes(sign)) {
      push("operator", at + 1);
    } else if ("^/[]".includes(sign)) {
      push("unsupported", at + 1);
    } else {
      at += 1;
      fresh = false;
    }
  }
  return tokens;
}
