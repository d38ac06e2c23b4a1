// Public models that are not part of this repository.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "./test";

/** The text of a model, as `mip/p0201.mps`. Skips the test if there is none. */
export function instance(path: string): string {
  const folder = process.env.SOLVEMESH_INSTANCES;
  const file = folder && join(folder, path);
  if (file && existsSync(file)) return readFileSync(file, "utf8");
  const why = folder ? `${folder} has no ${path}` : `SOLVEMESH_INSTANCES is not set, for ${path}`;
  if (process.env.SOLVEMESH_REQUIRE_INSTANCES === "1") throw new Error(why);
  test.skip(true, why);
  throw new Error(why);
}
