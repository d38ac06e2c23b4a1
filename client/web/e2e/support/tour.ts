// A tour of the page: every view in its main states. The tests of its looks and the pictures go
// through it.

import type { Page } from "@playwright/test";
import { hardCover } from "../../test/models";
import type { Gateway } from "./gateway";
import { projects, WYNDOR } from "./models";
import { drop, editor, panel, sentence, solve, solveButton, tile } from "./page";
import { expect } from "./test";

/** A view in a state. */
export interface Scene {
  name: string;
  /** Shows it. */
  show(page: Page): Promise<void>;
  /** Whether docs/images has a picture of it. */
  pictured: boolean;
}

/** A lane for the jobs of the tour that go on: one runs, and another one waits. */
export const TOUR_FLAGS = [
  ...["--name", "gateway-1"],
  ...["--lanes", "express,standard,night"],
  ...["--slots", "express=1,standard=1,night=1"],
];

/**
 * Submits the jobs of the tour with a page that is wide enough to have a job beside the model. The
 * scenes need the storage of its browser, since only that knows the submitted models.
 */
export async function prepareTour(page: Page, gateway: Gateway): Promise<Scene[]> {
  await page.goto("/");
  await page.getByText("Options", { exact: true }).click();
  await page.getByText("Name, labels, lane").click();
  await page.getByLabel("Labels").fill("team=planning");
  await page.getByText("Options", { exact: true }).click();

  const example = async (title: RegExp) => {
    await page.getByRole("button", { name: "Examples" }).click();
    await page.getByRole("menuitem", { name: title }).click();
  };
  const solved = async (name: string, text: string, state: RegExp) => {
    await drop(page, `${name}.lp`, text);
    const id = await solve(page);
    await expect(sentence(page)).toContainText(state, { timeout: 60_000 });
    return id;
  };
  const exampleSolved = async (title: RegExp, state: RegExp) => {
    await example(title);
    const id = await solve(page);
    await expect(sentence(page)).toContainText(state, { timeout: 60_000 });
    return id;
  };

  const lp = await exampleSolved(/Transport/, /Optimal/);
  const infeasible = await exampleSolved(/Bakery/, /Infeasible/);
  const unbounded = await exampleSolved(/A missing limit/, /Unbounded/);
  const curve = await sweep(page, 41);
  const map = await sweep(page, 40, 40);
  const optimal = await solved("cover", hardCover(40, 30), /Optimal/);

  const stopped = await solved("portfolio", projects(3), /Best so far/);
  await ranFor(page, 3);
  await page.getByRole("button", { name: "Stop, keep the best" }).click();
  await expect(sentence(page)).toContainText(/Stopped after/);

  const failed = await solved("too-large", projects(4), /Best so far/);
  await ranFor(page, 1);
  await expect(async () => {
    gateway.killSolvers();
    await expect(sentence(page)).toContainText(/^Failed/, { timeout: 500 });
  }).toPass({ timeout: 60_000 });

  await page.getByText("Options", { exact: true }).click();
  await page.getByLabel("Time limit").fill("6");
  const retried = await solved("portfolio", projects(5), /Best so far/);
  await ranFor(page, 2);
  gateway.killSolvers();
  await expect(sentence(page)).toContainText(/Stopped by the time limit/, { timeout: 40_000 });

  await page.getByLabel("Time limit").fill("");
  await page.getByLabel("Lane").selectOption("night");
  const running = await solved("budgets", projects(6), /Best so far/);
  const queued = await solved("later", projects(7), /Waiting for a worker/);

  const job = (name: string, id: string, state: RegExp, tabId = "", pictured = true): Scene => ({
    name,
    pictured,
    show: async (on) => {
      await on.goto(`/#/job/${id}${tabId && `/${tabId}`}`);
      await expect(sentence(on)).toContainText(state);
      await expect(panel(on)).toBeVisible();
    },
  });
  return [
    { name: "solve", pictured: true, show: showSolve },
    { name: "solve-error", pictured: true, show: showError },
    { name: "solve-sweep", pictured: false, show: showSweepForm },
    { name: "profit-rate", pictured: true, show: showForm },
    job("job-running", running, /Best so far/),
    job("job-retried", retried, /time limit/),
    job("job-queued", queued, /Waiting/),
    job("job-optimal", optimal, /Optimal/),
    job("job-lp", lp, /Optimal/, "", false),
    job("job-log", running, /Best so far/, "log", false),
    job("job-check", stopped, /Stopped/, "check", false),
    job("job-events", optimal, /Optimal/, "events", false),
    job("job-model", optimal, /Optimal/, "model", false),
    job("job-code", optimal, /Optimal/, "code", false),
    job("job-infeasible", infeasible, /Infeasible/),
    job("job-unbounded", unbounded, /Unbounded/, "", false),
    job("job-stopped", stopped, /Stopped/),
    job("job-failed", failed, /Failed/),
    job("sweep-curve", curve, /answered/),
    job("sweep-map", map, /answered/),
    { name: "job-missing", pictured: false, show: showMissing },
    { name: "jobs", pictured: true, show: showJobs },
    { name: "mesh", pictured: true, show: showMesh },
    { name: "usage", pictured: true, show: showUsage },
    { name: "keys", pictured: false, show: showKeys },
  ];
}

/** Sweeps the product mix over the rate of Windows, and over a capacity with a second number. */
async function sweep(page: Page, rates: number, capacities?: number): Promise<string> {
  await drop(page, "wyndor.lp", WYNDOR);
  await page.getByRole("button", { name: "Vary…" }).click();
  const fill = async (axis: number, from: string, to: string, points: number) => {
    const form = page.getByRole("group", { name: `Axis ${axis}` });
    await form.getByLabel("from").fill(from);
    await form.getByLabel("to", { exact: true }).fill(to);
    await form.getByLabel("number of points").fill(String(points));
  };
  await fill(1, "0", "1000", rates);
  if (capacities) {
    await page.getByRole("button", { name: "Second axis…" }).click();
    await fill(2, "0", "36", capacities);
  }
  const id = await solve(page);
  await expect(sentence(page)).toContainText(/All [\d,]+ scenarios answered/, { timeout: 60_000 });
  return id;
}

/** Waits until the solver has worked on the job for some seconds. */
async function ranFor(page: Page, seconds: number): Promise<void> {
  await expect
    .poll(async () => Number.parseFloat((await tile(page, "Time").textContent()) ?? ""), {
      timeout: 30_000,
    })
    .toBeGreaterThan(seconds);
}

/** Opens the view of the model without a job beside it, and with a model of its own. */
async function openSolve(page: Page, text: string): Promise<void> {
  await page.goto("/#/mesh");
  await page.evaluate(() => {
    sessionStorage.clear();
    localStorage.removeItem("solvemesh.draft");
  });
  await page.reload();
  await page.goto("/#/");
  await editor(page).fill(text);
  await editor(page).blur();
}

async function showSolve(page: Page): Promise<void> {
  await openSolve(page, WYNDOR);
  await expect(page.locator("#solve-verdict")).toContainText("2 variables");
}

async function showError(page: Page): Promise<void> {
  await openSolve(page, WYNDOR.replace("2 Windows <= 12", "2 Windows <= <= 12"));
  await expect(page.locator("#solve-verdict")).toContainText("Line 5");
}

async function showSweepForm(page: Page): Promise<void> {
  await openSolve(page, WYNDOR);
  await page.getByText("Options", { exact: true }).click();
  await page.getByRole("button", { name: "Vary…" }).click();
  await page.getByRole("button", { name: "Second axis…" }).click();
  await expect(page.locator("#solve-verdict")).toContainText("441 scenarios");
  await expect(solveButton(page)).toBeEnabled();
}

async function showForm(page: Page): Promise<void> {
  await openSolve(page, WYNDOR);
  await page.getByRole("button", { name: "Profit rate", exact: true }).click();
  const form = page.getByRole("region", { name: "Profit rate" });
  await form.getByRole("slider").fill("500");
  await expect(form.getByRole("status")).toContainText("3600 a week");
  await expect(form).toContainText("1000: profit 6600");
}

async function showMissing(page: Page): Promise<void> {
  await page.goto("/#/job/00000000-0000-7000-8000-000000000000");
  await expect(page.getByRole("heading", { name: "No such job" })).toBeVisible();
}

async function showJobs(page: Page): Promise<void> {
  await page.goto("/#/jobs");
  await expect(page.getByRole("grid", { name: "Jobs" }).locator(".table-row").nth(9)).toBeVisible();
}

async function showMesh(page: Page): Promise<void> {
  await page.goto("/#/mesh");
  await expect(page.getByText("HiGHS").first()).toBeVisible();
}

async function showUsage(page: Page): Promise<void> {
  await page.goto("/#/usage");
  await expect(page.getByRole("heading", { name: "Days" })).toBeVisible();
}

async function showKeys(page: Page): Promise<void> {
  await showMesh(page);
  // A phone has no button for it, but may have a keyboard.
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog")).toBeVisible();
}
