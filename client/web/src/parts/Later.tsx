// Shows a part of the page that is loaded when it is first needed.

import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";

type Parts = typeof import("../later");

const parts = signal<Parts | "missing" | undefined>(undefined);

async function load(): Promise<void> {
  try {
    parts.value = await import("../later");
  } catch {
    // A gateway of another version has other parts, under another name.
    parts.value = "missing";
  }
}

/** Shows something made of the parts in later.ts. */
export function Later({ show }: { show: (parts: Parts) => ComponentChildren }) {
  useEffect(() => {
    if (!parts.value) void load();
  }, []);
  const loaded = parts.value;
  if (!loaded) return <p class="empty">Loading…</p>;
  if (loaded !== "missing") return <>{show(loaded)}</>;
  return (
    <p class="notice notice-warn" role="alert">
      This part of the page cannot be loaded: the gateway is away, or has another version.
      <button type="button" class="button button-small" onClick={() => location.reload()}>
        Load the page again
      </button>
    </p>
  );
}
