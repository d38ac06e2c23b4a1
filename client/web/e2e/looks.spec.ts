// Every view in its main states: it fits a phone, and is accessible in both themes.

import { devices } from "@playwright/test";
import { excessWidth, findings } from "./support/looks";
import { expect, test } from "./support/test";
import { prepareTour, TOUR_FLAGS } from "./support/tour";

test.use({ flags: TOUR_FLAGS });

test("every view fits a phone and is accessible, light and dark", async ({
  page,
  context,
  browser,
  baseURL,
  gateway,
  guard,
}) => {
  test.setTimeout(300_000);
  const scenes = await prepareTour(page, gateway);
  const phone = await browser.newContext({
    ...devices["Pixel 7"],
    viewport: { width: 360, height: 740 },
    baseURL: baseURL!,
    storageState: await context.storageState(),
  });
  await guard.watch(phone);
  const small = await phone.newPage();

  for (const { name, show } of scenes) {
    await show(small);
    expect.soft(await excessWidth(small), `the width of ${name} on a phone`).toBe(0);
    await show(page);
    for (const [shown, size, colorScheme] of [
      [small, "phone", "light"],
      [page, "desk", "light"],
      [page, "desk", "dark"],
    ] as const) {
      await shown.emulateMedia({ colorScheme });
      expect.soft(await findings(shown), `${name}, ${size}, ${colorScheme}`).toEqual([]);
    }
  }
  await phone.close();
});
