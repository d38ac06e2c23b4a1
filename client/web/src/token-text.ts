// A token as a person pastes it, and why the gateway asks for one, in words. Pure.

import type { Problem } from "./problem";

/** The token in a text; undefined if there is none that a header can have. */
export function tokenOf(text: string): string | undefined {
  const bare = text.trim().replace(/^(authorization:)?\s*(bearer\s+)?/i, "");
  return /^[\x21-\x7e]+$/.test(bare) ? bare : undefined;
}

/** Why a call needs a token, or another one. */
export function askedText({ code, reason, message }: Problem): string {
  switch (reason) {
    case "CREDENTIAL_MISSING":
      return "This gateway answers only callers that it knows.";
    case "CREDENTIAL_INVALID":
      return "The gateway does not know this token. Is it complete? It may have been revoked.";
    case "CREDENTIAL_EXPIRED":
      return "This token has expired.";
    default:
      return code === "UNAUTHENTICATED"
        ? `The gateway does not accept the token: ${message}.`
        : `The token could not be tried: ${message}.`;
  }
}
