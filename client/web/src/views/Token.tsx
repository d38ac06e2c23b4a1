// Asks for the token of this tab, and lets it be replaced or forgotten.

import { useEffect, useId, useRef, useState } from "preact/hooks";

import { tokens } from "../api";
import { Dialog } from "../parts/Dialog";
import { askedText, tokenOf } from "../token-text";
import { tryToken } from "../try-token";
import "./token.css";

/** Above the view whose calls wait for a token. */
export function TokenPanel() {
  const problem = tokens.asked.value;
  const title = useId();
  if (!problem) return null;
  return (
    <section class="card token-panel" aria-labelledby={title}>
      <h2 id={title}>Token needed</h2>
      <p role="alert">{askedText(problem)}</p>
      <TokenForm label="Token" onUse={tokens.use} />
      <p class="token-hint">
        The operator of the gateway issues tokens. This tab keeps yours until it is closed, and
        sends it to this gateway only.
      </p>
    </section>
  );
}

/** Replaces or forgets the token. */
export function TokenDialog({ onClose }: { onClose: () => void }) {
  // What is on the screen belongs to the caller of the old token.
  const use = (token: string) => {
    tokens.use(token);
    location.reload();
  };
  const forget = () => {
    tokens.forget();
    location.reload();
  };
  return (
    <Dialog title="Token" onClose={onClose}>
      <div class="token-dialog">
        <p>This tab sends a token with its calls, and keeps it until it is closed.</p>
        <TokenForm label="Another token" onUse={use} autofocus />
        <button type="button" class="button button-danger token-forget" onClick={forget}>
          Forget the token
        </button>
      </div>
    </Dialog>
  );
}

interface FormProps {
  label: string;
  /** Called with a token that the gateway accepts. */
  onUse: (token: string) => void;
  /** For a dialog, which gives the focus to the field. */
  autofocus?: boolean;
}

function TokenForm({ label, onUse, autofocus = false }: FormProps) {
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  const [isTrying, setTrying] = useState(false);
  const [error, setError] = useState("");
  useEffect(() => {
    // Not if somebody is writing in another field: what is typed next would end up here.
    if (document.activeElement === document.body) field.current?.focus();
  }, []);

  const submit = async (event: Event) => {
    event.preventDefault();
    const token = tokenOf(field.current?.value ?? "");
    if (isTrying) return;
    setTrying(true);
    setError("");
    const problem = token && (await tryToken(token));
    setTrying(false);
    if (token && !problem) {
      onUse(token);
      return;
    }
    setError(problem ? askedText(problem) : "This is not a token: it is one word of ASCII.");
    field.current?.select();
  };

  return (
    <form class="token-form" onSubmit={submit}>
      <label for={id}>{label}</label>
      <input
        ref={field}
        id={id}
        class="input mono"
        type="password"
        autocomplete="off"
        spellcheck={false}
        required
        autofocus={autofocus}
        aria-invalid={error !== ""}
        aria-describedby={`${id}-error`}
      />
      <button type="submit" class="button button-primary" aria-disabled={isTrying}>
        {isTrying ? "Trying…" : "Use it"}
      </button>
      <p id={`${id}-error`} class="token-error" role="alert">
        {error}
      </p>
      {!globalThis.isSecureContext && (
        <p class="token-error">
          This page came over plain HTTP: others on the network can read the token.
        </p>
      )}
    </form>
  );
}
