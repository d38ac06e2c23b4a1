// Models.

import { create } from "@bufbuild/protobuf";
import {
  LinearModelSchema,
  type Model,
  ModelSchema,
  ObjectiveSense,
  type VariableKind,
} from "./gen/solvemesh/v1/model_pb.js";
import { packedDoubles, packedInts } from "./wire.js";

type Doubles = Float64Array | readonly number[];
type Ints = Int32Array | readonly number[];

/**
 * A model as arrays: n variables, m rows. An array that is absent has the default for each entry.
 * The matrix is stored by rows: row i has the entries from `rowStarts[i]` up to, not including,
 * `rowStarts[i + 1]`.
 */
export interface ArrayModel {
  name?: string;
  /** Default: minimize. */
  sense?: "minimize" | "maximize";
  /** A constant added to the objective. */
  offset?: number;
  /** n; only needed if no array of variables is given. */
  variableCount?: number;
  /** Objective coefficients. Default 0. */
  objective?: Doubles;
  /** Lower bounds of variables. Default 0. */
  lower?: Doubles;
  /** Upper bounds of variables. Default Infinity. */
  upper?: Doubles;
  /** Default: continuous. */
  kinds?: readonly VariableKind[];
  variableNames?: readonly string[];
  /** m; only needed if no array of rows is given. */
  rowCount?: number;
  /** Lower bounds of rows. Default -Infinity. */
  rowLower?: Doubles;
  /** Upper bounds of rows. Default Infinity. */
  rowUpper?: Doubles;
  rowNames?: readonly string[];
  rowStarts?: Ints;
  /** The variable of each entry. */
  columns?: Ints;
  /** The value of each entry. */
  coefficients?: Doubles;
}

/** A model of arrays. They are copied. */
export function fromArrays(arrays: ArrayModel): Model {
  const linear = create(LinearModelSchema, {
    sense:
      arrays.sense === "maximize"
        ? ObjectiveSense.MAXIMIZE
        : ObjectiveSense.MINIMIZE,
    objectiveOffset: arrays.offset ?? 0,
    variableKinds: [...(arrays.kinds ?? [])],
    variableNames: [...(arrays.variableNames ?? [])],
    constraintNames: [...(arrays.rowNames ?? [])],
    ...(arrays.variableCount !== undefined && { variableCount: arrays.variableCount }),
    ...(arrays.rowCount !== undefined && { constraintCount: arrays.rowCount }),
  });
  const { field } = LinearModelSchema;
  const doubles = [
    [field.variableLower, arrays.lower],
    [field.variableUpper, arrays.upper],
    [field.objective, arrays.objective],
    [field.constraintLower, arrays.rowLower],
    [field.constraintUpper, arrays.rowUpper],
    [field.coefficients, arrays.coefficients],
  ] as const;
  const ints = [
    [field.rowStarts, arrays.rowStarts],
    [field.columnIndices, arrays.columns],
  ] as const;
  linear.$unknown = [
    ...doubles.flatMap(([{ number }, array]) => (array?.length ? [packedDoubles(number, array)] : [])),
    ...ints.flatMap(([{ number }, array]) => (array?.length ? [packedInts(number, array)] : [])),
  ];
  return create(ModelSchema, {
    name: arrays.name ?? "",
    form: { case: "linear", value: linear },
  });
}

/** A model as text in the LP format. */
export function fromLp(text: string): Model {
  return create(ModelSchema, { form: { case: "lp", value: text } });
}

/** A model as text in the MPS format. */
export function fromMps(text: string): Model {
  return create(ModelSchema, { form: { case: "mps", value: text } });
}

/** The content of a file in any format that the mesh reads, plain, gzip or zstd. */
export function fromFile(content: Uint8Array, name = ""): Model {
  return create(ModelSchema, { form: { case: "file", value: { content, name } } });
}
