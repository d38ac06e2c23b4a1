// Joins the parts of a solution that does not fit into one message.

import { create } from "@bufbuild/protobuf";
import type { SolutionPart } from "../gen/solvemesh/v1/job_pb";
import {
  type SensitivityRanges,
  SensitivityRangesSchema,
  type Solution,
  SolutionSchema,
} from "../gen/solvemesh/v1/result_pb";

const RANGES = ["costRanges", "boundRanges", "rightHandSideRanges"] as const;

/** The whole solution; undefined without parts, or if some are missing. */
export function joinParts(parts: readonly SolutionPart[]): Solution | undefined {
  const count = parts[0]?.count ?? 0;
  const ordered = [...parts].sort((a, b) => a.index - b.index);
  const pieces = ordered.flatMap((part) => (part.solution ? [part.solution] : []));
  if (count === 0 || pieces.length !== count) return undefined;

  const joined = create(SolutionSchema, {
    variableNames: pieces.flatMap((piece) => piece.variableNames),
    values: pieces.flatMap((piece) => piece.values),
    reducedCosts: pieces.flatMap((piece) => piece.reducedCosts),
    constraintNames: pieces.flatMap((piece) => piece.constraintNames),
    activities: pieces.flatMap((piece) => piece.activities),
    duals: pieces.flatMap((piece) => piece.duals),
  });
  for (const key of RANGES) {
    const ranges = pieces.flatMap((piece) => piece[key] ?? []);
    if (ranges.length > 0) joined[key] = joinRanges(ranges);
  }
  return joined;
}

function joinRanges(ranges: readonly SensitivityRanges[]): SensitivityRanges {
  return create(SensitivityRangesSchema, {
    lower: ranges.flatMap((range) => range.lower),
    upper: ranges.flatMap((range) => range.upper),
    objectiveAtLower: ranges.flatMap((range) => range.objectiveAtLower),
    objectiveAtUpper: ranges.flatMap((range) => range.objectiveAtUpper),
  });
}
