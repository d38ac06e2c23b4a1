// Fails if a browser has to load more than it should. Part of the build.

import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

/** The largest sizes by gzip, in bytes. */
const budgets = JSON.parse(readFileSync("size-budgets.json", "utf8"));

for (const [name, budget] of Object.entries(budgets)) {
  const size = gzipSync(readFileSync(`dist/${name}`), { level: 9 }).length;
  if (size <= budget) continue;
  process.stderr.write(`${name} has ${size} bytes by gzip, ${size - budget} more than its budget\n`);
  process.exitCode = 1;
}
