import assert from "node:assert/strict";
import { test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { LinearModelSchema } from "../src/index.js";
import { packedDoubles, packedInts } from "../src/wire.js";

const { field } = LinearModelSchema;

test("packed numbers are those that the library reads", () => {
  const doubles = [0, -0.5, Infinity, -Infinity, Number.MAX_VALUE, 5e-324];
  const ints = [0, 1, 127, 128, 16_383, 16_384, 2_147_483_647];
  const written = create(LinearModelSchema);
  written.$unknown = [
    packedDoubles(field.objective.number, doubles),
    packedDoubles(field.coefficients.number, Float64Array.from(doubles).subarray(1, 3)),
    packedInts(field.columnIndices.number, ints),
  ];
  const read = fromBinary(LinearModelSchema, toBinary(LinearModelSchema, written));
  assert.deepEqual(read.objective, doubles);
  assert.deepEqual(read.coefficients, [-0.5, Infinity]);
  assert.deepEqual(read.columnIndices, ints);
  assert.equal(read.$unknown, undefined);
});

test("long arrays have a length of several bytes", () => {
  const written = create(LinearModelSchema);
  const long = Float64Array.from({ length: 3_000_000 }, (_, at) => at / 7);
  written.$unknown = [packedDoubles(field.coefficients.number, long)];
  const read = fromBinary(LinearModelSchema, toBinary(LinearModelSchema, written));
  assert.equal(read.coefficients.length, long.length);
  assert.equal(read.coefficients.at(-1), long.at(-1));
});

test("an invalid index is refused", () => {
  for (const bad of [-1, 0.5, Number.NaN, 2 ** 31]) {
    assert.throws(() => packedInts(field.rowStarts.number, [0, bad]), RangeError);
  }
});
