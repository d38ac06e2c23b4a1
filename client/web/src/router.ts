// The route: which view is shown. It is the fragment of the address, so that the page works below
// any prefix and every view has a link.

import { computed, type ReadonlySignal, signal } from "@preact/signals";

export type Route =
  | { view: "solve" }
  | { view: "job"; id: string; tab?: string }
  | { view: "jobs"; params: URLSearchParams }
  | { view: "mesh" }
  | { view: "usage"; params: URLSearchParams };

const hash = signal(globalThis.location?.hash ?? "");

globalThis.addEventListener?.("hashchange", () => {
  hash.value = location.hash;
});

/** The current route. */
export const route: ReadonlySignal<Route> = computed(() => parseRoute(hash.value));

/** Goes to `#/…`; with `replace`, without a new entry in the history. */
export function go(to: string, replace = false): void {
  if (replace) history.replaceState(null, "", to);
  else if (to !== location.hash) history.pushState(null, "", to);
  hash.value = to;
}

/** The route of a fragment: `#/`, `#/job/ID`, `#/job/ID/TAB`, `#/jobs?…`, `#/mesh`, `#/usage?…`. */
export function parseRoute(fragment: string): Route {
  const [path = "", query = ""] = fragment.replace(/^#?\/?/, "").split("?", 2);
  const [view, id, tab] = path.split("/").map(decoded);
  if (view === "job" && id) return tab ? { view, id, tab } : { view, id };
  if (view === "jobs" || view === "usage") return { view, params: new URLSearchParams(query) };
  if (view === "mesh") return { view };
  return { view: "solve" };
}

/** A part of a path; empty if it has an invalid escape. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}
