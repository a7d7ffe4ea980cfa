// One question over everything, and an answer with its sources as links.

import { call } from "./api.js";
import { fill, make, plural, problem } from "./dom.js";

export const title = "Ask";

const STORES = { episodic: "Memories", semantic: "Graph", procedural: "Procedures", skills: "Skills" };

/** Where a citation such as memory:12 leads. */
function citation(key) {
  const [kind, ...rest] = key.split(":"), name = rest.join(":");
  const to = { memory: `#/memories/${encodeURIComponent(name)}`, procedure: `#/procedures/${encodeURIComponent(name.split("@")[0])}` }[kind];
  return to ? make("a", { href: to }, key) : make("span", {}, key);
}

/** A text whose memory:12 are links. */
const linked = (text) => text.split(/\b(memory:\d+)\b/).map((part) => (/^memory:\d+$/.test(part) ? citation(part) : part));

export function show(main, route) {
  const question = make("input", { type: "search", "aria-label": "Question", placeholder: "Who deploys on Mondays?", autocomplete: "off" });
  const answer = make("div", { "aria-live": "polite" });
  let asked = "", running = null;
  const submit = (event) => { event.preventDefault(); if (question.value.trim()) location.hash = `#/ask?${new URLSearchParams({ q: question.value.trim() })}`; };
  main.append(make("h1", {}, title), make("form", { role: "search", class: "ask", onsubmit: submit }, question, make("button", { type: "submit", class: "primary" }, "Ask")), answer);

  function result(item) {
    const source = item.source ?? item.citation ?? item.cite ?? (item.id !== undefined && item.content !== undefined ? `memory:${item.id}` : "");
    const text = item.content ?? item.text ?? item.description ?? JSON.stringify(item);
    return make("li", {}, make("span", { class: "text" }, text), source && [" ", make("small", {}, citation(String(source)))]);
  }

  async function update(to) {
    const query = to.query.get("q") ?? "";
    if (!query || query === asked) return;
    asked = question.value = query;
    running?.abort();
    running = new AbortController();
    fill(answer, make("p", { class: "soft" }, "Looking"));
    try {
      const found = await call("ask_mimo", { query, project: "*", max_tokens: 8000, detail: "full" }, running.signal);
      const { synthesis, results } = found;
      const lists = Object.entries(results).filter(([, items]) => items.length);
      fill(answer, make("section", { class: "card", "aria-label": "Answer" }, make("p", { class: "text whole" }, linked(synthesis.text)),
        synthesis.citations.length > 0 && make("p", { class: "soft" }, "From ", synthesis.citations.map((key, at) => [at > 0 && ", ", citation(key)]), synthesis.by !== "extract" && `, written by a model (${synthesis.by})`)),
        make("details", {}, make("summary", {}, `How it was found: ${plural(lists.reduce((sum, [, items]) => sum + items.length, 0), "result")}`),
          make("p", { class: "soft" }, found.router_decision.reasoning),
          lists.map(([store, items]) => [make("h2", {}, STORES[store] ?? store), make("ul", { class: "plain" }, items.map(result))]),
          Object.entries(found.failed ?? {}).map(([store, why]) => make("p", { class: "problem" }, `${STORES[store] ?? store}: ${typeof why === "string" ? why : why.message ?? JSON.stringify(why)}`))));
    } catch (error) {
      if (error.name !== "AbortError") fill(answer, problem(error));
    }
  }
  update(route);
  question.focus();
  return { update, leave: () => running?.abort() };
}
