// Builds the page into dist/, or the unit tests into dist-test/ with --test. With --watch it
// builds again after each change.
//
// The names of the files are fixed and the output depends on nothing but the sources, so that
// the built files can be committed and compared.

import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import * as esbuild from "esbuild";
import { minify } from "terser";

const common = {
  bundle: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  logLevel: "warning",
};

/**
 * Writes the descriptors of the generated code as their bytes. They are base64 there, which does
 * not compress: a fifth of what a browser loads for them.
 */
const bareDescriptors = {
  name: "bare-descriptors",
  setup(build) {
    build.onLoad({ filter: /[\\/]gen[\\/].*_pb\.ts$/ }, ({ path }) => ({
      contents: readFileSync(path, "utf8").replace(/fileDesc\("([\w+/=-]+)"/g, (_, base64) => {
        const bytes = Buffer.from(base64, "base64").toString("latin1");
        return `fileDesc(btoa(${JSON.stringify(bytes)})`;
      }),
      loader: "ts",
    }));
  },
};

/** Messages of descriptor.proto that no generated code of this page has. */
const UNUSED_DESCRIPTORS = new Set([
  "FileDescriptorSet",
  "ExtensionRangeOptions",
  "FileOptions",
  "OneofOptions",
  "EnumOptions",
  "EnumValueOptions",
  "ServiceOptions",
  "UninterpretedOption",
  "FeatureSetDefaults",
  "SourceCodeInfo",
  "GeneratedCodeInfo",
]);

/**
 * Empties the descriptors of messages that are not used: another kilobyte. Fields of such
 * a message are unknown ones to the library, which it skips.
 */
const fewDescriptors = {
  name: "few-descriptors",
  setup(build) {
    build.onLoad({ filter: /[\\/]descriptor_pb\.js$/ }, ({ path }) => {
      const source = readFileSync(path, "utf8");
      const [start, end] = [source.indexOf("boot({") + 5, source.indexOf("});") + 1];
      const file = JSON.parse(source.slice(start, end));
      const messageType = file.messageType.map((message) =>
        UNUSED_DESCRIPTORS.has(message.name) ? { name: message.name } : message,
      );
      // Options such as in which editions of the language a field is allowed.
      const packed = (key, value) => (key === "options" ? { packed: value.packed } : value);
      const boot = JSON.stringify({ ...file, messageType }, packed);
      return { contents: source.slice(0, start) + boot + source.slice(end), loader: "js" };
    });
  },
};

const page = {
  ...common,
  charset: "utf8",
  plugins: [bareDescriptors, fewDescriptors],
  entryPoints: { app: "src/main.tsx" },
  outdir: "dist",
  minify: true,
  legalComments: "none",
};

function copyStatic() {
  mkdirSync("dist", { recursive: true });
  for (const name of ["index.html", "icon.svg"]) copyFileSync(name, `dist/${name}`);
}

// The unit tests are the files that end in .test.ts.
function testFiles() {
  const names = readdirSync("test", { recursive: true, encoding: "utf8" });
  return names.filter((name) => name.endsWith(".test.ts")).map((name) => `test/${name}`);
}

/** esbuild's output again without 3 % of what a browser loads, for some seconds of work. */
async function minifyAgain(file) {
  const options = {
    module: true,
    ecma: 2020,
    compress: { passes: 3 },
    format: { comments: false },
  };
  const { code } = await minify(readFileSync(file, "utf8"), options);
  writeFileSync(file, code);
}

function printSizes() {
  for (const name of ["app.js", "app.css", "index.html", "icon.svg"]) {
    const bytes = readFileSync(`dist/${name}`);
    const packed = gzipSync(bytes, { level: 9 }).length;
    process.stdout.write(`${name}: ${bytes.length} bytes, ${packed} gzip\n`);
  }
}

if (process.argv.includes("--test")) {
  rmSync("dist-test", { recursive: true, force: true });
  await esbuild.build({
    ...common,
    entryPoints: testFiles(),
    outdir: "dist-test",
    platform: "node",
    sourcemap: "inline",
    outExtension: { ".js": ".mjs" },
    loader: { ".css": "empty" },
  });
} else if (process.argv.includes("--watch")) {
  copyStatic();
  const context = await esbuild.context({ ...page, minify: false, sourcemap: "inline" });
  await context.watch();
} else {
  rmSync("dist", { recursive: true, force: true });
  copyStatic();
  await esbuild.build(page);
  await minifyAgain("dist/app.js");
  printSizes();
}
