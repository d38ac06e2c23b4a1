// Sweeps: a curve, a map, and many scenarios.

import type { Page } from "@playwright/test";
import { WYNDOR, wyndorProfit } from "./support/models";
import { sentence, solve, tableRows, write } from "./support/page";
import { expect, figure, test } from "./support/test";

/** Writes the model, and varies the rate of Windows. */
async function varyRate(page: Page, from: number, to: number, points: number): Promise<void> {
  await write(page, WYNDOR);
  await page.getByRole("button", { name: "Vary…" }).click();
  const axis = page.getByRole("group", { name: "Axis 1" });
  await expect(axis.getByLabel("what varies")).toHaveValue(/./);
  await axis.getByLabel("name of the variable").fill("Windows");
  await axis.getByLabel("from").fill(String(from));
  await axis.getByLabel("to", { exact: true }).fill(String(to));
  await axis.getByLabel("number of points").fill(String(points));
}

/** The share of the chart's pixels that are drawn. */
function drawnShare(page: Page): Promise<number> {
  return page.locator("canvas.sweep-canvas").evaluate((canvas: HTMLCanvasElement) => {
    const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
    let drawn = 0;
    for (let at = 3; at < data.length; at += 4) if (data[at] !== 0) drawn += 1;
    return drawn / (canvas.width * canvas.height);
  });
}

test("a sweep of one number draws its curve, with the right values", async ({ page }) => {
  await varyRate(page, 0, 1000, 11);
  await expect(page.getByText("11 scenarios")).toBeVisible();
  await solve(page);
  await expect(sentence(page)).toContainText("All 11 scenarios answered.");

  const chart = page.locator("canvas.sweep-canvas");
  await expect(chart).toHaveAttribute(
    "aria-label",
    "Objective over obj:Windows: 11 of 11 scenarios have a result. " +
      "Best: 6600, obj:Windows = 1000. Worst: 1200, obj:Windows = 0.",
  );
  await expect.poll(() => drawnShare(page)).toBeGreaterThan(0.002);

  const rows = await tableRows(page, "Scenarios");
  const rates = Array.from({ length: 11 }, (_, step) => step * 100);
  expect(rows.map(([, rate, profit]) => [Number(rate), Number(profit)])).toEqual(
    rates.map((rate) => [rate, wyndorProfit(rate)]),
  );

  // The chart shows the scenario under the pointer: in its middle that is a rate of about 500.
  const box = (await chart.boundingBox())!;
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  const tip = page.locator(".sweep-tip");
  await expect(tip).toContainText(/Windows[4-6]00/);
  const [, rate = ""] = /Windows([\d,]+)/.exec((await tip.textContent()) ?? "") ?? [];
  await expect(tip).toContainText(`objective${wyndorProfit(Number(rate))}`);
});

test("a sweep of two numbers draws a map", async ({ page }) => {
  await varyRate(page, 0, 1000, 11);
  await page.getByRole("button", { name: "Second axis…" }).click();
  const axis = page.getByRole("group", { name: "Axis 2" });
  await axis.getByLabel("name of the constraint").fill("plant2");
  await axis.getByLabel("from").fill("0");
  await axis.getByLabel("to", { exact: true }).fill("18");
  await axis.getByLabel("number of points").fill("10");
  await expect(page.getByText("11 × 10 = 110 scenarios")).toBeVisible();
  await solve(page);
  await expect(sentence(page)).toContainText("All 110 scenarios answered.");
  await expect(page.locator(".sweep-plot-map")).toBeVisible();
  await expect.poll(() => drawnShare(page)).toBeGreaterThan(0.5);
  // 9 batches of windows fill the third plant: 9 × 1000.
  await expect(page.locator("canvas.sweep-canvas")).toHaveAttribute("aria-label", /Best: 9000,/);
});

test.describe("many scenarios", () => {
  // One solver, so that a machine with two cores has one left for the browser.
  test.use({ flags: ["--slots", "express=1,standard=1"] });

  test("the page stays smooth while 100,000 scenarios arrive", async ({ page, browser }) => {
    test.setTimeout(180_000);
    await varyRate(page, 0, 1000, 100_000);
    await page.evaluate(() => {
      const frames: number[] = [];
      let last = performance.now();
      const next = (now: number) => {
        frames.push(now - last);
        last = now;
        requestAnimationFrame(next);
      };
      requestAnimationFrame(next);
      Object.assign(window, { frames });
    });
    await browser.startTracing(page, { categories: ["toplevel"] });
    const begin = Date.now();
    await solve(page);
    await expect(sentence(page)).toContainText("All 100,000 scenarios answered.", {
      timeout: 150_000,
    });
    const took = (Date.now() - begin) / 1000;
    const tasks = taskTimes(await browser.stopTracing());
    const frames = await page.evaluate(() => (window as unknown as { frames: number[] }).frames);
    const sorted = frames.toSorted((a, b) => a - b);
    const quantile = (share: number) => sorted[Math.floor((sorted.length - 1) * share)] ?? 0;
    const longest = Math.max(...tasks);
    figure("sweep of 100,000 scenarios", `${took.toFixed(1)} s, ${frames.length} frames`);
    figure(
      "frames",
      `median ${quantile(0.5).toFixed(1)} ms, 95 % within ${quantile(0.95).toFixed(1)} ms, ` +
        `longest ${quantile(1).toFixed(0)} ms; longest task ${longest.toFixed(0)} ms of the CPU`,
    );
    expect(quantile(0.5), "the median frame, in milliseconds").toBeLessThanOrEqual(34);
    expect(quantile(0.9), "nine of ten frames, in milliseconds").toBeLessThanOrEqual(100);
    expect(longest, "the longest task, in milliseconds of the CPU").toBeLessThanOrEqual(200);

    const best = page.locator("canvas.sweep-canvas");
    await expect(best).toHaveAttribute("aria-label", /100,000 of 100,000 .* Best: 6600,/);
  });
});

/** An event of a trace of Chromium. */
interface TraceEvent {
  name: string;
  pid: number;
  tid: number;
  args?: { name?: string };
  /** The time that the thread had the CPU, in microseconds. */
  tdur?: number;
}

/**
 * The times of the tasks of pages, in milliseconds of the CPU: unlike those by the clock they do
 * not grow with what else the machine does.
 */
function taskTimes(trace: Buffer): number[] {
  const { traceEvents } = JSON.parse(trace.toString()) as { traceEvents: TraceEvent[] };
  const place = ({ pid, tid }: TraceEvent) => `${pid}/${tid}`;
  const threads = new Set(
    traceEvents
      .filter(({ name, args }) => name === "thread_name" && args?.name === "CrRendererMain")
      .map(place),
  );
  return traceEvents
    .filter((event) => event.name.endsWith("RunTask") && threads.has(place(event)))
    .map(({ tdur = 0 }) => tdur / 1000);
}
