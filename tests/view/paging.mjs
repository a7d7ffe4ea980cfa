// Rows come as the list is scrolled, each once.

import { assert, link, withBrowser } from "./browser.mjs";

await withBrowser(async (open) => {
  const page = await open();
  await page.goto(link);
  const rows = page.locator(".list li");
  await rows.nth(49).waitFor();
  await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
  await page.getByText("60 memories", { exact: true }).waitFor();
  const texts = await rows.locator(".text").allTextContents();
  assert.equal(new Set(texts).size, 60);
});
