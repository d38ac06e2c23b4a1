// The colours of a heat map.

/**
 * Maps 0 (worst) to 1 (best) to a colour whose lightness changes evenly, so that equal steps look
 * equal and colour-blind people can read it. The best value stands out from the page: viridis with
 * the bright end for dark pages, and yellow to blue with the dark end for bright ones.
 */
const DARK_PAGE = [
  "#440154",
  "#472d7b",
  "#3b528b",
  "#2c728e",
  "#21918c",
  "#28ae80",
  "#5ec962",
  "#addc30",
  "#fde725",
];
const BRIGHT_PAGE = [
  "#fbf7c5",
  "#e3f1b2",
  "#bfe3b4",
  "#8bd0ba",
  "#56b8c1",
  "#3296bd",
  "#2a6fae",
  "#28489a",
  "#1c2a6b",
];

/** Number of colours of a map. */
const LEVELS = 256;

/** The colours of a map as 32-bit pixels, from the worst to the best. */
export function colourLevels(dark: boolean): Uint32Array {
  const stops = (dark ? DARK_PAGE : BRIGHT_PAGE).map(parseHex);
  return Uint32Array.from({ length: LEVELS }, (_, level) => {
    const at = (level / (LEVELS - 1)) * (stops.length - 1);
    const index = Math.min(Math.floor(at), stops.length - 2);
    const from = stops[index] as Rgb;
    const to = stops[index + 1] as Rgb;
    return pixelOf(from.map((part, k) => part + (at - index) * ((to[k] as number) - part)) as Rgb);
  });
}

/** A map as a CSS gradient, from the worst on the left to the best on the right. */
export function colourGradient(dark: boolean): string {
  return `linear-gradient(to right, ${(dark ? DARK_PAGE : BRIGHT_PAGE).join(", ")})`;
}

type Rgb = [number, number, number];

/** A colour as a 32-bit pixel of `ImageData`, on a machine with little-endian integers. */
export function pixelOf([red, green, blue]: Rgb): number {
  return (
    ((255 << 24) | (Math.round(blue) << 16) | (Math.round(green) << 8) | Math.round(red)) >>> 0
  );
}

/** The parts of a colour such as "#1d5fd1". */
export function parseHex(hex: string): Rgb {
  const bits = Number.parseInt(hex.slice(1, 7), 16);
  return [bits >> 16, (bits >> 8) & 255, bits & 255];
}
