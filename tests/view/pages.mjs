// The other pages: graph, procedures with a decision, ask, status. With a folder as the
// last argument, pictures for the guide are made on the way.

import { join } from "node:path";
import { accessible, assert, go, link, rest, withBrowser } from "./browser.mjs";

const [run, folder] = rest;

await withBrowser(async (open) => {
  const page = await open();
  const main = page.locator("main");
  const picture = async (name) => { if (folder) await page.screenshot({ path: join(folder, `view-${name}.png`) }); };
  await page.goto(link);
  await main.getByText("5 memories").waitFor();
  await go(page, "#/memories/1");
  await page.locator(".detail").getByText("Memory 1").waitFor();
  await picture("memories");

  // The graph: through it by links, and back in time.
  await go(page, "#/graph");
  await main.getByText("3 entities, 3 relations").waitFor();
  await accessible(page, "graph");
  await main.getByRole("link", { name: "alice" }).click();
  await main.getByRole("heading", { name: "alice" }).waitFor();
  await picture("graph");
  await main.getByRole("link", { name: "lisbon" }).waitFor();
  await accessible(page, "entity");
  const slider = main.getByLabel("As of");
  await slider.focus();
  await slider.press("Home");
  await main.getByText("2 entities, 1 relation").waitFor();
  await main.getByRole("link", { name: "lisbon" }).waitFor({ state: "detached" });
  assert.match(page.url(), /at=2020/);
  await slider.press("End");
  await main.getByRole("link", { name: "lisbon" }).waitFor();

  // A run that waits: its message is text, and a person lets it go on.
  await go(page, "#/procedures");
  await main.getByRole("heading", { name: "Waiting for you" }).waitFor();
  await accessible(page, "procedures");
  await main.getByRole("list", { name: "Waiting runs" }).getByRole("link").click();
  await main.getByText("Release 1.2.0? <b>Read</b> the notes first.", { exact: true }).waitFor();
  assert.ok(page.url().endsWith(run), page.url());
  await page.waitForFunction(() => document.querySelector("img.drawing")?.naturalWidth > 0);
  await accessible(page, "run");
  await picture("procedure");
  await main.getByLabel("Note for the history").fill("looked at <i>all</i> of it");
  await main.getByRole("button", { name: "Approve" }).click();
  await main.locator(".badge.good", { hasText: "completed" }).waitFor();
  await page.getByRole("button", { name: "Dismiss" }).click();
  await main.getByRole("cell", { name: "looked at <i>all</i> of it" }).waitFor();
  await accessible(page, "completed run");
  await go(page, "#/procedures/release");
  await main.getByText("Definition").click();
  await accessible(page, "definition");

  // An answer's source is a link.
  await go(page, "#/ask");
  await main.getByLabel("Question").fill("Why did the launch move?");
  await main.getByRole("button", { name: "Ask" }).click();
  const source = main.getByRole("region", { name: "Answer" }).getByRole("link").first();
  await source.waitFor();
  await main.getByText("How it was found").click();
  await accessible(page, "answer");
  await source.click();
  await page.locator(".detail").getByText("The launch moved to March").waitFor();

  await go(page, "#/status");
  await main.getByRole("heading", { name: "Mimo", exact: true }).waitFor();
  const card = (name) => main.getByRole("region", { name, exact: true });
  await card("Memories by day").getByText("5 memories stored in 30 days").waitFor();
  await card("Memories by day").getByRole("img", { name: /^Memories by day: 5 memories stored/ }).waitFor();
  await card("Runs by day").getByText("1 run in 30 days").waitFor();
  assert.equal(await card("Memories by day").locator("rect.bar").count(), 1);
  await card("Memories by day").getByText("As a table").click();
  await card("Memories by day").getByRole("cell", { name: "5", exact: true }).waitFor();
  // What this page has asked for is counted.
  await card("Calls by minute").getByRole("img", { name: /^Calls by minute: [1-9]/ }).waitFor();
  await card("Calls by tool").getByRole("row", { name: /^ask_mimo 1 0$/ }).waitFor();
  await accessible(page, "status");
  await card("Memories by day").getByText("As a table").click();
  await page.evaluate(() => scrollTo(0, 0));
  if (folder) await page.screenshot({ path: join(folder, "view-status.png"), fullPage: true });

  await page.emulateMedia({ colorScheme: "dark" });
  for (const to of ["#/graph/person%3Aalice", `#/procedures/run/${run}`, "#/status"]) {
    await go(page, to);
    await page.waitForFunction(() => document.querySelectorAll("main h2").length > 0);
    await accessible(page, `${to} in the dark`);
    if (to.startsWith("#/graph")) { await main.getByRole("heading", { name: "alice" }).waitFor(); await picture("dark"); }
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 390, height: 720 });
  for (const to of ["#/graph", "#/procedures", "#/ask", "#/memories"]) {
    await go(page, to);
    await page.waitForFunction(() => document.querySelectorAll("main a, main form").length > 0);
    await accessible(page, `${to}, narrow`);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `${to} is ${wide} pixels too wide`);
  }
  await main.locator(".list li").nth(4).waitFor();
  await picture("narrow");
});
