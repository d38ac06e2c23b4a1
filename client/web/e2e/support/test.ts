// The test of this suite: with a gateway of its own, and with a guard that fails it for what no
// test may cause.

import { resolve } from "node:path";
import { type BrowserContext, test as base, expect } from "@playwright/test";
import { type Gateway, startGateway } from "./gateway";

/** Collects what must not happen in any test. */
export interface Guard {
  /** Accepts messages on the console that the test causes on purpose. */
  allow(pattern: RegExp): void;
  /** Accepts requests to another server, as `http://127.0.0.1:1234`. */
  allowOrigin(origin: string): void;
  /** Watches a context that the test made itself. */
  watch(context: BrowserContext): Promise<void>;
}

interface Fixtures {
  /** Flags of the gateway. */
  flags: string[];
  gateway: Gateway;
  guard: Guard;
}

export const test = base.extend<Fixtures>({
  flags: [[], { option: true }],

  gateway: async ({ flags }, use) => {
    const gateway = await startGateway(flags);
    await use(gateway);
    await gateway.stop();
  },

  baseURL: async ({ gateway }, use) => {
    await use(gateway.url);
  },

  guard: [
    async ({ context, gateway }, use) => {
      const faults: string[] = [];
      const allowed: RegExp[] = [];
      const origins = new Set([gateway.url, "null"]);
      const watch = async (watched: BrowserContext) => {
        watched.on("console", (message) => {
          const type = message.type();
          if (type !== "error" && type !== "warning") return;
          faults.push(`console ${type}: ${message.text()} (${message.location().url})`);
        });
        watched.on("weberror", (error) => faults.push(`page error: ${error.error().stack}`));
        watched.on("request", (request) => {
          const { origin } = new URL(request.url());
          if (!origins.has(origin)) faults.push(`a request to another server: ${request.url()}`);
        });
        await serveOther(watched);
        await watched.addInitScript(() => {
          document.addEventListener("securitypolicyviolation", (event) => {
            // biome-ignore lint/suspicious/noConsole: the guard reads the console
            console.error(`CSP violation: ${event.violatedDirective} ${event.blockedURI}`);
          });
        });
      };
      await watch(context);
      await use({
        allow: (pattern) => allowed.push(pattern),
        allowOrigin: (origin) => origins.add(origin),
        watch,
      });
      const unexpected = faults.filter((fault) => !allowed.some((pattern) => pattern.test(fault)));
      expect(unexpected, "what no test may cause").toEqual([]);
    },
    { auto: true },
  ],
});

/**
 * The page is a part of the gateway's binary. With SOLVEMESH_PAGE its files come from that folder,
 * to try a change of the page without a build of the gateway.
 */
async function serveOther(context: BrowserContext): Promise<void> {
  const folder = process.env.SOLVEMESH_PAGE;
  if (!folder) return;
  for (const [address, name, contentType] of [
    ["**/app.js", "app.js", "text/javascript"],
    ["**/later.*.js", "later.js", "text/javascript"],
    ["**/app.css", "app.css", "text/css"],
  ] as const) {
    await context.route(address, (route) =>
      route.fulfill({ path: resolve(folder, name), contentType }),
    );
  }
}

/** Prints a measured figure, and keeps it in the report. */
export function figure(name: string, value: string): void {
  test.info().annotations.push({ type: name, description: value });
  process.stdout.write(`    ${name}: ${value}\n`);
}

export { expect };
