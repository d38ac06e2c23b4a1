// Copies what this package shares with the page for browsers: the code generated from the contract,
// and the transport. Copies, because both have to be inside of a published package.
//
// Imports get the extension that Node requires; the page's bundler does not need it.

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const web = join(here, "..", "web");

const TRANSPORT = ["grpc-web.ts", "problem.ts", "rpc-error.ts"];

for (const [from, to, files] of [
  [join(web, "gen"), join(here, "src", "gen"), readdirSync(join(web, "gen"), { recursive: true })],
  [join(web, "src"), join(here, "src", "shared"), TRANSPORT],
]) {
  rmSync(to, { recursive: true, force: true });
  for (const file of files.filter((name) => name.endsWith(".ts"))) {
    const source = readFileSync(join(from, file), "utf8");
    const target = join(to, file);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, source.replace(/(from\s+")(\.[^"]*)(")/g, "$1$2.js$3"));
  }
}
