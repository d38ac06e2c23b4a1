// What the page costs: bytes, time to the first paint, memory.

import { gzipSync } from "node:zlib";
import type { CDPSession } from "@playwright/test";
import sizeBudgets from "../size-budgets.json" with { type: "json" };
import { startChatty } from "./support/chatty";
import { tab } from "./support/page";
import { expect, figure, test } from "./support/test";

/** The other budgets; those of sizes by gzip are in size-budgets.json. */
const FIRST_PAINT_MS = 1_000;
const GROWTH_BYTES = 50e6;

test("the files of the page are within their budget", async ({ page }) => {
  const requests: string[] = [];
  page.on("request", (request) => requests.push(new URL(request.url()).pathname));
  await page.goto("/");
  const script = await (await page.request.get("/app.js")).text();
  const later = /later\.[0-9a-f]+\.js/.exec(script)?.[0] ?? "";
  for (const [name, budget] of Object.entries(sizeBudgets)) {
    const response = await page.request.get(`/${name === "later.js" ? later : name}`);
    expect(response.status(), name).toBe(200);
    const size = gzipSync(await response.body(), { level: 9 }).length;
    figure(name, `${size} bytes by gzip`);
    expect(size, `${name} by gzip`).toBeLessThanOrEqual(budget);
  }
  const files = requests.filter((path) => !path.startsWith("/solvemesh."));
  const first = ["/", "/app.js", "/app.css", "/icon.svg"];
  expect(new Set(files)).toEqual(new Set(first));

  await page.goto("/#/mesh");
  await expect(page.getByRole("heading", { name: "Mesh" })).toBeVisible();
  expect(new Set(requests.filter((path) => !path.startsWith("/solvemesh.")))).toEqual(
    new Set([...first, `/${later}`]),
  );
});

test("the first paint comes soon", async ({ page }) => {
  const paints: number[] = [];
  for (let visit = 0; visit < 5; visit++) {
    await page.goto("/");
    paints.push(
      await page.evaluate(async () => {
        const paint = () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime;
        for (;;) {
          const time = paint();
          if (time !== undefined) return time;
          await new Promise(requestAnimationFrame);
        }
      }),
    );
    await page.goto("about:blank");
  }
  figure("first contentful paint", `${paints.map((time) => time.toFixed(0)).join(", ")} ms`);
  // The best one: the others tell how busy the machine is.
  expect(Math.min(...paints)).toBeLessThan(FIRST_PAINT_MS);
});

test("an hour of a chatty job does not fill the memory", async ({ page, gateway, guard }) => {
  test.setTimeout(120_000);
  const chatty = await startChatty(gateway);
  guard.allowOrigin(chatty.url);
  const cdp = await page.context().newCDPSession(page);
  const badge = (count: number) => `Events${count.toLocaleString("en").replace(/^(\d),/, "$1")}`;

  await page.goto(`${chatty.url}/#/job/${chatty.jobId}/log`);
  await expect(tab(page, "Events")).toHaveText(badge(chatty.firstMinute));
  const before = await heapBytes(cdp);
  chatty.goOn();
  await expect(tab(page, "Events")).toHaveText(badge(chatty.total), { timeout: 90_000 });
  const after = await heapBytes(cdp);

  const mega = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
  figure(
    "memory",
    `${mega(before)} after a minute of a job, ${mega(after)} after an hour: ` +
      `${chatty.total} events, ${mega(chatty.sentBytes())} received`,
  );
  expect(after - before).toBeLessThan(GROWTH_BYTES);
  await page.goto("about:blank");
  await chatty.stop();
});

/** The memory of the page's script, without garbage. */
async function heapBytes(cdp: CDPSession): Promise<number> {
  await cdp.send("HeapProfiler.collectGarbage");
  const { usedSize, backingStorageSize } = await cdp.send("Runtime.getHeapUsage");
  return usedSize + backingStorageSize;
}
