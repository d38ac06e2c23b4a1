// Takes the pictures in docs/images: npm run screenshots.

import { defineConfig } from "@playwright/test";
import suite from "./playwright.config";

export default defineConfig({ ...suite, testMatch: "screenshots.ts", timeout: 300_000 });
