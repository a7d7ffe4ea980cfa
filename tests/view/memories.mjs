// Signs in by the link, searches, edits, forgets, takes back, and meets a hostile memory.

import { accessible, assert, go, link, rest, withBrowser } from "./browser.mjs";

const [hostile] = rest;

await withBrowser(async (open) => {
  const page = await open();
  await page.goto(link);
  const rows = page.locator(".list li"), detail = page.locator(".detail"), notices = page.locator("#notices");
  await rows.nth(5).waitFor();
  assert.ok(!page.url().includes("key"), page.url());
  await accessible(page, "list");

  // Search, by the keyboard alone.
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press("/");
  await page.keyboard.type("who ships on Mondays");
  await page.waitForFunction(() => document.querySelector(".list li")?.textContent.includes("Raj deploys") && location.hash.includes("q="));
  // The reasons for a rank, beside its row.
  const why = rows.first().locator("details.why");
  await why.getByText("Why it is here").click();
  assert.match(await why.locator("dl").textContent(), /Meaning0\.\d+ alike.*Words\d+ % of the question/);
  await accessible(page, "reasons");
  await page.locator("input[type=search]").focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await detail.getByText("Memory 1").waitFor();
  await accessible(page, "memory");

  // Edit.
  await detail.getByRole("button", { name: "Edit" }).click();
  await accessible(page, "form");
  await detail.getByLabel("Text").fill("Raj deploys on Tuesdays");
  await detail.getByLabel("Tags").fill("ops, release");
  await detail.getByRole("button", { name: "Save" }).click();
  await notices.getByText("Saved.").waitFor();
  await detail.locator(".whole", { hasText: "Raj deploys on Tuesdays" }).waitFor();

  // Forget and take back.
  await go(page, "#/memories/2");
  await detail.getByText("Memory 2").waitFor();
  await detail.getByRole("button", { name: "Forget" }).click();
  await rows.filter({ hasText: "SQLite" }).waitFor({ state: "detached" });
  await notices.locator(".notice", { hasText: "Forgotten." }).getByRole("button", { name: "Undo" }).click();
  await rows.filter({ hasText: "SQLite" }).waitFor();

  // Protected: forgetting is refused in words.
  await detail.getByRole("button", { name: "Protect", exact: true }).click();
  await detail.getByRole("button", { name: "Unprotect" }).waitFor();
  await detail.getByRole("button", { name: "Forget" }).click();
  await notices.locator(".error", { hasText: "protected" }).waitFor();
  await detail.getByRole("button", { name: "Unprotect" }).click();
  await detail.getByRole("button", { name: "Protect", exact: true }).waitFor();

  // Filters, and a memory that stays forgotten.
  await go(page, "#/memories?tags=billing");
  await page.waitForFunction(() => document.querySelectorAll(".list li").length === 1);
  await rows.locator("a").click();
  await detail.getByText("Memory 5").waitFor();
  await detail.getByRole("button", { name: "Forget" }).click();
  await detail.getByRole("button", { name: "Restore" }).waitFor();

  // A hostile memory is text, in the list and in full.
  await go(page, "#/memories/6");
  await detail.getByText("Memory 6").waitFor();
  assert.equal(await detail.locator(".whole").textContent(), hostile.replace("\u202e", "\u2039U+202E\u203a"));
  await rows.nth(3).waitFor();
  const inside = await page.evaluate(() => ({
    elements: document.querySelectorAll("main img, main svg, main script, main b, main i").length,
    ran: window.hostile,
  }));
  assert.deepEqual(inside, { elements: 0, ran: undefined });

  // The link has been used.
  const second = await open({ colorScheme: "dark", viewport: { width: 390, height: 760 } });
  await second.goto(link);
  await second.getByText("This link has been used").waitFor();
  await accessible(second, "signed out");

  const dark = await page.context().newPage();
  await dark.emulateMedia({ colorScheme: "dark" });
  await dark.setViewportSize({ width: 390, height: 760 });
  await dark.goto(`${new URL(link).origin}/#/memories/1`);
  await dark.locator(".detail").getByText("Memory 1").waitFor();
  await accessible(dark, "dark and narrow");

  // The browser refuses what a mistake in the page would do.
  const refused = await dark.evaluate(() => { try { document.body.innerHTML = "<b>x</b>"; return false; } catch { return true; } });
  assert.ok(refused, "trusted types");
});
