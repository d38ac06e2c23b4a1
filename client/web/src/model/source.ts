import type { TextFormat } from "../editor/token";

/** A model as the page has it, before it is submitted. */
export type Source = TextSource | FileSource;

/** A model in the editor. */
export interface TextSource {
  kind: "text";
  /** The name of the job; that of the file or example, without its extension. */
  name: string;
  format: TextFormat;
  text: string;
}

/** How the bytes of a file are packed. */
export type Packing = "none" | "gzip" | "zstd";

/** A file that is too large for the editor, or that is no text here. It is sent as bytes. */
export interface FileSource {
  kind: "file";
  /** The file's name, with its extension, from which the gateway takes the format. */
  name: string;
  /** The size of the file as it was opened. */
  size: number;
  /** The packing of the file as it was opened. */
  packing: Packing;
  /** What is sent: the file, packed by the page if it was not. */
  content: Uint8Array<ArrayBuffer>;
  /** The first lines of its text; empty if the page cannot unpack it. */
  head: string[];
  format: TextFormat;
}

/** The format that a text seems to have: as the gateway, by the name, then the first line. */
export function formatOf(name: string, text: string): TextFormat {
  const extension = /\.(lp|mps)(?:\.(?:gz|zst))?$/i.exec(name)?.[1];
  if (extension) return extension.toLowerCase() === "lp" ? "lp" : "mps";
  for (const line of text.split("\n", 200)) {
    if (!line.trim() || line.startsWith("*")) continue;
    return /^(?:name|rows|objsense|objsen|objname)\b/i.test(line) ? "mps" : "lp";
  }
  return text.startsWith("*") ? "mps" : "lp";
}

/** A file's name without its folder and the extensions of models. */
export function stem(name: string): string {
  const last = name.slice(name.lastIndexOf("/") + 1);
  return last.replace(/\.(?:gz|zst)$/i, "").replace(/\.(?:lp|mps)$/i, "") || last;
}
