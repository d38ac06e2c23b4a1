// The token of a tab, where the gateway recognises callers. Calls are sent with it; while the
// gateway asks for one, they wait, and go on once it is there.
//
// It is in the storage of the tab: no other tab has it, it ends with the tab, and the browser adds
// it to no request by itself, as it would a cookie.

import { type ReadonlySignal, signal } from "@preact/signals";
import type { Around } from "./grpc-web";
import { type Problem, problemOf } from "./problem";
import { rpcErrorOf } from "./rpc-error";

const KEY = "solvemesh.token";

/** The token of a tab. */
export interface Tokens {
  /** Empty if there is none. */
  token: ReadonlySignal<string>;
  /** Why the gateway asks for a token; undefined if it does not. */
  asked: ReadonlySignal<Problem | undefined>;
  /** The headers that calls need. */
  headers: Record<string, string>;
  around: Around;
  /** Keeps a token, and lets the calls go on that wait for one. */
  use(text: string): void;
  /** Forgets the token. */
  forget(): void;
}

/** What the token is kept in. */
export type TokenStore = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** Keeps the token of a tab in its storage. */
export function keepToken(store: TokenStore): Tokens {
  const token = signal("");
  const asked = signal<Problem | undefined>(undefined);
  const headers: Record<string, string> = {};
  const waiting = new Set<() => void>();
  set(store.getItem(KEY) ?? "");

  function set(text: string): void {
    token.value = text;
    delete headers.authorization;
    if (text) headers.authorization = `Bearer ${text}`;
  }

  function use(text: string): void {
    set(text);
    store.setItem(KEY, text);
    asked.value = undefined;
    for (const goOn of waiting) goOn();
    waiting.clear();
  }

  function forget(): void {
    set("");
    store.removeItem(KEY);
  }

  async function* around<T>(
    call: () => AsyncGenerator<T, void>,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<T, void> {
    for (;;) {
      if (asked.value && !signal?.aborted) await answered(signal);
      const used = token.value;
      let hasBegun = false;
      try {
        for await (const message of call()) {
          hasBegun = true;
          yield message;
        }
        return;
      } catch (error) {
        const problem = problemOf(error);
        if (hasBegun || problem.code !== "UNAUTHENTICATED") throw error;
        // Another token may be there by now, which this call has not been tried with.
        if (used !== token.value) continue;
        forget();
        asked.value = problem;
      }
    }
  }

  /** Resolves once a token is there. */
  function answered(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      waiting.add(resolve);
      const giveUp = () => {
        waiting.delete(resolve);
        reject(rpcErrorOf(signal?.reason));
      };
      signal?.addEventListener("abort", giveUp, { once: true });
    });
  }

  return { token, asked, headers, around, use, forget };
}
