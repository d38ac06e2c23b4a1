import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { ErrorInfoSchema } from "../gen/google/rpc/error_details_pb";
import { RpcError } from "../src/rpc-error";
import { keepToken, type Tokens } from "../src/token";
import { tokenOf } from "../src/token-text";

/** The storage of a tab. */
function tab(kept?: string) {
  const items = new Map<string, string>(kept === undefined ? [] : [["solvemesh.token", kept]]);
  return {
    items,
    getItem: (key: string) => items.get(key) ?? null,
    setItem: (key: string, value: string) => void items.set(key, value),
    removeItem: (key: string) => void items.delete(key),
  };
}

function refusal(reason: string): RpcError {
  const info = create(ErrorInfoSchema, { reason, domain: "solvemesh.dev" });
  return new RpcError("UNAUTHENTICATED", "no", [anyPack(ErrorInfoSchema, info)]);
}

/** A gateway that knows one key. It notes what each call was sent with. */
function gateway(tokens: Tokens, key: string) {
  const seen: string[] = [];
  const call = async function* () {
    const sent = tokens.headers.authorization ?? "";
    seen.push(sent);
    await Promise.resolve();
    if (sent !== `Bearer ${key}`) {
      throw refusal(sent ? "CREDENTIAL_INVALID" : "CREDENTIAL_MISSING");
    }
    yield 1;
    yield 2;
  };
  return { seen, call };
}

async function all(messages: AsyncGenerator<number, void>): Promise<number[]> {
  const found: number[] = [];
  for await (const message of messages) found.push(message);
  return found;
}

const settled = () => new Promise((resolve) => setTimeout(resolve));

test("calls wait until there is a token, and go on with it", async () => {
  const store = tab();
  const tokens = keepToken(store);
  const { seen, call } = gateway(tokens, "good");
  const first = all(tokens.around(call, undefined));
  await settled();
  assert.equal(tokens.asked.value?.reason, "CREDENTIAL_MISSING");
  // Further calls are not even sent.
  const second = all(tokens.around(call, undefined));
  await settled();
  assert.deepEqual(seen, [""]);

  tokens.use("good");
  assert.deepEqual(await first, [1, 2]);
  assert.deepEqual(await second, [1, 2]);
  assert.equal(tokens.asked.value, undefined);
  assert.deepEqual(seen, ["", "Bearer good", "Bearer good"]);
  assert.equal(store.items.get("solvemesh.token"), "good");
});

test("the token of the tab is sent from the first call on", async () => {
  const tokens = keepToken(tab("good"));
  const { seen, call } = gateway(tokens, "good");
  assert.deepEqual(await all(tokens.around(call, undefined)), [1, 2]);
  assert.deepEqual(seen, ["Bearer good"]);
});

test("a token that is refused is forgotten, and another one asked for", async () => {
  const store = tab("old");
  const tokens = keepToken(store);
  const { call } = gateway(tokens, "good");
  const calls = [all(tokens.around(call, undefined)), all(tokens.around(call, undefined))];
  await settled();
  assert.equal(tokens.asked.value?.reason, "CREDENTIAL_INVALID");
  assert.equal(tokens.token.value, "");
  assert.equal(store.items.size, 0);
  tokens.use("good");
  assert.deepEqual(await Promise.all(calls), [
    [1, 2],
    [1, 2],
  ]);
});

test("a call that was refused with an earlier token is sent again without asking", async () => {
  const tokens = keepToken(tab("old"));
  const { seen, call } = gateway(tokens, "good");
  const result = all(tokens.around(call, undefined));
  tokens.use("good");
  assert.deepEqual(await result, [1, 2]);
  assert.deepEqual(seen, ["Bearer old", "Bearer good"]);
  assert.equal(tokens.asked.value, undefined);
});

test("a waiting call can be given up", async () => {
  const tokens = keepToken(tab());
  const { call } = gateway(tokens, "good");
  const abort = new AbortController();
  const result = all(tokens.around(call, abort.signal));
  await settled();
  abort.abort();
  await assert.rejects(result, { code: "CANCELLED" });
});

test("other errors, and those after a message, are for the caller", async () => {
  const tokens = keepToken(tab("good"));
  const denied = async function* () {
    await Promise.reject(new RpcError("PERMISSION_DENIED", "no"));
    yield 1;
  };
  await assert.rejects(all(tokens.around(denied, undefined)), { code: "PERMISSION_DENIED" });
  // To repeat it would repeat the message.
  const late = async function* () {
    yield 1;
    throw refusal("CREDENTIAL_EXPIRED");
  };
  await assert.rejects(all(tokens.around(late, undefined)), { code: "UNAUTHENTICATED" });
  assert.equal(tokens.asked.value, undefined);
});

test("a forgotten token is not sent", () => {
  const store = tab("good");
  const tokens = keepToken(store);
  tokens.forget();
  assert.deepEqual(tokens.headers, {});
  assert.equal(store.items.size, 0);
});

test("a token as it is pasted", () => {
  assert.equal(tokenOf(" smk_abc\n"), "smk_abc");
  assert.equal(tokenOf("Bearer smk_abc"), "smk_abc");
  assert.equal(tokenOf("authorization: bearer smk_abc"), "smk_abc");
  // What no header can have, or what is more than one word.
  for (const text of ["", "  ", "smk_äbc", "two words", "smk_…"]) {
    assert.equal(tokenOf(text), undefined, text);
  }
});
