// biome-ignore-all lint/a11y/useSemanticElements: table elements cannot be laid out as a CSS grid
// biome-ignore-all lint/a11y/useFocusableInteractive: the grid has the focus, and names its active row
// A table that draws only the rows in view, for any number of rows.

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";

import { count } from "../format";
import { useShortcuts } from "../keys";
import "./table.css";
import { arrange, type Rows, type Sorting, type SortValue } from "./table-order";
import { scrollTo, windowAt } from "./table-window";

/** Below this width, in pixels, a table hides its columns that are marked `wide`. */
const NARROW = 640;

/** Time between two sorts of rows that are still arriving, in milliseconds. */
const SORT_INTERVAL = 400;

/** The height of a row, in pixels; higher where a finger points. */
const DEFAULT_ROW_HEIGHT = globalThis.matchMedia?.("(pointer: coarse)").matches ? 44 : 32;

/** A column of a table. */
export interface Column<T> {
  key: string;
  title: string;
  /** Only screen readers get the title. */
  titleHidden?: boolean;
  /** What the column means, shown on hover. */
  hint?: string;
  align?: "left" | "right";
  cell(row: T): ComponentChildren;
  /** Makes the column sortable, by comparing rows. */
  sort?(a: T, b: T): number;
  /** Makes the column sortable, by a value: faster, and rows without one come last. */
  by?(row: T): SortValue;
  /** The width as a CSS grid track. Default: an equal share. */
  width?: string;
  /** Hide it where the table is narrow. */
  wide?: boolean;
}

/** How a table is sorted. */
export interface SortState {
  key: string;
  descending: boolean;
}

interface Props<T> {
  rows: Rows<T>;
  columns: readonly Column<T>[];
  rowKey(row: T, index: number): string | number;
  /** What is shown if there are no rows. */
  empty: ComponentChildren;
  /** What the rows are, in the plural: for screen readers, and behind their number. */
  label?: string;
  /** Called with the row that was clicked, or on which Enter was pressed. */
  onOpen?(row: T, index: number): void;
  /** Adds a search field that finds this text of the rows. */
  search?: { placeholder: string; text(row: T): string };
  /** Shows only these rows. A new function filters again. */
  include?: ((row: T) => boolean) | undefined;
  /** How the table is sorted at first. */
  initialSort?: SortState;
  /** The index of a row that is marked, and scrolled into view when it changes. */
  selected?: number | undefined;
  /** More elements for the line above the table. */
  tools?: ComponentChildren;
  /** Changes when rows change in place. A change of their number need not be told. */
  version?: unknown;
  /** In pixels; all rows have the same. */
  rowHeight?: number;
  /** More classes for a row. */
  rowClass?(row: T): string | undefined;
  /** Makes j, k and / shortcuts of the page. For the main table of a view. */
  keys?: boolean;
}

/** A table of any length: virtual rows, sorting, search, keyboard. */
export function VirtualTable<T>(props: Props<T>) {
  const { rows, rowHeight = DEFAULT_ROW_HEIGHT } = props;
  const id = useId();
  const scroller = useRef<HTMLDivElement>(null);
  const header = useRef<HTMLDivElement>(null);
  const field = useRef<HTMLInputElement>(null);
  const [scrollTop, setScrollTop] = useState(0);
  const [view, setView] = useState({ width: 1000, height: 400 });
  const [query, setQuery] = useState("");
  const [sort, setSort] = useState<SortState | undefined>(props.initialSort);
  const [active, setActive] = useState<number | undefined>(undefined);

  const order = useOrder(props, query, sort);
  const length = order ? order.length : rows.length;
  const indexAt = (position: number) => (order ? (order[position] as number) : position);
  const positionOf = (index: number) => (order ? order.indexOf(index) : index);

  const narrow = view.width < NARROW;
  const columns = narrow ? props.columns.filter((column) => !column.wide) : props.columns;
  const tracks = columns.map((column) => column.width ?? "minmax(0, 1fr)").join(" ");
  const size = { rowCount: length, rowHeight, viewHeight: view.height };
  const shown = windowAt(size, scrollTop);

  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const measure = () => {
      const height = element.clientHeight - (header.current?.offsetHeight ?? 0);
      setView({ width: element.clientWidth, height: Math.max(height, rowHeight) });
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, [rowHeight]);

  const reveal = (position: number) => {
    const element = scroller.current;
    if (!element || position < 0) return;
    element.scrollTop = scrollTo(size, element.scrollTop, position);
  };
  const move = (position: number) => {
    if (length === 0) return;
    const target = Math.min(Math.max(position, 0), length - 1);
    setActive(indexAt(target));
    reveal(target);
  };
  const open = (index: number) => {
    const row = rows.at(index);
    if (row !== undefined) props.onOpen?.(row, index);
  };

  // A marked row comes into view when it is marked, not each time that rows arrive.
  const reported = useRef(props.selected);
  useEffect(() => {
    if (props.selected === reported.current) return;
    reported.current = props.selected;
    if (props.selected === undefined) return;
    setActive(props.selected);
    reveal(positionOf(props.selected));
  });

  const step = (rowsDown: number) =>
    move((active === undefined ? -1 : positionOf(active)) + rowsDown);
  const openActive = () => active !== undefined && open(active);
  const focusSearch = () => field.current?.focus();

  const lastKey = useRef("");
  const onKey = (event: KeyboardEvent) => {
    // "g j" is a shortcut of the page, not a step in the table.
    const isSequence = lastKey.current === "g";
    lastKey.current = event.key;
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (isSequence || isControl(event.target)) return;
    const page = Math.max(Math.floor(view.height / rowHeight) - 1, 1);
    const actions: Record<string, (() => void) | undefined> = {
      j: () => step(1),
      ArrowDown: () => step(1),
      k: () => step(-1),
      ArrowUp: () => step(-1),
      PageDown: () => step(page),
      PageUp: () => step(-page),
      Home: () => move(0),
      End: () => move(length - 1),
      Enter: props.onOpen && openActive,
      Escape: active === undefined ? undefined : () => setActive(undefined),
      "/": props.search && focusSearch,
    };
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  };

  useShortcuts(
    props.keys
      ? [
          { keys: "j", does: "next row", run: () => step(1) },
          { keys: "k", does: "previous row", run: () => step(-1) },
          ...(props.search ? [{ keys: "/", does: "search in the table", run: focusSearch }] : []),
        ]
      : [],
  );
  const latestOnKey = useRef(onKey);
  latestOnKey.current = onKey;
  useEffect(() => {
    if (!props.keys) return;
    // Not the keys that scroll the page: nothing has the focus, so they are not for the table.
    const listener = (event: KeyboardEvent) => {
      if (event.key !== "Enter" && event.key !== "Escape") return;
      if (event.target !== document.body || document.querySelector("dialog[open]")) return;
      latestOnKey.current(event);
    };
    document.addEventListener("keydown", listener);
    return () => document.removeEventListener("keydown", listener);
  }, [props.keys]);

  const onSearchKey = (event: KeyboardEvent) => {
    if (event.key === "Escape") {
      if (query === "") scroller.current?.focus();
      setQuery("");
    } else if (event.key === "ArrowDown" || event.key === "Enter") {
      scroller.current?.focus();
      move(0);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  const body: JSX.Element[] = [];
  for (let position = shown.first; position < shown.end; position++) {
    const index = indexAt(position);
    const row = rows.at(index);
    if (row === undefined) continue;
    const classes = ["table-row", props.rowClass?.(row)];
    if (index === active) classes.push("table-active");
    if (index === props.selected) classes.push("table-selected");
    if (props.onOpen) classes.push("table-opens");
    body.push(
      // biome-ignore lint/a11y/useKeyWithClickEvents: the grid handles the keys of its rows
      <div
        key={props.rowKey(row, index)}
        id={`${id}-${index}`}
        role="row"
        tabIndex={-1}
        aria-rowindex={position + 2}
        aria-selected={index === active}
        class={classes.filter(Boolean).join(" ")}
        style={{ height: `${rowHeight}px`, gridTemplateColumns: tracks }}
        onClick={(event) => {
          if ((event.target as Element).closest("a, button, input, label")) return;
          if (!getSelection()?.isCollapsed) return;
          setActive(index);
          open(index);
        }}
      >
        {columns.map((column) => (
          <div key={column.key} role="gridcell" class={`table-cell ${alignment(column)}`}>
            {column.cell(row)}
          </div>
        ))}
      </div>,
    );
  }

  const hidden = length < rows.length;
  return (
    <div class="table">
      {(props.search || props.tools) && (
        <div class="table-tools">
          {props.search && (
            <input
              ref={field}
              type="search"
              class="input table-search"
              placeholder={props.search.placeholder}
              aria-label={props.search.placeholder}
              spellcheck={false}
              autocomplete="off"
              value={query}
              onInput={(event) => {
                setQuery(event.currentTarget.value);
                if (scroller.current) scroller.current.scrollTop = 0;
              }}
              onKeyDown={onSearchKey}
            />
          )}
          <span class="table-count" role="status">
            {hidden ? `${count(length)} of ${count(rows.length)}` : count(rows.length)}{" "}
            {(props.label ?? "rows").toLowerCase()}
          </span>
          {props.tools}
        </div>
      )}
      <div
        ref={scroller}
        class={`table-scroll ${rows.length === 0 ? "table-hidden" : ""}`}
        role="grid"
        tabIndex={0}
        aria-label={props.label ?? "Table"}
        aria-rowcount={length + 1}
        aria-colcount={columns.length}
        aria-activedescendant={
          active !== undefined && isDrawn(positionOf(active), shown) ? `${id}-${active}` : undefined
        }
        onScroll={(event) => setScrollTop(event.currentTarget.scrollTop)}
        onKeyDown={onKey}
      >
        <div ref={header} role="rowgroup" class="table-head">
          <div role="row" class="table-titles" style={{ gridTemplateColumns: tracks }}>
            {columns.map((column) => (
              <Title key={column.key} column={column} sort={sort} onSort={setSort} />
            ))}
          </div>
        </div>
        {length > 0 && (
          <div
            role="rowgroup"
            class="table-body"
            style={{ height: `${shown.height}px`, paddingTop: `${shown.offset}px` }}
          >
            {body}
          </div>
        )}
      </div>
      {length === 0 && (
        <div class={`table-empty ${rows.length > 0 ? "table-unmatched" : ""}`}>
          {rows.length > 0 ? <NoMatch query={query} onClear={() => setQuery("")} /> : props.empty}
        </div>
      )}
    </div>
  );
}

function NoMatch({ query, onClear }: { query: string; onClear(): void }) {
  if (query === "") return <>Nothing matches this filter.</>;
  return (
    <>
      Nothing matches “{query}”.{" "}
      <button type="button" class="table-clear" onClick={onClear}>
        Clear the search
      </button>
    </>
  );
}

interface TitleProps<T> {
  column: Column<T>;
  sort: SortState | undefined;
  onSort(sort: SortState | undefined): void;
}

function Title<T>({ column, sort, onSort }: TitleProps<T>) {
  const direction =
    sort?.key === column.key ? (sort.descending ? "descending" : "ascending") : "none";
  const sortable = column.by !== undefined || column.sort !== undefined;
  return (
    <div
      role="columnheader"
      class={`table-title ${alignment(column)}`}
      title={column.hint}
      aria-sort={sortable ? direction : undefined}
    >
      {sortable ? (
        <button type="button" onClick={() => onSort(nextSort(column.key, sort))}>
          <span class="table-name">{column.title}</span>
          <span class="table-arrow" aria-hidden="true">
            {direction === "none" ? "" : direction === "ascending" ? "▲" : "▼"}
          </span>
        </button>
      ) : (
        <span class={column.titleHidden ? "visually-hidden" : ""}>{column.title}</span>
      )}
    </div>
  );
}

/** The sort after a click on a title: ascending, descending, as the rows are. */
export function nextSort(key: string, sort: SortState | undefined): SortState | undefined {
  if (sort?.key !== key) return { key, descending: false };
  return sort.descending ? undefined : { key, descending: true };
}

/** What an order was computed from, to tell when it is out of date. */
interface Computed<T> {
  order: Uint32Array | undefined;
  rows: Rows<T>;
  length: number;
  version: unknown;
  include: unknown;
  query: string;
  sort: SortState | undefined;
  /** When it was computed, and how long that took, in milliseconds. */
  time: number;
  cost: number;
}

/**
 * The order of the rows. While rows arrive it is computed again only every `SORT_INTERVAL`, and
 * less often where it takes long, so that sorting a large table leaves time for drawing it.
 */
function useOrder<T>(props: Props<T>, query: string, sort: SortState | undefined) {
  const { rows, columns, search, include, version } = props;
  const last = useRef<Computed<T>>(undefined);
  const [, redraw] = useState(0);
  const before = last.current;
  const now = performance.now();
  const asked = before?.include === include && before?.query === query && before?.sort === sort;
  const current =
    before?.rows === rows && before.length === rows.length && before.version === version;
  const pause = before?.order ? Math.max(SORT_INTERVAL, before.cost * 5) : 0;
  const due = before ? before.time + pause : now;
  if (!(asked && (current || now < due))) {
    const column = columns.find((candidate) => candidate.key === sort?.key);
    const words = query.trim().toLowerCase();
    const finds =
      search && words !== ""
        ? (row: T) => search.text(row).toLowerCase().includes(words)
        : undefined;
    const both = include && finds ? (row: T) => include(row) && finds(row) : (include ?? finds);
    const sorting: Sorting<T> | undefined =
      column && sort ? { ...sortingOf(column), descending: sort.descending } : undefined;
    const order = arrange(rows, both, sorting);
    const cost = performance.now() - now;
    const length = rows.length;
    last.current = { order, rows, length, version, include, query, sort, time: now, cost };
  }
  const waits = asked && !current && now < due;
  useEffect(() => {
    if (!waits) return;
    const timer = setTimeout(() => redraw((times) => times + 1), due - performance.now());
    return () => clearTimeout(timer);
  }, [waits, due]);
  return last.current?.order;
}

function sortingOf<T>(column: Column<T>) {
  return { by: column.by?.bind(column), compare: column.sort?.bind(column) };
}

/** Whether a key is for something inside of the grid: a button of a title, a link, a field. */
function isControl(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest("a, button, input, select") !== null;
}

function isDrawn(position: number, shown: { first: number; end: number }): boolean {
  return position >= shown.first && position < shown.end;
}

function alignment<T>(column: Column<T>): string {
  return column.align === "right" ? "table-right" : "";
}
