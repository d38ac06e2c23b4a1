// The end-to-end suite: the page in Chromium against real gateways.
//
//     SOLVEMESH_BIN=../../target/release npm run e2e
//
// SOLVEMESH_BIN is the folder with the binaries. SOLVEMESH_INSTANCES may name a folder with
// mip/p0201.mps and mip/markshare1.mps; the tests that need them are skipped without it, and fail
// if SOLVEMESH_REQUIRE_INSTANCES is 1. CHROMIUM may name another browser.

import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: ".",
  testMatch: "*.spec.ts",
  outputDir: "../test-results",
  fullyParallel: false,
  workers: 1,
  retries: 0,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  reporter: [["list"]],
  use: {
    viewport: { width: 1280, height: 800 },
    actionTimeout: 15_000,
    navigationTimeout: 15_000,
    screenshot: "only-on-failure",
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: [
        // Chromium has no sandbox for root, and containers of CI run as root.
        "--no-sandbox",
        // Containers have 64 MB of shared memory, less than a page may take.
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
});
