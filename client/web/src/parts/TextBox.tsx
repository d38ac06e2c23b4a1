// A text that scrolls: code, a log, JSON.

import type { ComponentChildren, RefObject } from "preact";
import { useRef } from "preact/hooks";

export interface TextBoxProps {
  label: string;
  class: string;
  children: ComponentChildren;
  boxRef?: RefObject<HTMLElement | null>;
  onScroll?: () => void;
}

/** It is in the tab order, as what scrolls must be reached by the keyboard. */
export function TextBox({ label, class: name, children, boxRef, onScroll }: TextBoxProps) {
  const own = useRef<HTMLElement>(null);
  return (
    <section
      ref={boxRef ?? own}
      class={`textbox ${name}`}
      aria-label={label}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: see above
      tabIndex={0}
      onScroll={() => onScroll?.()}
    >
      <pre>{children}</pre>
    </section>
  );
}
