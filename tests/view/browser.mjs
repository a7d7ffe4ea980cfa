// A Chromium that fails a test for what no page of Mimo does: requests to other hosts,
// errors on the console, dialogs, and what axe finds.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

export const [, , executablePath, link, ...rest] = process.argv;
const args = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"];

/** Runs `work` with a function that opens pages, in a browser with a new profile. */
export async function withBrowser(work) {
  const browser = await chromium.launch({ executablePath, args });
  const wrong = [];
  try {
    await work(async (options = {}) => {
      const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en-US", ...options });
      context.setDefaultTimeout(60_000);
      const page = await context.newPage();
      page.on("request", (request) => {
        const { protocol, host } = new URL(request.url());
        if (protocol !== "blob:" && host !== new URL(link).host) wrong.push(`request to ${request.url()}`);
      });
      page.on("console", (message) => { if (message.type() === "error" && !/status of 4\d\d/.test(message.text())) wrong.push(message.text()); });
      page.on("pageerror", (error) => wrong.push(String(error)));
      page.on("dialog", (dialog) => { wrong.push(`dialog ${dialog.message()}`); dialog.dismiss(); });
      return page;
    });
  } finally {
    await browser.close();
  }
  assert.deepEqual(wrong, []);
}

/** Fails with what axe finds on the page as it is. */
export async function accessible(page, name) {
  await page.evaluate(axe);
  const found = await page.evaluate(async () => (await axe.run()).violations.map((each) =>
    `${each.id}: ${each.nodes.map((node) => `${node.target} ${node.failureSummary}`).join("; ")}`));
  assert.deepEqual(found, [], name);
}

/** Goes to an address of the page, as the person would by a link. */
export const go = (page, hash) => page.evaluate((to) => { location.hash = to; }, hash);

export { assert };
