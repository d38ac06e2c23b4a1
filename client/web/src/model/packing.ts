import type { Packing } from "./source";

/** The formats that the gateway does not unpack, by their first bytes. */
const REFUSED: readonly [string, readonly number[]][] = [
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58]],
  ["zip", [0x50, 0x4b, 0x03, 0x04]],
  ["7z", [0x37, 0x7a, 0xbc, 0xaf]],
];

/** How a file is packed, by its first bytes, or the name of a format that is not supported. */
export function packingOf(first: Uint8Array): { packing: Packing } | { refused: string } {
  const begins = (bytes: readonly number[]) => bytes.every((byte, at) => first[at] === byte);
  if (begins([0x1f, 0x8b])) return { packing: "gzip" };
  if (begins([0x28, 0xb5, 0x2f, 0xfd])) return { packing: "zstd" };
  const refused = REFUSED.find(([, bytes]) => begins(bytes));
  return refused ? { refused: refused[0] } : { packing: "none" };
}

/** The bytes are more than a limit allows. */
export class TooMuch extends Error {}

/** All bytes of a stream; throws `TooMuch` once they are more than `limit`. */
export async function collect(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  limit: number,
  signal?: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let length = 0;
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (signal?.aborted) {
      await reader.cancel();
      signal.throwIfAborted();
    }
    length += value.length;
    if (length > limit) {
      await reader.cancel();
      throw new TooMuch();
    }
    parts.push(value);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** The first bytes of a stream, about `length` of them. The rest is not read. */
export async function beginning(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  length: number,
): Promise<Uint8Array> {
  const reader = stream.getReader();
  let bytes = new Uint8Array(0);
  while (bytes.length < length) {
    const { done, value } = await reader.read();
    if (done) return bytes;
    const longer = new Uint8Array(bytes.length + value.length);
    longer.set(bytes);
    longer.set(value, bytes.length);
    bytes = longer;
  }
  await reader.cancel();
  return bytes.subarray(0, length);
}

/** A stream of a file's bytes, packed by gzip. */
export function packed(file: Blob): ReadableStream<Uint8Array<ArrayBuffer>> {
  return file.stream().pipeThrough(new CompressionStream("gzip"));
}

/** A stream of a file's text, or nothing if this browser cannot unpack it. */
export function unpacked(
  file: Blob,
  packing: Packing,
): ReadableStream<Uint8Array<ArrayBuffer>> | undefined {
  if (packing === "none") return file.stream();
  try {
    // Only some browsers know zstd, and the types do not.
    return file.stream().pipeThrough(new DecompressionStream(packing as CompressionFormat));
  } catch {
    return undefined;
  }
}
