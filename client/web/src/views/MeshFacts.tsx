// Numbers with their names below one another, several in a row.

import type { ComponentChildren } from "preact";

/** A list of numbers. Its children are `Fact`. */
export function Facts({ children }: { children: ComponentChildren }) {
  return <dl class="mesh-facts">{children}</dl>;
}

interface FactProps {
  name: string;
  hint?: string;
  isBad?: boolean;
  children: ComponentChildren;
}

export function Fact({ name, hint, isBad = false, children }: FactProps) {
  return (
    <div title={hint}>
      <dt>{name}</dt>
      <dd class={isBad ? "mesh-bad" : ""}>{children}</dd>
    </div>
  );
}
