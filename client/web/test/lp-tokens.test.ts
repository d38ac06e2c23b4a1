import assert from "node:assert/strict";
import { test } from "node:test";

import { runsOf, tokensOf } from "../src/editor/highlight";
import { lineOf, lineStarts, offsetOf } from "../src/editor/lines";
import { tokenizeLp } from "../src/editor/lp";
import { tokenizeMps } from "../src/editor/mps";
import { symbolsOf } from "../src/editor/symbols";
import { EXAMPLES } from "../src/model/examples";

const kinds = (text: string) =>
  tokenizeLp(text).map(({ kind, start, end }) => `${kind} ${text.slice(start, end)}`);

test("a constraint is split into label, numbers, names and signs", () => {
  assert.deepEqual(kinds("st\n c1: 3 x - 2e1y <= -inf"), [
    "keyword st",
    "label c1:",
    "number 3",
    "name x",
    "operator -",
    "number 2e1",
    "name y",
    "comparison <=",
    "operator -",
    "number inf",
  ]);
});

test("a keyword is one only at the start of its line and not before a colon or a comparison", () => {
  assert.deepEqual(kinds("Subject \t To"), ["keyword Subject \t To"]);
  assert.deepEqual(kinds("end: x"), ["label end:", "name x"]);
  assert.deepEqual(kinds("bin <= 4"), ["name bin", "comparison <=", "number 4"]);
  assert.deepEqual(kinds("x + end"), ["name x", "operator +", "name end"]);
  assert.deepEqual(kinds("ending"), ["name ending"]);
  assert.deepEqual(kinds("General Constraints"), ["unsupported General Constraints"]);
  assert.deepEqual(kinds("bounds\nx free"), ["keyword bounds", "name x", "keyword free"]);
});

test("comments may span lines, and leave the line fresh for a keyword", () => {
  assert.deepEqual(kinds("\\* a\nb *\\ End"), ["comment \\* a\nb *\\", "keyword End"]);
  assert.deepEqual(kinds("x \\ min\nmin"), ["name x", "comment \\ min", "keyword min"]);
});

test("names have the signs and scripts that the gateway allows", () => {
  for (const name of ["x_1", "größe", "x[1,2]", "a.b", "#7", "变量"]) {
    assert.deepEqual(kinds(name), [`name ${name}`]);
  }
});

test("every character is in at most one token, in order, whatever the text", () => {
  for (const text of [
    "]]^/@}{ 1..2 ->",
    "\u0000\u{1f600} x",
    "\\*",
    "::",
    "1e",
    "\ufeffmin x",
    ...EXAMPLES.map(({ lp }) => lp),
  ]) {
    let at = 0;
    for (const { start, end } of tokenizeLp(text)) {
      assert.ok(start >= at && end > start, text);
      at = end;
    }
    assert.ok(at <= text.length);
  }
});

test("an MPS file has sections, types, names and numbers", () => {
  const text = "* a\nNAME test\nROWS\n N cost\nCOLUMNS\n x cost 1.5d0\nBOUNDS\n UP BND x 4\nENDATA";
  const parts = tokenizeMps(text).map(
    ({ kind, start, end }) => `${kind} ${text.slice(start, end)}`,
  );
  assert.deepEqual(parts.slice(0, 9), [
    "comment * a",
    "keyword NAME",
    "name test",
    "keyword ROWS",
    "comparison N",
    "name cost",
    "keyword COLUMNS",
    "label x",
    "name cost",
  ]);
  assert.ok(parts.includes("number 1.5d0"));
  assert.ok(parts.includes("comparison UP"));
});

test("columns count characters, and places beyond a line are at its end", () => {
  const text = "min \u{1f600}x\r\nst\n";
  const starts = lineStarts(text);
  assert.equal(offsetOf(text, starts, 1, 6), text.indexOf("x"));
  assert.equal(offsetOf(text, starts, 2, 99), text.indexOf("st") + 2);
  assert.equal(offsetOf(text, starts, 99, 1), text.length);
  assert.equal(lineOf(starts, 0), 1);
  assert.equal(lineOf(starts, text.indexOf("st")), 2);
  assert.equal(lineOf(starts, text.length), 3);
});

test("the runs of a part of a text are the part, and the marked one is the token at the place", () => {
  const text = "max 3 x\nst c: x ? <= 2";
  const runs = runsOf(text, tokensOf(text, "lp"), 4, 20, [4, text.indexOf("?")]);
  assert.equal(runs.map((run) => run.text).join(""), text.slice(4, 20));
  assert.deepEqual(
    runs.filter((run) => run.marked).map((run) => run.text),
    ["3", "?"],
  );
});

test("the names and numbers of an LP text", () => {
  const { variables, constraints, objective, rightHandSides, integers } = symbolsOf(
    "max p: 3 x - 2 y + 4 - - x\nst\n a: x + y <= 4\n b: -2 <= x <= -7\n c: x <= y\nbounds\n z <= 2\nend",
    "lp",
  );
  assert.deepEqual(variables, ["x", "y"]);
  assert.deepEqual(constraints, ["a", "b", "c"]);
  assert.deepEqual(
    [...objective],
    [
      ["x", 4],
      ["y", -2],
    ],
  );
  assert.deepEqual(
    [...rightHandSides],
    [
      ["a", 4],
      ["b", -7],
    ],
  );
  assert.equal(integers, false);
});

test("the names and numbers of an MPS text", () => {
  const { variables, constraints, objective, rightHandSides, integers } = symbolsOf(
    "NAME t\nROWS\n N cost\n L a\nCOLUMNS\n M 'MARKER' 'INTORG'\n x cost 2 a 1\n y a 3\nRHS\n RHS a 9\nENDATA\n",
    "mps",
  );
  assert.deepEqual(variables, ["x", "y"]);
  assert.deepEqual(constraints, ["a"]);
  assert.deepEqual([...objective], [["x", 2]]);
  assert.deepEqual([...rightHandSides], [["a", 9]]);
  assert.equal(integers, true);
});
