import type { JobDescription } from "../../gen/solvemesh/v1/job_pb";
import type { Problem } from "../problem";

/** A line of the editor with an error or a warning. Columns count from 1; 0 is the whole line. */
export interface Mark {
  severity: "error" | "warning";
  line: number;
  column: number;
  message: string;
}

/** What a check found. */
export type Check =
  | { kind: "good"; description: JobDescription }
  | { kind: "bad"; problem: Problem };

/** The lines that a check found something in. */
export function marksOf(check: Check | undefined): Mark[] {
  if (check?.kind === "good") {
    return check.description.warnings.flatMap((warning) => {
      const found = placed(warning);
      return found ? [{ severity: "warning" as const, ...found }] : [];
    });
  }
  return (check?.problem.violations ?? []).flatMap(({ field, description, line, column }) =>
    line && field.startsWith("model")
      ? [
          {
            severity: "error" as const,
            line,
            column: column ?? 0,
            message: placed(description)?.message ?? description,
          },
        ]
      : [],
  );
}

/** The warnings of the reader that belong to no line. */
export function otherWarnings(check: Check | undefined): string[] {
  if (check?.kind !== "good") return [];
  return check.description.warnings.filter((warning) => !placed(warning));
}

/** The errors of fields outside of the model's text, by the field's path. */
export function fieldErrors(check: Check | undefined): Map<string, string> {
  const errors = new Map<string, string>();
  if (check?.kind === "bad") {
    for (const { field, description, line } of check.problem.violations) {
      if (!line && field && !errors.has(field)) errors.set(field, description);
    }
  }
  return errors;
}

function placed(text: string): Omit<Mark, "severity"> | undefined {
  const found = /^line (\d+)(?:, column (\d+))?: ([\s\S]*)$/.exec(text);
  if (!found) return undefined;
  return { line: Number(found[1]), column: Number(found[2] ?? 0), message: found[3] ?? "" };
}
