// The frame of the page: the top bar, and the view of the current route.

import { render } from "preact";
import { useState } from "preact/hooks";
import { tokens } from "./api";
import { activeShortcuts, listenToKeys, useShortcuts } from "./keys";
import { Dialog } from "./parts/Dialog";
import { go, type Route, route } from "./router";
import "./style.css";
import type { Connection } from "./follower";
import { clock } from "./format";
import { Later } from "./parts/Later";
import { JobView } from "./views/Job";
import { Jobs } from "./views/Jobs";
import { Solve } from "./views/Solve";
import { connection } from "./watcher";

function Page() {
  const [help, setHelp] = useState(false);
  const [token, setToken] = useState(false);
  useShortcuts([
    { keys: "g s", does: "go to Solve", run: () => go("#/") },
    { keys: "g j", does: "go to Jobs", run: () => go("#/jobs") },
    { keys: "g m", does: "go to Mesh", run: () => go("#/mesh") },
    { keys: "g u", does: "go to Usage", run: () => go("#/usage") },
    { keys: "?", does: "show the keys", run: () => setHelp(true) },
  ]);
  return (
    <>
      <TopBar view={route.value.view} onHelp={() => setHelp(true)} onToken={() => setToken(true)} />
      <main class="frame-main">
        {tokens.asked.value && <Later show={({ TokenPanel }) => <TokenPanel />} />}
        <View route={route.value} />
      </main>
      {help && <KeysHelp onClose={() => setHelp(false)} />}
      {token && (
        <Later show={({ TokenDialog }) => <TokenDialog onClose={() => setToken(false)} />} />
      )}
    </>
  );
}

interface TopBarProps {
  view: Route["view"];
  onHelp: () => void;
  onToken: () => void;
}

function TopBar({ view, onHelp, onToken }: TopBarProps) {
  const link = (to: string, title: string, views: readonly Route["view"][]) => (
    <a href={to} aria-current={views.includes(view) ? "page" : undefined}>
      {title}
    </a>
  );
  return (
    <header class="frame-bar">
      <div class="frame-bar-inner">
        <a class="frame-brand" href="#/" aria-label="solvemesh">
          <img src="icon.svg" alt="" width="22" height="22" />
          <span>solvemesh</span>
        </a>
        <nav class="frame-nav" aria-label="Views">
          {link("#/", "Solve", ["solve"])}
          {link("#/jobs", "Jobs", ["jobs", "job"])}
          {link("#/mesh", "Mesh", ["mesh", "usage"])}
        </nav>
        {!tokens.asked.value && <ConnectionState state={connection.value} />}
        {tokens.token.value && (
          <button type="button" class="button button-small" onClick={onToken}>
            Token
          </button>
        )}
        <button type="button" class="frame-help" aria-label="Keyboard shortcuts" onClick={onHelp}>
          ?
        </button>
      </div>
    </header>
  );
}

function ConnectionState({ state }: { state: Connection }) {
  if (state.kind === "idle") return null;
  return (
    <span class="frame-state" role="status">
      <span class={`frame-dot frame-dot-${state.kind}`} />
      {connectionText(state)}
    </span>
  );
}

function connectionText(state: Connection): string {
  switch (state.kind) {
    case "idle":
      return "";
    case "live":
      return state.turnSeconds ? `live, every ${state.turnSeconds} s (many tabs)` : "live";
    case "reconnecting":
      return state.inSeconds > 0 ? `reconnecting in ${state.inSeconds} s` : "reconnecting";
    case "away":
      return `gateway away since ${clock(state.since)}`;
  }
}

function View({ route }: { route: Route }) {
  switch (route.view) {
    case "solve":
      return <Solve />;
    case "job":
      return <JobView id={route.id} tab={route.tab} key={route.id} />;
    case "jobs":
      return <Jobs />;
    case "mesh":
      return <Later show={({ Mesh }) => <Mesh />} />;
    case "usage":
      return <Later show={({ Usage }) => <Usage />} />;
  }
}

function KeysHelp({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keyboard shortcuts" onClose={onClose}>
      <dl class="frame-keys">
        {activeShortcuts().map(({ keys, does }) => (
          <KeyRow key={keys} keys={keys} does={does} />
        ))}
      </dl>
    </Dialog>
  );
}

function KeyRow({ keys, does }: { keys: string; does: string }) {
  return (
    <>
      <dt>
        {keys.split(" ").map((key) => (
          <kbd key={key}>{key}</kbd>
        ))}
      </dt>
      <dd>{does}</dd>
    </>
  );
}

const page = document.getElementById("page");
if (page) {
  listenToKeys();
  render(<Page />, page);
}
