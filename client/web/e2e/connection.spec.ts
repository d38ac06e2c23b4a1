// The connection to the gateway: broken, shared by many tabs, and asked for by a strange page.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fromBinary } from "@bufbuild/protobuf";
import type { Page, Request } from "@playwright/test";
import { WatchResultsRequestSchema } from "../gen/solvemesh/v1/job_service_pb";
import { marketSplit, WYNDOR } from "./support/models";
import { editor, savedEvents, sentence, solve, solveButton, tab, write } from "./support/page";
import { startProxy } from "./support/proxy";
import { expect, test } from "./support/test";

/** Bytes before the message in the body of a request. */
const HEADER_BYTES = 5;

/** What the top bar says of the connection. */
function state(page: Page) {
  return page.locator(".frame-state");
}

test("a broken connection is resumed without a gap and without an event twice", async ({
  page,
  gateway,
  guard,
}) => {
  const proxy = await startProxy(gateway);
  guard.allowOrigin(proxy.url);
  guard.allow(/net::ERR_/);
  const tokens: string[] = [];
  page.on("request", (request: Request) => {
    if (!request.url().endsWith("/WatchResults")) return;
    const message = request.postDataBuffer()!.subarray(HEADER_BYTES);
    tokens.push(fromBinary(WatchResultsRequestSchema, message).resumeToken);
  });
  const eventCount = async () =>
    Number(/\d+/.exec((await tab(page, "Events").textContent()) ?? "")?.[0]);

  await page.goto(`${proxy.url}/#/`);
  await editor(page).fill(marketSplit());
  await solve(page);
  await expect(sentence(page)).toContainText(/Best so far \d/);
  await expect(state(page)).toHaveText("live");
  expect(tokens).toEqual([""]);

  for (let round = 1; round <= 3; round++) {
    const before = await eventCount();
    proxy.cut();
    await expect(state(page)).toContainText("reconnecting");
    proxy.mend();
    await expect(state(page)).toHaveText("live", { timeout: 30_000 });
    await expect.poll(eventCount, { timeout: 30_000 }).toBeGreaterThan(before);
  }
  await page.getByRole("button", { name: "Stop, keep the best" }).click();
  await expect(sentence(page)).toContainText(/Stopped after .*: best/);

  expect(tokens.length).toBeGreaterThanOrEqual(4);
  expect(tokens.slice(1), "each later watch resumes").not.toContain("");
  const events = await savedEvents(page);
  let expected = 1;
  for (const { sequence, skippedCount = 0 } of events) {
    expect(sequence, "no gap, and none twice").toBe(expected + skippedCount);
    expected = sequence + 1;
  }
  expect(events.at(-1)).toHaveProperty("finished");
  await proxy.stop();
});

test("a gateway that ends is said to be away, with the numbers of the last contact", async ({
  page,
  gateway,
  guard,
}) => {
  guard.allow(/net::ERR_/);
  await write(page, marketSplit());
  await solve(page);
  await expect(sentence(page)).toContainText(/Best so far \d/);
  await gateway.stop();
  await expect(state(page)).toContainText("gateway away since", { timeout: 30_000 });
  await expect(page.getByText("The connection to the gateway is lost")).toBeVisible();
  await expect(sentence(page)).toContainText(/Best so far \d/);
});

test("a part of the page that a newer gateway does not have is said to be missing", async ({
  page,
  guard,
}) => {
  guard.allow(/404|Failed to fetch/);
  await page.route("**/later.*.js", (route) => route.fulfill({ status: 404, body: "not found" }));
  await page.goto("/");
  await page.getByRole("link", { name: "Mesh", exact: true }).click();
  await expect(page.getByRole("alert")).toContainText("has another version");
  await page.unroute("**/later.*.js");
  await page.getByRole("button", { name: "Load the page again" }).click();
  await expect(page.getByRole("heading", { name: "Mesh" })).toBeVisible();
});

test("ten tabs at once over plain HTTP still submit and solve", async ({ page, context }) => {
  test.setTimeout(120_000);
  await write(page, marketSplit());
  const long = await solve(page);
  await expect(sentence(page)).toContainText(/Best so far \d/);
  const tabs = [page];
  while (tabs.length < 10) tabs.push(await context.newPage());
  // A browser has six connections to a server. Each of these would hold one for ever.
  for (const each of tabs) await each.goto(`/#/job/${long}`);
  for (const each of tabs) {
    await expect(sentence(each)).toContainText(/Best so far \d/, { timeout: 60_000 });
  }
  for (const each of tabs) {
    await each.goto("/#/");
    await editor(each).fill(WYNDOR);
  }
  await Promise.all(
    tabs.map(async (each) => {
      await solveButton(each).click();
      await expect(sentence(each)).toContainText("Optimal: 3600", { timeout: 60_000 });
    }),
  );
});

test("a page of another origin can neither call nor read", async ({ page, gateway, guard }) => {
  const server = createServer((_, response) => {
    response.writeHead(200, { "content-type": "text/html" });
    response.end("<!doctype html><title>strange</title><link rel=icon href=data:,>");
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  guard.allowOrigin(`http://127.0.0.1:${port}`);
  guard.allow(/CORS policy|net::ERR_FAILED|403/);
  const call = (mode: RequestMode, contentType: string) =>
    page.evaluate(
      async ({ url, mode, contentType }) => {
        try {
          const response = await fetch(`${url}/solvemesh.v1.JobService/GetCapabilities`, {
            method: "POST",
            mode,
            headers: { "content-type": contentType },
            body: new Uint8Array(5),
          });
          return `${response.type} ${response.status}`;
        } catch (error) {
          return String(error);
        }
      },
      { url: gateway.url, mode, contentType },
    );

  await page.goto(`http://127.0.0.1:${port}/`);
  expect(await call("cors", "application/grpc-web+proto")).toBe("TypeError: Failed to fetch");
  // Without a preflight the request is sent, and it is the gateway that has to refuse it.
  const answer = page.waitForResponse(/GetCapabilities$/);
  expect(await call("no-cors", "text/plain")).toBe("opaque 0");
  expect((await answer).status()).toBe(403);

  // The page of the gateway itself may make the same call.
  await page.goto("/");
  expect(await call("cors", "application/grpc-web+proto")).toBe("basic 200");
  server.close();
});
