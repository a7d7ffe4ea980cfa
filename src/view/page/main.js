// Signing in, and which page is shown. The address after # says it: #/memories/12?q=launch

import { session, signIn, signOut } from "./api.js";
import { button, describe, failed, field, fill, make } from "./dom.js";
import * as ask from "./ask.js";
import * as figures from "./figures.js";
import * as graph from "./graph.js";
import * as memories from "./memories.js";
import * as procedures from "./procedures.js";
import * as skills from "./skills.js";

const PAGES = { memories, graph, procedures, skills, ask, status: figures };

const main = document.getElementById("main");
const nav = document.getElementById("pages");
const account = document.getElementById("account");
let user = null, shown = null, shownName = null;

export function parse(hash) {
  const [path, query] = hash.replace(/^#\/?/, "").split("?");
  const parts = path.split("/").map((part) => { try { return decodeURIComponent(part); } catch { return part; } });
  return { page: parts[0], id: parts.slice(1).join("/"), query: new URLSearchParams(query ?? "") };
}

function showNavigation() {
  fill(nav, user && Object.entries(PAGES).map(([name, page]) =>
    make("a", { href: `#/${name}`, "aria-current": name === shownName && "page" }, page.title)));
}

function route() {
  if (!user) return;
  const to = parse(location.hash);
  const name = PAGES[to.page] ? to.page : "memories";
  if (name === shownName) { shown?.update?.(to); return; }
  shown?.leave?.();
  shownName = name;
  document.title = `${PAGES[name].title} · Mimo`;
  fill(main);
  shown = PAGES[name].show(main, to, user);
  showNavigation();
  if (document.activeElement !== document.body) main.focus({ preventScroll: true });
}

function welcome(found) {
  user = found.session;
  fill(account, make("span", { class: "soft" }, user.may_write ? user.name : `${user.name}, reading only`),
    button("Sign out", async () => { await signOut().catch(failed); leave(found.is_local); }, { class: "quiet" }));
  shownName = null;
  route();
}

function leave(isLocal, why) {
  user = null;
  shown?.leave?.();
  shown = shownName = null;
  fill(account);
  showNavigation();
  document.title = "Mimo";
  const told = why && make("p", { class: "problem", role: "alert" }, why);
  if (isLocal) {
    fill(main, make("section", { class: "card narrow" }, make("h1", {}, "Mimo"), told,
      make("p", {}, "This browser is not signed in. Run ", make("code", {}, "mimo view"), " again and open the link that it prints: each link works once.")));
    return;
  }
  const key = make("input", { type: "password", autocomplete: "off", spellcheck: "false", required: true });
  const enter = async (event) => {
    event.preventDefault();
    try { welcome(await signIn(key.value.trim())); } catch (error) { leave(false, why_refused(error)); }
  };
  fill(main, make("form", { class: "card narrow", onsubmit: enter }, make("h1", {}, "Sign in to Mimo"), told,
    field("Key", key, "The text that `mimo keys generate` printed. This browser gets a cookie, and the key is not kept."),
    make("button", { type: "submit", class: "primary" }, "Sign in")));
  key.focus();
}

const why_refused = (error) => (error.status === 401 ? "Mimo does not know this key, or it is no longer valid." : describe(error));

async function start() {
  const given = /^#key=(.+)$/.exec(location.hash)?.[1];
  // The key must not stay in the address, nor in the history.
  if (given) history.replaceState(null, "", `${location.pathname}#/memories`);
  try {
    let found = await session();
    if (!found.session && given) {
      try { found = await signIn(given); } catch (error) {
        return leave(found.is_local, found.is_local && error.status === 401 ? "This link has been used, or is not of this Mimo." : why_refused(error));
      }
    }
    if (found.session) welcome(found); else leave(found.is_local);
  } catch (error) {
    fill(main, make("p", { class: "problem" }, describe(error)));
  }
}

addEventListener("hashchange", route);
addEventListener("signed-out", async () => {
  const found = await session().catch(() => ({ is_local: true }));
  leave(found.is_local, "You are signed out: the session is over, or its key is no longer valid.");
});
addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, select");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const search = main.querySelector("input[type=search]");
  if (search) { event.preventDefault(); search.focus(); search.select(); }
});
document.getElementById("skip").addEventListener("click", () => main.focus());
start();
