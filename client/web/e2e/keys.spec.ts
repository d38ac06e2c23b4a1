// The page by keyboard.

import { WYNDOR } from "./support/models";
import { editor, sentence, write } from "./support/page";
import { expect, test } from "./support/test";

test("keys solve, list the keys, and go to the views", async ({ page }) => {
  await write(page, WYNDOR);
  // The letters are text while one writes.
  await editor(page).press("End");
  await editor(page).pressSequentially("?gj");
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await expect(page).toHaveURL(/#\/$/);
  await editor(page).fill(WYNDOR);
  await editor(page).press("Control+Enter");
  await expect(sentence(page)).toContainText("Optimal: 3600");

  await editor(page).blur();
  await page.keyboard.press("?");
  const help = page.getByRole("dialog", { name: "Keyboard shortcuts" });
  await expect(help).toContainText("go to Jobs");
  await expect(help).toContainText("CtrlEnter");
  await page.keyboard.press("Escape");
  await expect(help).toHaveCount(0);

  await page.keyboard.press("g");
  await page.keyboard.press("j");
  await expect(page).toHaveURL(/#\/jobs$/);
  await expect(page.getByRole("heading", { name: "Jobs", exact: true })).toBeVisible();
  await expect(page.getByRole("grid", { name: "Jobs" }).locator(".table-row")).toHaveCount(1);
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/#\/job\//);
  await expect(sentence(page)).toContainText("Optimal: 3600");

  await page.keyboard.press("g");
  await page.keyboard.press("m");
  await expect(page).toHaveURL(/#\/mesh$/);
  await page.keyboard.press("g");
  await page.keyboard.press("s");
  await expect(editor(page)).toBeVisible();
});
