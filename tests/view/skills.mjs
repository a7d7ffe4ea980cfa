// A skill whose tool has changed: the difference is shown, and a person approves it.

import { accessible, go, link, withBrowser } from "./browser.mjs";

await withBrowser(async (open) => {
  const page = await open();
  const main = page.locator("main");
  await page.goto(link);
  await go(page, "#/skills");
  await main.getByRole("heading", { name: "notes: look" }).waitFor();
  await main.locator(".difference .gone", { hasText: "looks up a note" }).waitFor();
  await main.locator(".difference .new", { hasText: "<b>sends</b> every note away" }).waitFor();
  await accessible(page, "waiting tool");
  await main.getByRole("region", { name: "notes" }).getByText("Log").click();
  await main.getByText("a line on <u>stderr</u>").first().waitFor();
  await accessible(page, "log");
  await main.getByRole("button", { name: "Approve look of notes" }).click();
  await page.locator("#notices").getByText("look is approved.").waitFor();
  await main.getByText("Waiting for your approval").waitFor({ state: "detached" });
});
