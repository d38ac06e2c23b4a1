// The editor: a text area over the coloured text, with line numbers and marks of errors.
//
// The text area has the native caret, selection, undo, input methods and screen reader support.
// It is as large as its text, with its own text invisible, and all layers scroll together in one
// box, so that they can't come apart. Only the lines near the visible ones are in the page.

import type { RefObject } from "preact";
import { useLayoutEffect, useMemo, useState } from "preact/hooks";

import type { Mark } from "../model/check";
import { Coloured } from "./Coloured";
import { runsOf, tokensOf } from "./highlight";
import { columnsOf, lineStarts, offsetOf, widestLine } from "./lines";
import type { TextFormat } from "./token";
import "./editor.css";

/** As in editor.css. */
const LINE_HEIGHT = 20;

/** Lines in the page above and below the visible ones; also the step in which they change. */
const MARGIN = 20;

export interface EditorProps {
  text: string;
  format: TextFormat;
  marks: readonly Mark[];
  onInput: (text: string) => void;
  /** The text area, to move its caret. */
  area: RefObject<HTMLTextAreaElement | null>;
  /** The id of the element with the errors in words. */
  describedBy: string;
}

export function Editor({ text, format, marks, onInput, area, describedBy }: EditorProps) {
  const [view, setView] = useState({ first: 0, last: 2 * MARGIN, width: 0 });
  const starts = useMemo(() => lineStarts(text), [text]);
  const columns = useMemo(() => widestLine(text), [text]);
  const tokens = useMemo(() => tokensOf(text, format), [text, format]);

  const look = (box: Element | null | undefined) => {
    if (!box) return;
    const step = (pixels: number) => Math.floor(pixels / LINE_HEIGHT / MARGIN) * MARGIN;
    const first = Math.max(step(box.scrollTop) - MARGIN, 0);
    const last = step(box.scrollTop + box.clientHeight) + 2 * MARGIN;
    const width = box.clientWidth;
    setView((now) =>
      now.first === first && now.last === last && now.width === width
        ? now
        : { first, last, width },
    );
  };
  useLayoutEffect(() => {
    const box = area.current?.closest(".editor");
    if (!box) return;
    const observer = new ResizeObserver(() => look(box));
    observer.observe(box);
    return () => observer.disconnect();
  }, []);

  const first = Math.min(view.first, starts.length - 1);
  const last = Math.min(view.last, starts.length);
  const places = marks
    .filter(({ column }) => column > 0)
    .map(({ line, column }) => offsetOf(text, starts, line, column));
  const from = starts[first] ?? 0;
  const to = starts[last] ?? text.length;
  const runs = runsOf(text, tokens, from, to, places);
  const lines = marksByLine(marks);
  const byLine = new Map(lines.map((mark) => [mark.line, mark]));
  const digits = Math.max(String(starts.length).length, 2);
  const invalid = marks.some(({ severity }) => severity === "error");

  return (
    <div
      class="editor"
      style={{ "--editor-digits": `${digits}ch`, "--editor-lines": starts.length }}
      onScroll={(event) => look(event.currentTarget)}
    >
      <div class="editor-gutter" aria-hidden="true">
        {Array.from({ length: last - first }, (_, index) => {
          const line = first + index + 1;
          const mark = byLine.get(line);
          return (
            <span
              key={line}
              class={`editor-number ${mark ? `editor-number-${mark.severity}` : ""}`}
              style={{ top: `${(line - 1) * LINE_HEIGHT}px` }}
              title={mark?.message}
            >
              {line}
            </span>
          );
        })}
      </div>
      <div class="editor-text" style={{ width: `max(100%, ${columns + 4}ch)` }}>
        {lines.map((mark) => (
          <MarkedLine
            key={mark.line}
            mark={mark}
            columns={columnsOf(text, starts, mark.line)}
            width={view.width}
          />
        ))}
        <pre class="editor-colours" aria-hidden="true" style={{ top: `${first * LINE_HEIGHT}px` }}>
          <Coloured runs={runs} />
        </pre>
        <textarea
          ref={area}
          class="editor-area"
          aria-label={`Model in the ${format.toUpperCase()} format`}
          aria-invalid={invalid}
          aria-describedby={describedBy}
          spellcheck={false}
          autocomplete="off"
          autocapitalize="off"
          wrap="off"
          value={text}
          onInput={(event) => onInput(event.currentTarget.value)}
        />
      </div>
    </div>
  );
}

/** One mark for each line, the worst of it, with all messages. */
function marksByLine(marks: readonly Mark[]): Mark[] {
  const lines = new Map<number, Mark>();
  for (const mark of marks) {
    const other = lines.get(mark.line);
    const worst = other?.severity === "error" ? other : mark;
    const message = other ? `${other.message}; ${mark.message}` : mark.message;
    lines.set(mark.line, { ...worst, message });
  }
  return [...lines.values()];
}

/** The message behind the text of a line, where there is room for it. */
function MarkedLine({ mark, columns, width }: { mark: Mark; columns: number; width: number }) {
  const left = (columns + 3) * 7.9;
  const room = width - left - 80;
  return (
    <div
      class={`editor-line editor-line-${mark.severity}`}
      style={{ top: `${(mark.line - 1) * LINE_HEIGHT}px` }}
    >
      {room > 140 && (
        <span class="editor-lens" style={{ left: `${columns + 3}ch`, maxWidth: `${room}px` }}>
          {mark.message}
        </span>
      )}
    </div>
  );
}
