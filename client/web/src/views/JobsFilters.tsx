// The filters of the list of jobs. Each of them changes the address.

import { useState } from "preact/hooks";

import {
  FILTER_STATES,
  hashOf,
  type ListQuery,
  parseLabel,
  withLabel,
  withoutLabel,
  withState,
} from "../jobs/query";
import { stateWord } from "../parts/Chip";
import { go } from "../router";

export function JobFilters({ query }: { query: ListQuery }) {
  const [text, setText] = useState("");
  const add = (event: Event) => {
    event.preventDefault();
    const label = parseLabel(text)?.[0];
    if (!label) return;
    go(hashOf(withLabel(query, ...label)));
  };
  return (
    <div class="jobs-filters">
      <a
        class="jobs-filter"
        href={hashOf({ ...query, states: [], page: "" })}
        aria-current={query.states.length === 0 ? "true" : undefined}
      >
        all
      </a>
      {FILTER_STATES.map((state) => {
        const [tone, word] = stateWord(state);
        return (
          <a
            key={state}
            class={`jobs-filter jobs-filter-${tone}`}
            href={hashOf(withState(query, state))}
            aria-current={query.states.includes(state) ? "true" : undefined}
          >
            {word}
          </a>
        );
      })}
      {query.labels.map(([key, value]) => (
        <a
          key={key}
          class="jobs-filter jobs-filter-label"
          href={hashOf(withoutLabel(query, key))}
          title="Remove this filter"
          aria-label={`Remove the filter ${key}=${value}`}
          aria-current="true"
        >
          {key}={value} ×
        </a>
      ))}
      <form class="jobs-add" onSubmit={add}>
        <input
          class="input"
          placeholder="label=value"
          aria-label="Filter by a label, as in team=blue"
          autocomplete="off"
          spellcheck={false}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </form>
    </div>
  );
}
