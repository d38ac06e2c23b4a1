// What a person does on the page, and reads from it.

import { readFileSync } from "node:fs";
import type { Locator, Page } from "@playwright/test";
import { expect } from "./test";

/** The editor of the model. */
export function editor(page: Page): Locator {
  return page.getByRole("textbox", { name: /^Model in the/ });
}

/** The button that solves. */
export function solveButton(page: Page): Locator {
  return page.getByRole("button", { name: /^Solve( all)?(\s?Ctrl.*)?$/ });
}

/** The first line of a job: how it stands, in words. */
export function sentence(page: Page): Locator {
  return page.locator(".job-sentence");
}

/** The number in a tile of a job. */
export function tile(page: Page, title: string): Locator {
  return page.locator(".job-tile").filter({ hasText: title }).locator("dd");
}

/** A tab of a job. */
export function tab(page: Page, title: string): Locator {
  return page.getByRole("tab", { name: new RegExp(`^${title}`) });
}

/** The panel of the chosen tab. */
export function panel(page: Page): Locator {
  return page.getByRole("tabpanel");
}

/** Opens the view of the model with this text in the editor. */
export async function write(page: Page, text: string): Promise<void> {
  await page.goto("/#/");
  await editor(page).fill(text);
}

/** Presses Solve, and waits for the job. Returns its id. For pages with room for it beside. */
export async function solve(page: Page): Promise<string> {
  const link = page.getByRole("link", { name: "Open on its own" });
  const before = (await link.count()) > 0 ? await link.getAttribute("href") : "";
  await solveButton(page).click();
  if (before) await expect(link).not.toHaveAttribute("href", before);
  const href = await link.getAttribute("href");
  return href?.replace("#/job/", "") ?? "";
}

/** Drops a file on the page. */
export async function drop(page: Page, name: string, text: string): Promise<void> {
  const dataTransfer = await page.evaluateHandle(
    (file) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([file.text], file.name));
      return transfer;
    },
    { name, text },
  );
  for (const type of ["dragenter", "dragover", "drop"]) {
    await page.dispatchEvent("body", type, { dataTransfer });
  }
}

/** An event of a job, as the page saves it. */
export interface SavedEvent {
  sequence: number;
  skippedCount?: number;
  incumbent?: { objective?: number };
}

/** All events of the job, as the tab "Events" has them. */
export async function savedEvents(page: Page): Promise<SavedEvent[]> {
  await tab(page, "Events").click();
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Download JSON" }).click(),
  ]);
  return JSON.parse(readFileSync(await download.path(), "utf8"));
}

/** The cells of a table, row by row, as far as rows are on the screen. */
export async function tableRows(page: Page, label: string): Promise<string[][]> {
  const rows = page.getByRole("grid", { name: label }).locator(".table-row");
  return rows.evaluateAll((elements) =>
    elements.map((row) => Array.from(row.children, (cell) => cell.textContent ?? "")),
  );
}
