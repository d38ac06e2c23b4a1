// Every view in its main states: it fits a phone, and is accessible in both themes.

import AxeBuilder from "@axe-core/playwright";
import { devices, type Page } from "@playwright/test";
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
    const [needed, available] = await small.evaluate(() => {
      const { scrollWidth } = document.documentElement;
      return [Math.max(scrollWidth, document.body.scrollWidth), 360];
    });
    expect.soft(needed, `the width of ${name} on a phone`).toBeLessThanOrEqual(available!);
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

/** The serious findings of axe. */
async function findings(page: Page): Promise<string[]> {
  // The legacy mode is for a page without frames of other origins: it needs no page of its own.
  const builder = new AxeBuilder({ page }).setLegacyMode().options({ resultTypes: ["violations"] });
  const { violations } = await builder.analyze();
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) => nodes.map(({ html, any }) => `${id}: ${html} ${any[0]?.message}`));
}
