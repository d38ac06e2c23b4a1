// Whether what is shown is accessible, and fits its window.

import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";

/** The serious findings of axe. */
export async function findings(page: Page): Promise<string[]> {
  // The legacy mode is for a page without frames of other origins: it needs no page of its own.
  const builder = new AxeBuilder({ page }).setLegacyMode().options({ resultTypes: ["violations"] });
  const { violations } = await builder.analyze();
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) => nodes.map(({ html, any }) => `${id}: ${html} ${any[0]?.message}`));
}

/** By how many pixels the page is wider than its window. */
export async function excessWidth(page: Page): Promise<number> {
  const width = await page.evaluate(() =>
    Math.max(document.documentElement.scrollWidth, document.body.scrollWidth),
  );
  // Not `innerWidth`: a phone's browser zooms out until everything fits.
  return Math.max(0, width - page.viewportSize()!.width);
}
