/** What a stretch of a model's text is, for its colour. */
export type TokenKind =
  | "keyword"
  | "comment"
  | "label"
  | "name"
  | "number"
  | "operator"
  | "comparison"
  | "unsupported";

/** A stretch of a text: the UTF-16 offsets of its start and of the character after it. */
export interface Token {
  kind: TokenKind;
  start: number;
  end: number;
}

/** The formats of model texts. */
export type TextFormat = "lp" | "mps";
