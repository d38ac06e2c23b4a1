// Keyboard shortcuts of the page. Views add theirs while they are shown.

import { useEffect } from "preact/hooks";

/** A shortcut: one key, or two in sequence such as "g j". */
export interface Shortcut {
  keys: string;
  does: string;
  run: () => void;
}

const shown: Shortcut[][] = [];

/** Time in which the second key of a sequence must follow. */
const SEQUENCE_MS = 1200;

/** Adds shortcuts while the calling component is shown. The latest added ones win. */
export function useShortcuts(shortcuts: readonly Shortcut[]): void {
  useEffect(() => {
    const own = [...shortcuts];
    shown.push(own);
    return () => {
      shown.splice(shown.indexOf(own), 1);
    };
  });
}

/** The shortcuts that work now, for the help. */
export function activeShortcuts(): Shortcut[] {
  const byKeys = new Map(shown.flat().map((shortcut) => [shortcut.keys, shortcut]));
  return [...byKeys.values()];
}

/** Listens to the keys of the document. Called once. */
export function listenToKeys(): void {
  let first = "";
  let firstAt = 0;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
    const sequence = event.timeStamp - firstAt < SEQUENCE_MS ? `${first} ${event.key}` : event.key;
    first = event.key;
    firstAt = event.timeStamp;
    const shortcut = find(sequence) ?? find(event.key);
    if (!shortcut) return;
    event.preventDefault();
    first = "";
    shortcut.run();
  });
}

function find(keys: string): Shortcut | undefined {
  return shown.flat().findLast((shortcut) => shortcut.keys === keys);
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  );
}
