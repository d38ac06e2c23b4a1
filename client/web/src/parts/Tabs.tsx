// A row of tabs with the panel of the chosen one.

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

export interface Tab {
  id: string;
  title: string;
  /** A number or a sign behind the title. */
  badge?: string | undefined;
  panel: () => ComponentChildren;
}

export interface TabsProps {
  /** What the tabs are about, for screen readers. */
  label: string;
  tabs: readonly Tab[];
  chosen: string;
  onChoose: (id: string) => void;
}

/** Tabs as in the ARIA pattern: arrow keys choose, only the chosen one is in the tab order. */
export function Tabs({ label, tabs, chosen, onChoose }: TabsProps) {
  const bar = useRef<HTMLDivElement>(null);
  const current = tabs.find((tab) => tab.id === chosen) ?? tabs[0];
  const currentId = current?.id;
  useEffect(() => {
    // The bar scrolls where it is narrow.
    const tab = currentId && bar.current?.querySelector<HTMLElement>("[aria-selected=true]");
    if (tab) tab.parentElement?.scrollTo({ left: tab.offsetLeft - 48 });
  }, [currentId]);
  if (!current) return null;

  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const index = (tabs.indexOf(current) + step + tabs.length) % tabs.length;
    onChoose(tabs[index]!.id);
    bar.current?.querySelectorAll<HTMLElement>("[role=tab]")[index]?.focus();
  };

  return (
    <div class="tabs">
      <div class="tabs-bar" role="tablist" aria-label={label} ref={bar} onKeyDown={onKeyDown}>
        {tabs.map((tab) => (
          <button
            key={tab.id}
            type="button"
            role="tab"
            class="tabs-tab"
            id={`tab-${tab.id}`}
            aria-selected={tab === current}
            aria-controls="tab-panel"
            tabIndex={tab === current ? 0 : -1}
            onClick={() => onChoose(tab.id)}
          >
            {tab.title}
            {tab.badge && <span class="tabs-badge">{tab.badge}</span>}
          </button>
        ))}
      </div>
      <div class="tabs-panel" role="tabpanel" id="tab-panel" aria-labelledby={`tab-${current.id}`}>
        {current.panel()}
      </div>
    </div>
  );
}
