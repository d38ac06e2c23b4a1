// Numbers as bytes of protobuf.
//
// protobuf-es takes plain arrays only, and writes them number by number: a second for a million
// coefficients. The bytes of a Float64Array are a packed field already, so they are put into a
// message as a field that the library writes as it is, like one that it does not know.

import type { UnknownField } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";

/** A `repeated double`. */
export function packedDoubles(no: number, numbers: Float64Array | readonly number[]): UnknownField {
  const doubles = numbers instanceof Float64Array ? numbers : Float64Array.from(numbers);
  const bytes = new Uint8Array(doubles.buffer, doubles.byteOffset, doubles.byteLength);
  return lengthDelimited(no, IS_LITTLE_ENDIAN ? bytes : swapped(doubles));
}

const MAX_INT_BYTES = 5;

/** A `repeated int32` of indices. Throws `RangeError` for what is none. */
export function packedInts(no: number, numbers: Int32Array | readonly number[]): UnknownField {
  const bytes = new Uint8Array(numbers.length * MAX_INT_BYTES);
  let end = 0;
  for (const number of numbers) {
    if (!(number >= 0 && number <= 0x7fffffff && Number.isInteger(number))) {
      throw new RangeError(`${number} is not an index`);
    }
    let rest = number;
    while (rest > 0x7f) {
      bytes[end++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[end++] = rest;
  }
  return lengthDelimited(no, bytes.subarray(0, end));
}

function lengthDelimited(no: number, bytes: Uint8Array): UnknownField {
  const prefix: number[] = [];
  let rest = bytes.length;
  while (rest > 0x7f) {
    prefix.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  prefix.push(rest);
  const data = new Uint8Array(prefix.length + bytes.length);
  data.set(prefix);
  data.set(bytes, prefix.length);
  return { no, wireType: WireType.LengthDelimited, data };
}

const IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

function swapped(doubles: Float64Array): Uint8Array {
  const bytes = new Uint8Array(doubles.byteLength);
  const view = new DataView(bytes.buffer);
  doubles.forEach((number, at) => {
    view.setFloat64(8 * at, number, true);
  });
  return bytes;
}
