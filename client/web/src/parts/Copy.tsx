// A button that copies a text.

import { useState } from "preact/hooks";

export interface CopyProps {
  /** The text, or how to make it. */
  text: string | (() => string);
  /** What the button shows. Default: "Copy". */
  children?: string;
  class?: string;
  title?: string;
}

export function Copy({
  text,
  children = "Copy",
  class: name = "button button-small",
  title,
}: CopyProps) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    if (!(await copyText(typeof text === "string" ? text : text()))) return;
    setDone(true);
    setTimeout(() => setDone(false), 1200);
  };
  return (
    <button type="button" class={`${name} copy`} title={title} onClick={copy}>
      <span class={done ? "copy-hidden" : undefined}>{children}</span>
      <span class="copy-done" role="status">
        {done ? "copied" : ""}
      </span>
    </button>
  );
}

/** Copies a text; false if the browser does not allow it. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

/** The way without the clipboard API, which pages over plain HTTP on another host do not have. */
function copyBySelection(text: string): boolean {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}
