// The examples, as a list and as a menu.

import { useEffect, useRef, useState } from "preact/hooks";

import { EXAMPLES, type Example } from "../model/examples";
import { replaceSource } from "./solve-state";

function pick({ name, lp }: Example): void {
  replaceSource({ kind: "text", name, format: "lp", text: lp });
}

/** The examples as the empty state shows them. */
export function ExampleList() {
  return (
    <ul class="solve-examples">
      {EXAMPLES.map((example) => (
        <li key={example.name}>
          <button type="button" class="solve-example" onClick={() => pick(example)}>
            <b>{example.title}</b>
            <span>{example.hint}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}

/** The examples behind a button, as in the ARIA pattern of a menu button. */
export function ExampleMenu() {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const items = () => [...(root.current?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];

  useEffect(() => {
    if (!open) return;
    items()[0]?.focus();
    const outside = (event: Event) => {
      if (!root.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", outside);
    return () => document.removeEventListener("pointerdown", outside);
  }, [open]);

  const close = () => {
    setOpen(false);
    root.current?.querySelector<HTMLElement>("[aria-haspopup]")?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (!open) return;
    const all = items();
    const at = all.indexOf(document.activeElement as HTMLElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (event.key === "Escape") close();
    else if (event.key === "Tab") setOpen(false);
    if (to === undefined && event.key !== "Escape") return;
    event.preventDefault();
    if (to !== undefined) all[(to + all.length) % all.length]?.focus();
  };

  return (
    <div class="solve-menu" ref={root}>
      <button
        type="button"
        class="button button-small"
        aria-haspopup="menu"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
      >
        Examples ▾
      </button>
      {open && (
        <div
          class="solve-menu-list"
          role="menu"
          aria-label="Examples"
          tabIndex={-1}
          onKeyDown={onKeyDown}
        >
          {EXAMPLES.map((example) => (
            <button
              key={example.name}
              type="button"
              role="menuitem"
              tabIndex={-1}
              class="solve-example"
              onClick={() => {
                close();
                pick(example);
              }}
            >
              <b>{example.title}</b>
              <span>{example.hint}</span>
            </button>
          ))}
        </div>
      )}
    </div>
  );
}
