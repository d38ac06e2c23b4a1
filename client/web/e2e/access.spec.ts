// The page of a gateway that recognises callers by keys.

import type { Locator, Page } from "@playwright/test";
import { startGateway } from "./support/gateway";
import { type Keys, makeKeys } from "./support/keys";
import { excessWidth, findings } from "./support/looks";
import { marketSplit, WYNDOR } from "./support/models";
import { editor, sentence, solve, solveButton, write } from "./support/page";
import { startProxy } from "./support/proxy";
import { test as base, expect } from "./support/test";

interface AccessFixtures {
  keys: Keys;
  /** A key of the role submit, of the tenant acme. */
  submitter: string;
  /** A key of the role read, of the same tenant. */
  reader: string;
  /** A key of the role admin, of another tenant. */
  admin: string;
}

const test = base.extend<AccessFixtures>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of fixtures from it
  keys: async ({}, use) => {
    const keys = makeKeys();
    await use(keys);
    keys.clear();
  },
  submitter: async ({ keys }, use) => use(keys.add("ci", "acme", "submit")),
  reader: async ({ keys }, use) => use(keys.add("report", "acme", "read")),
  admin: async ({ keys }, use) => use(keys.add("ops", "operators", "admin")),
  // The gateway knows these keys from its start.
  gateway: async ({ keys, submitter, reader, admin }, use) => {
    expect([submitter, reader, admin]).not.toContain("");
    const gateway = await startGateway(keys.flags);
    await use(gateway);
    await gateway.stop();
  },
});

/** Where the page asks for a token. */
function question(page: Page): Locator {
  return page.getByRole("region", { name: "Token needed" });
}

/** Enters a token as a person with a keyboard does. */
async function answer(page: Page, token: string): Promise<void> {
  const field = question(page).getByLabel("Token", { exact: true });
  await expect(field).toBeFocused();
  await field.fill(token);
  await field.press("Enter");
}

/** Opens the view of the model with a token. */
async function signIn(page: Page, token: string): Promise<void> {
  await page.goto("/");
  await answer(page, token);
  await expect(question(page)).toHaveCount(0);
}

/** The requests of a page, as method and `authorization`. */
function authorizations(page: Page): [method: string, authorization: string][] {
  const seen: [string, string][] = [];
  page.on("request", (request) => {
    const method = /JobService\/(\w+)$/.exec(request.url())?.[1];
    if (method) seen.push([method, request.headers().authorization ?? ""]);
  });
  return seen;
}

test("a token is asked for once; a wrong one is explained; then what waits goes on", async ({
  page,
  context,
  submitter,
}) => {
  const seen = authorizations(page);
  await page.goto("/");
  await expect(question(page)).toContainText("answers only callers that it knows");
  await expect(question(page)).toHaveCount(1);
  // What has been written meanwhile stays.
  await editor(page).fill(WYNDOR);
  await editor(page).blur();

  const field = question(page).getByLabel("Token", { exact: true });
  await field.fill("smk_wrong");
  await field.press("Enter");
  await expect(question(page)).toContainText("does not know this token");
  await expect(field).toBeFocused();
  await field.fill("two words");
  await field.press("Enter");
  await expect(question(page)).toContainText("This is not a token");
  expect(await findings(page)).toEqual([]);
  expect(await page.evaluate(() => sessionStorage.getItem("solvemesh.token"))).toBeNull();

  const loads: string[] = [];
  page.on("framenavigated", (frame) => loads.push(frame.url()));
  await answer(page, ` Bearer ${submitter}\n`);
  await expect(question(page)).toHaveCount(0);
  // The check waited, and is answered now.
  await expect(page.locator("#solve-verdict")).toContainText("2 variables");
  await solve(page);
  await expect(sentence(page)).toContainText("Optimal: 3600");
  await page.goto("/#/jobs");
  await expect(page.getByRole("grid", { name: "Jobs" }).locator(".table-row")).toHaveCount(1);
  await page.goto("/#/mesh");
  await expect(page.getByText("live, every 2 s")).toBeVisible();
  expect(
    loads.filter((url) => !url.includes("#")),
    "no reload",
  ).toEqual([]);

  const last = seen.slice(seen.findIndex(([, value]) => value === `Bearer ${submitter}`));
  expect(new Set(last.map(([, value]) => value))).toEqual(new Set([`Bearer ${submitter}`]));
  const methods = new Set(last.map(([method]) => method));
  for (const method of ["SubmitJob", "WatchResults", "ListJobs", "WatchMesh", "GetCapabilities"]) {
    expect(methods).toContain(method);
  }
  expect(await context.cookies()).toEqual([]);
});

test("a tab keeps its token after a reload, and another tab is asked", async ({
  page,
  context,
  submitter,
}) => {
  await signIn(page, submitter);
  await page.reload();
  await expect(page.locator("#solve-verdict")).toContainText("2 variables");
  await expect(question(page)).toHaveCount(0);
  const other = await context.newPage();
  await other.goto("/#/jobs");
  await expect(question(other)).toBeVisible();
});

test("the role read sees jobs, and the page says why it cannot submit", async ({
  page,
  context,
  submitter,
  reader,
}) => {
  await signIn(page, submitter);
  await editor(page).fill(WYNDOR);
  const id = await solve(page);
  await expect(sentence(page)).toContainText("Optimal: 3600");

  const other = await context.newPage();
  await other.goto("/#/jobs");
  await answer(other, reader);
  await expect(other.getByRole("grid", { name: "Jobs" }).locator(".table-row")).toHaveCount(1);
  await other.goto(`/#/job/${id}`);
  await expect(sentence(other)).toContainText("Optimal: 3600");

  await write(other, WYNDOR);
  const why = "The role of your token, read, may not submit jobs.";
  await expect(other.locator("#solve-verdict")).toContainText(`Not checked. ${why}`);
  await solveButton(other).click();
  const refusal = other.getByRole("alert");
  await expect(refusal).toContainText(`${why} A token with the role submit may.`);
  await expect(refusal.getByRole("button", { name: "Try again" })).toHaveCount(0);
});

test("a token that is revoked while a job is watched is asked for, and the watch resumes", async ({
  page,
  gateway,
  guard,
  keys,
  submitter,
}) => {
  const proxy = await startProxy(gateway);
  guard.allowOrigin(proxy.url);
  guard.allow(/net::ERR_/);
  await page.goto(`${proxy.url}/#/`);
  await answer(page, submitter);
  await editor(page).fill(marketSplit());
  await solve(page);
  await expect(sentence(page)).toContainText(/Best so far \d/);
  await editor(page).focus();

  keys.revoke("ci");
  // Other calls are refused as soon as the gateway has read the file again.
  await expect(async () => {
    await page.getByRole("button", { name: "Check", exact: true }).click();
    await expect(question(page)).toBeVisible({ timeout: 500 });
  }).toPass({ timeout: 15_000 });
  await expect(question(page)).toContainText("may have been revoked");
  await expect(sentence(page)).toContainText(/Best so far \d/);
  // The stream breaks while there is no token.
  proxy.cut();
  proxy.mend();

  const next = keys.add("ci-2", "acme", "submit");
  const field = question(page).getByLabel("Token", { exact: true });
  await expect(async () => {
    // An earlier try may have succeeded late.
    if ((await field.count()) > 0) {
      await field.fill(next, { timeout: 500 });
      await field.press("Enter", { timeout: 500 });
    }
    await expect(question(page)).toHaveCount(0, { timeout: 700 });
  }).toPass({ timeout: 15_000 });
  await expect(page.locator(".frame-state")).toHaveText("live", { timeout: 30_000 });
  await proxy.stop();
});

test("a token can be replaced and forgotten", async ({ page, submitter, reader, admin }) => {
  await signIn(page, submitter);
  const open = () => page.getByRole("button", { name: "Token", exact: true }).click();
  const dialog = page.getByRole("dialog", { name: "Token" });
  const kept = () => page.evaluate(() => sessionStorage.getItem("solvemesh.token"));

  await open();
  expect(await findings(page)).toEqual([]);
  // A wrong one changes nothing.
  await dialog.getByLabel("Another token").fill("smk_wrong");
  await dialog.getByLabel("Another token").press("Enter");
  await expect(dialog).toContainText("does not know this token");
  expect(await kept()).toBe(submitter);
  await page.keyboard.press("Escape");
  await expect(dialog).toHaveCount(0);

  await open();
  await dialog.getByLabel("Another token").fill(reader);
  await dialog.getByLabel("Another token").press("Enter");
  await expect(dialog).toHaveCount(0);
  expect(await kept()).toBe(reader);
  await expect(page.locator("#solve-verdict")).toContainText("The role of your token, read");

  await open();
  await dialog.getByRole("button", { name: "Forget the token" }).click();
  await expect(question(page)).toBeVisible();
  expect(await kept()).toBeNull();
  await expect(page.getByRole("button", { name: "Token", exact: true })).toHaveCount(0);
  await answer(page, admin);
  await expect(question(page)).toHaveCount(0);
});

test("usage is shown by tenant and key: to a tenant its own, to an admin that of all", async ({
  page,
  context,
  submitter,
  admin,
}) => {
  test.setTimeout(120_000);
  await signIn(page, submitter);
  for (const rate of [3, 5]) {
    await editor(page).fill(WYNDOR.replace("3 Doors", `${rate} Doors`));
    await solve(page);
    await expect(sentence(page)).toContainText("Optimal");
  }
  await editor(page).fill(marketSplit());
  await solve(page);
  await expect(sentence(page)).toContainText(/Best so far \d/);

  await page.goto("/#/mesh");
  await page.getByRole("link", { name: "Usage" }).click();
  await expect(page).toHaveURL(/#\/usage$/);
  await expect(page.getByRole("link", { name: "Mesh", exact: true }).first()).toHaveAttribute(
    "aria-current",
    "page",
  );
  const fact = (on: Page, name: string) =>
    on.locator("dl > div").filter({ hasText: name }).locator("dd");
  await expect(fact(page, "Live jobs")).toHaveText("1");
  await expect(fact(page, "Jobs today")).toHaveText("2");
  const today = new Date().toISOString().slice(0, 10);
  await expect(page.getByRole("row", { name: today })).toContainText("2");
  const rows = (on: Page) => on.getByRole("grid", { name: "Keys" }).locator(".table-row");
  await expect(rows(page)).toHaveCount(1);
  await expect(rows(page)).toContainText("acme");

  const other = await context.newPage();
  await other.goto("/#/");
  await answer(other, admin);
  await editor(other).fill(WYNDOR);
  await solve(other);
  await expect(sentence(other)).toContainText("Optimal");
  await other.goto("/#/usage");
  await expect(rows(other)).toHaveCount(2);
  await expect(fact(other, "Jobs today")).toHaveText("3");
  await rows(other).getByRole("link", { name: "operators" }).click();
  await expect(other).toHaveURL(/#\/usage\?tenant=operators$/);
  await expect(rows(other)).toHaveCount(1);
  await expect(fact(other, "Jobs today")).toHaveText("1");
  await other.getByRole("link", { name: "show all" }).click();
  await expect(rows(other)).toHaveCount(2);
});

test("the question and the usage of keys fit a phone and are accessible, light and dark", async ({
  page,
  submitter,
}) => {
  test.setTimeout(180_000);
  const dialog = page.getByRole("dialog", { name: "Token" });
  await page.goto("/");
  for (const step of ["question", "dialog", "job", "usage"]) {
    if (step === "dialog") {
      await answer(page, submitter);
      await solve(page);
      await page.getByRole("button", { name: "Token", exact: true }).click();
      await expect(dialog).toBeVisible();
    } else if (step === "job") {
      // The top bar of a phone has the state of the connection beside the token.
      await page.keyboard.press("Escape");
      await editor(page).fill(marketSplit());
      await page.goto(`/#/job/${await solve(page)}`);
      await expect(page.locator(".frame-state")).toHaveText("live");
    } else if (step === "usage") {
      await page.getByRole("button", { name: "Stop, keep the best" }).click();
      await expect(sentence(page)).toContainText(/Stopped after/);
      await page.goto("/#/usage");
      await expect(page.getByRole("grid", { name: "Keys" })).toBeVisible();
    } else {
      await expect(question(page)).toBeVisible();
    }
    for (const [width, colorScheme] of [
      [1280, "light"],
      [1280, "dark"],
      [360, "light"],
      [360, "dark"],
    ] as const) {
      await page.setViewportSize({ width, height: 740 });
      await page.emulateMedia({ colorScheme });
      expect.soft(await excessWidth(page), `${step} at ${width}`).toBe(0);
      expect.soft(await findings(page), `${step}, ${width}, ${colorScheme}`).toEqual([]);
      await page.screenshot({
        path: test.info().outputPath(`${step}-${width}-${colorScheme}.png`),
      });
    }
    await page.setViewportSize({ width: 1280, height: 800 });
  }
});
