// Builds the page into dist/, or the unit tests into dist-test/ with --test. With --watch it
// builds again after each change.
//
// The names of the files are fixed and the output depends on nothing but the sources, so that
// the built files can be committed and compared.
//
// The page is two scripts: app.js, which it begins with, and later.js, the parts that it loads when
// they are first needed and that use the code of app.js.

import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
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

/**
 * Writes the files of the page.
 *
 * The code that both entries use is split off as a file of its own. later.ts imports main.tsx, so
 * that this is all code of main.tsx: that file is app.js, and the one of the entry is empty. A
 * browser begins with one script then, not with two that may be of different gateways.
 */
const writePage = {
  name: "write-page",
  setup(build) {
    const { minify } = build.initialOptions;
    build.onEnd(async ({ outputFiles, errors }) => {
      if (errors.length > 0) return;
      const text = (name) => outputFiles.find(({ path }) => basename(path) === name).text;
      const shrink = minify ? minifyAgain : (code) => code;
      const later = await shrink(text("later.js"));
      const app = await shrink(text("app.js"));
      writeFileSync("dist/later.js", later);
      writeFileSync("dist/app.js", withLaterName(app, later));
      writeFileSync("dist/app.css", text("main.css"));
    });
  },
};

/**
 * Names later.js by its content, as the gateway does (gateway/src/api/page.rs): a page of an older
 * gateway must not load a later.js that does not fit its app.js.
 */
function withLaterName(app, later) {
  const hash = createHash("sha256").update(later).digest("hex").slice(0, 24);
  const named = app.replace(/import\("\.\/later\.js"\)/, `import("./later.${hash}.js")`);
  if (named === app) throw new Error("app.js does not import later.js");
  return named;
}

const page = {
  ...common,
  charset: "utf8",
  plugins: [bareDescriptors, fewDescriptors, writePage],
  entryPoints: ["src/main.tsx", "src/later.ts"],
  splitting: true,
  chunkNames: "app",
  outdir: "dist",
  write: false,
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

/** esbuild's output without 3 % of what a browser loads, for some seconds of work. */
async function minifyAgain(source) {
  const options = {
    module: true,
    ecma: 2020,
    compress: { passes: 3 },
    format: { comments: false },
  };
  const { code } = await minify(source, options);
  return code;
}

function printSizes() {
  for (const name of ["app.js", "later.js", "app.css", "index.html", "icon.svg"]) {
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
  printSizes();
}
