// Makes screenshots small: with a palette they have about a third of the bytes.

import { deflateSync, inflateSync } from "node:zlib";

/** The pixels of a picture, three bytes each. */
interface Pixels {
  width: number;
  height: number;
  data: Uint8Array;
}

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const MAX_COLOURS = 256;
const COMMON_COLOURS = 128;
/** More pixels of a colour than this do not make its error worse. */
const MAX_WEIGHT = 50;

/** The same picture with at most 256 colours; others become the nearest of them. */
export function withPalette(png: Buffer): Buffer {
  const { width, height, data } = decode(png);
  const counts = new Map<number, number>();
  const colours = new Int32Array(width * height);
  for (let pixel = 0; pixel < colours.length; pixel++) {
    const at = 3 * pixel;
    const colour = (data[at]! << 16) | (data[at + 1]! << 8) | data[at + 2]!;
    colours[pixel] = colour;
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  }
  const palette = paletteOf(counts);
  const indices = new Map<number, number>();
  for (const colour of counts.keys()) indices.set(colour, nearest(palette, colour));

  // Each line begins with the number of its filter: none, which is best with a palette.
  const lines = Buffer.alloc(height * (width + 1));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      lines[y * (width + 1) + 1 + x] = indices.get(colours[y * width + x]!)!;
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 3], 8);
  const entries = palette.flatMap((colour) => [colour >> 16, (colour >> 8) & 255, colour & 255]);
  return Buffer.concat([
    SIGNATURE,
    chunk("IHDR", header),
    chunk("PLTE", Buffer.from(entries)),
    chunk("IDAT", deflateSync(lines, { level: 9 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

/**
 * Most of the colours are those of most pixels; the others are the ones that these replace worst,
 * as small icons would else be grey.
 */
function paletteOf(counts: ReadonlyMap<number, number>): number[] {
  const palette = [...counts]
    .sort(([first, a], [second, b]) => b - a || first - second)
    .slice(0, COMMON_COLOURS)
    .map(([colour]) => colour);
  const errors = new Map<number, number>();
  for (const colour of counts.keys()) {
    errors.set(colour, distance(palette[nearest(palette, colour)]!, colour));
  }
  while (palette.length < Math.min(MAX_COLOURS, counts.size)) {
    let worst = 0;
    let most = -1;
    for (const [colour, error] of errors) {
      const weight = error * Math.min(counts.get(colour)!, MAX_WEIGHT);
      if (weight <= most) continue;
      most = weight;
      worst = colour;
    }
    palette.push(worst);
    for (const [colour, error] of errors) {
      errors.set(colour, Math.min(error, distance(worst, colour)));
    }
  }
  return palette;
}

function distance(one: number, other: number): number {
  const red = (one >> 16) - (other >> 16);
  const green = ((one >> 8) & 255) - ((other >> 8) & 255);
  const blue = (one & 255) - (other & 255);
  return red * red + green * green + blue * blue;
}

function nearest(palette: readonly number[], colour: number): number {
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  for (const [index, entry] of palette.entries()) {
    const error = distance(entry, colour);
    if (error < least) {
      least = error;
      best = index;
    }
  }
  return best;
}

/** Reads a PNG as a browser writes it: 8 bits, with or without transparency, not interlaced. */
function decode(png: Buffer): Pixels {
  const header = SIGNATURE.length + 8;
  const width = png.readUInt32BE(header);
  const height = png.readUInt32BE(header + 4);
  const step = png[header + 9] === 6 ? 4 : 3;
  const parts: Buffer[] = [];
  for (let at = SIGNATURE.length; at < png.length; ) {
    const length = png.readUInt32BE(at);
    if (png.toString("latin1", at + 4, at + 8) === "IDAT") {
      parts.push(png.subarray(at + 8, at + 8 + length));
    }
    at += length + 12;
  }
  const filtered = inflateSync(Buffer.concat(parts));
  const stride = width * step;
  const bytes = new Uint8Array(height * stride);
  for (let y = 0; y < height; y++) {
    const filter = filtered[y * (stride + 1)]!;
    for (let x = 0; x < stride; x++) {
      const at = y * stride + x;
      const left = x >= step ? bytes[at - step]! : 0;
      const up = y > 0 ? bytes[at - stride]! : 0;
      const corner = x >= step && y > 0 ? bytes[at - stride - step]! : 0;
      bytes[at] = filtered[y * (stride + 1) + 1 + x]! + predicted(filter, left, up, corner);
    }
  }
  const data = new Uint8Array(width * height * 3);
  for (let pixel = 0; pixel < width * height; pixel++) {
    data.set(bytes.subarray(pixel * step, pixel * step + 3), pixel * 3);
  }
  return { width, height, data };
}

/** What a filter of PNG predicts of a byte from those before it. */
function predicted(filter: number, left: number, up: number, corner: number): number {
  switch (filter) {
    case 1:
      return left;
    case 2:
      return up;
    case 3:
      return (left + up) >> 1;
    case 4: {
      const estimate = left + up - corner;
      const [toLeft, toUp, toCorner] = [left, up, corner].map((byte) => Math.abs(estimate - byte));
      if (toLeft! <= toUp! && toLeft! <= toCorner!) return left;
      return toUp! <= toCorner! ? up : corner;
    }
    default:
      return 0;
  }
}

function chunk(name: string, data: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const body = Buffer.concat([Buffer.from(name, "latin1"), data]);
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, check]);
}

function crc32(data: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
