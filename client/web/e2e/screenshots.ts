// Takes the pictures of docs/images: every view in its main states, light and dark, on a desk and
// on a phone.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { devices } from "@playwright/test";
import { withPalette } from "./support/png";
import { expect, test } from "./support/test";
import { prepareTour, TOUR_FLAGS } from "./support/tour";

const FOLDER = join(import.meta.dirname, "../../../docs/images");

test.use({ flags: TOUR_FLAGS });

test("pictures of every view", async ({ page, context, browser, baseURL, gateway, guard }) => {
  mkdirSync(FOLDER, { recursive: true });
  const scenes = await prepareTour(page, gateway);
  const phone = await browser.newContext({
    ...devices["Pixel 7"],
    viewport: { width: 360, height: 740 },
    deviceScaleFactor: 1,
    baseURL: baseURL!,
    storageState: await context.storageState(),
  });
  await guard.watch(phone);
  const small = await phone.newPage();
  for (const { name, pictured, show } of scenes) {
    if (!pictured) continue;
    for (const [shown, size] of [
      [page, "desk"],
      [small, "phone"],
    ] as const) {
      await show(shown);
      for (const colorScheme of ["light", "dark"] as const) {
        await shown.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        // The charts are drawn in the frame after the change.
        await shown.evaluate(() => new Promise((drawn) => requestAnimationFrame(drawn)));
        await shown.evaluate(() => new Promise((drawn) => requestAnimationFrame(drawn)));
        const png = await shown.screenshot({ animations: "disabled", caret: "hide" });
        writeFileSync(join(FOLDER, `${name}-${size}-${colorScheme}.png`), withPalette(png));
      }
    }
  }
  expect(scenes.length).toBeGreaterThan(0);
  await phone.close();
});
