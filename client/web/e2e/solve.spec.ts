// From a model to its answer.

import { instance } from "./support/instances";
import { WYNDOR } from "./support/models";
import {
  drop,
  editor,
  panel,
  savedEvents,
  sentence,
  solve,
  tab,
  tile,
  write,
} from "./support/page";
import { expect, test } from "./support/test";

test("the form of the article answers a profit rate, and its slider sweeps it", async ({
  page,
}) => {
  await page.goto("/");
  await page.getByRole("button", { name: "Profit rate", exact: true }).click();
  const form = page.getByRole("region", { name: "Profit rate" });
  const rate = form.getByLabel("Profit rate of Windows", { exact: true });
  const answer = form.getByRole("status");

  await rate.fill("100");
  await form.getByRole("button", { name: "Solve" }).click();
  await expect(answer).toContainText("1500 a week");
  await expect(answer).toContainText("4 batches of doors, 3 of windows");

  await rate.fill("500");
  await form.getByRole("button", { name: "Solve" }).click();
  await expect(answer).toContainText("3600 a week");
  await expect(answer).toContainText("2 batches of doors, 6 of windows");

  const slider = form.getByRole("slider");
  await slider.fill("700");
  await expect(answer).toContainText("4800 a week");
  await expect(answer).toContainText("2 batches of doors, 6 of windows");
  await expect(answer).toContainText("for a profit rate of 700");
  await expect(form.getByRole("img")).toHaveAttribute("aria-label", /: 0 to 6600\.$/);
  await expect(form).toContainText("0: profit 1200");
  await expect(form).toContainText("1000: profit 6600");

  await slider.fill("100");
  await expect(answer).toContainText("1500 a week");
  await expect(answer).toContainText("4 batches of doors, 3 of windows");
});

test("a dropped file is solved, and its incumbents are seen", async ({ page }) => {
  const text = instance("mip/p0201.mps");
  await page.goto("/");
  await drop(page, "p0201.mps", text);
  await expect(editor(page)).toHaveValue(/P0201/i);
  await expect(page.locator("#solve-verdict")).toContainText(
    "MPS · 201 variables · 201 integers · 133 constraints",
  );
  await solve(page);
  await expect(sentence(page)).toContainText(/Optimal.*: 7615, proven in .*, checked/, {
    timeout: 40_000,
  });
  await expect(tile(page, "Best")).toHaveText("7615");

  const found = (await savedEvents(page)).flatMap(({ incumbent }) => incumbent?.objective ?? []);
  expect(found.length).toBeGreaterThan(1);
  expect(
    found.toSorted((a, b) => b - a),
    "each is better than the last",
  ).toEqual(found);
  expect(found.at(-1)).toBeCloseTo(7615, 3);
  await expect(tile(page, "Solutions")).toHaveText(String(found.length));
});

test("a solve that would not end is stopped, and its best is checked", async ({ page }) => {
  const text = instance("mip/markshare1.mps");
  await page.goto("/");
  await drop(page, "markshare1.mps", text);
  await solve(page);
  await expect(sentence(page)).toContainText(/Best so far \d/, { timeout: 30_000 });
  await page.getByRole("button", { name: "Stop, keep the best" }).click();
  await expect(sentence(page)).toContainText(/Stopped after .*: best [\d.]+.*, checked\./);
  await tab(page, "Check").click();
  await expect(panel(page)).toContainText("The solution satisfies the model.");
  await expect(panel(page)).toContainText(/Constraints\s*hold (exactly|to [\d.e−]+)/);
  await expect(panel(page)).toContainText(/Integers\s*hold (exactly|to [\d.e−]+)/);
  await tab(page, "Solution").click();
  await expect(panel(page).getByRole("grid").first()).toHaveAttribute("aria-rowcount", /^\d\d+$/);
});

test("a broken model marks its line while it is written", async ({ page }) => {
  await write(page, WYNDOR);
  const verdict = page.locator("#solve-verdict");
  await expect(verdict).toContainText("2 variables · 3 constraints");

  await write(page, WYNDOR.replace("2 Windows <= 12", "2 Windows <= <= 12"));
  await expect(verdict).toContainText(/Line 5, column \d+: \S/);
  await expect(page.locator(".editor-number-error")).toHaveText("5");
  await expect(page.locator(".editor-lens")).toHaveText(/\S/);
  await expect(editor(page)).toHaveAttribute("aria-invalid", "true");

  // A click on the message leads to the place.
  await verdict.getByRole("button", { name: /Line 5/ }).click();
  await expect(editor(page)).toBeFocused();

  await write(page, WYNDOR);
  await expect(verdict).toContainText("2 variables · 3 constraints");
  await expect(page.locator(".editor-number-error")).toHaveCount(0);
  await expect(editor(page)).toHaveAttribute("aria-invalid", "false");
});

test("an infeasible model shows the constraints that contradict each other", async ({ page }) => {
  await page.goto("/");
  await page.getByRole("button", { name: /Bakery, overbooked/ }).click();
  await solve(page);
  await expect(sentence(page)).toContainText(/Infeasible: there is no solution, proven.* checked/);
  await expect(tab(page, "Why")).toHaveAttribute("aria-selected", "true");
  const why = panel(page);
  await expect(why).toContainText(/These \d contradict each other/);
  await expect(why).toContainText("oven_hours: bread + 2 cake + 1.5 pie ≤ 40");
  await expect(why).toContainText("order_market: bread ≥ 24");
  await expect(why).toContainText("Without any one of them, the rest has a solution.");
  await expect(why).toContainText("Checked outside the solver. ✓");
  await expect(why).not.toContainText("flour");
});

test("an unbounded model shows the direction", async ({ page }) => {
  await page.goto("/");
  await page.getByRole("button", { name: /A missing limit/ }).click();
  await solve(page);
  await expect(sentence(page)).toContainText("Unbounded: the objective improves without limit");
  await expect(panel(page)).toContainText("Checked outside the solver. ✓");
});
