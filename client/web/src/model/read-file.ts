import { bytes as sizeInWords } from "../format";
import { beginning, collect, packed, packingOf, TooMuch, unpacked } from "./packing";
import { type FileSource, formatOf, type Packing, type Source, stem } from "./source";

/** Files of up to this size are opened in the editor. */
export const EDITOR_LIMIT = 1 << 20;

/** Room for the other fields of a request, within the limit of a message. */
const REQUEST_ROOM = 64 << 10;

/** What the card of a file shows of it. */
const HEAD_BYTES = 64 << 10;
const HEAD_LINES = 40;
const HEAD_COLUMNS = 240;

/** The limits of the gateway that files are checked against. */
export interface FileLimits {
  maxMessageBytes: number;
  maxModelBytes: number;
}

/** Why a file is not opened, in words for its reader. */
export class FileRefused extends Error {}

/** A file with a name, as the file chooser and a drop give it. */
export type NamedBlob = Blob & { readonly name: string };

/**
 * Opens a model file: a small text for the editor, anything else as bytes to be sent. A file
 * that the gateway would refuse for its size is refused before it is read. A plain file that is
 * too large for the editor is packed here, since text of models packs to a small part.
 */
export async function readModelFile(
  file: NamedBlob,
  limits: FileLimits,
  signal?: AbortSignal,
): Promise<Source> {
  if (file.size === 0) throw new FileRefused(`${file.name} is empty.`);
  const found = packingOf(new Uint8Array(await file.slice(0, 8).arrayBuffer()));
  if ("refused" in found) {
    throw new FileRefused(
      `${file.name} is a ${found.refused} file. The gateway reads LP and MPS, plain, gzip or zstd.`,
    );
  }
  const { packing } = found;
  const limit = packing === "none" ? limits.maxModelBytes : limits.maxMessageBytes - REQUEST_ROOM;
  if (file.size > limit) {
    const name = packing === "none" ? "max_model_bytes" : "max_message_bytes";
    throw new FileRefused(
      `${file.name} has ${sizeInWords(file.size)}; this gateway takes at most ${sizeInWords(limit)} (${name}).`,
    );
  }
  if (file.size <= EDITOR_LIMIT) {
    const text = await smallText(file, packing);
    if (text !== undefined) {
      return { kind: "text", name: stem(file.name), format: formatOf(file.name, text), text };
    }
  }
  return readLarge(file, packing, limits, signal);
}

/** The text of a file for the editor, or nothing if it is too large, or not UTF-8. */
async function smallText(file: Blob, packing: Packing): Promise<string | undefined> {
  const stream = unpacked(file, packing);
  if (!stream) return undefined;
  try {
    const content = await collect(stream, EDITOR_LIMIT);
    const text = new TextDecoder("utf-8", { fatal: true }).decode(content);
    // The declared encoding is that of the bytes, which a text in the editor no longer has.
    return /^[\\*]ENCODING=/i.test(text) ? undefined : text.replace(/\r\n/g, "\n");
  } catch {
    // The gateway reports the error of a damaged file.
    return undefined;
  }
}

async function readLarge(
  file: NamedBlob,
  packing: Packing,
  limits: FileLimits,
  signal: AbortSignal | undefined,
): Promise<FileSource> {
  const head = await headOf(file, packing);
  const room = limits.maxMessageBytes - REQUEST_ROOM;
  const stream = packing === "none" && file.size > EDITOR_LIMIT ? packed(file) : file.stream();
  let content: Uint8Array<ArrayBuffer>;
  try {
    content = await collect(stream, room, signal);
  } catch (error) {
    if (!(error instanceof TooMuch)) throw error;
    throw new FileRefused(
      `${file.name} has more than ${sizeInWords(room)} even when packed by gzip; this gateway takes no larger requests (max_message_bytes). Try zstd, which packs closer.`,
    );
  }
  const format = formatOf(file.name, head.join("\n"));
  return { kind: "file", name: file.name, size: file.size, packing, content, head, format };
}

async function headOf(file: Blob, packing: Packing): Promise<string[]> {
  try {
    const part = packing === "none" ? file.slice(0, HEAD_BYTES) : file;
    const stream = unpacked(part, packing);
    if (!stream) return [];
    const text = new TextDecoder().decode(await beginning(stream, HEAD_BYTES));
    const lines = text.split(/\r?\n/, HEAD_LINES);
    return lines.map((line) =>
      line.length > HEAD_COLUMNS ? `${line.slice(0, HEAD_COLUMNS)}…` : line,
    );
  } catch {
    return [];
  }
}
