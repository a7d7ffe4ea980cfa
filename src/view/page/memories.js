// Memories: search and filters on one side, the chosen memory on the other.

import { call } from "./api.js";
import { button, describe, facts, failed, field, fill, make, plural, select, time } from "./dom.js";
import { showMemory } from "./memory.js";

export const title = "Memories";

const FILTERS = ["q", "project", "category", "tags", "since", "as_of", "mode", "old"];
const PAGE_SIZE = 50;

const split = (text) => text.split(",").map((part) => part.trim()).filter(Boolean);

/** The arguments of the search that an address asks for. */
function searchOf(query) {
  const args = { limit: PAGE_SIZE, max_tokens: 16000, project: query.get("project") || "*" };
  if (query.get("q")) args.query = query.get("q");
  for (const name of ["category", "since", "as_of", "mode"]) if (query.get(name)) args[name] = query.get(name);
  if (query.get("tags")) args.tags = split(query.get("tags"));
  if (query.get("old")) args.include_superseded = true;
  if (args.query) args.explain = true; else delete args.mode;
  return args;
}

const percent = (share) => `${Math.round(share * 100)} %`;

/** Why a memory has its place in the list, as the ranking says. */
function reasons(why) {
  const near = Object.entries(why.neighbours ?? {}).map(([id, added]) => [make("a", { href: `#/memories/${id}` }, `memory ${id}`), ` adds ${added} `]);
  const rules = Object.entries(why.rules ?? {}).map(([rule, factor]) => `${rule}: × ${factor}`);
  return make("details", { class: "why" }, make("summary", {}, "Why it is here"), facts([
    ["Meaning", why.meaning === undefined ? "not among the nearest" : `${why.meaning} alike, of 1`],
    ["Words", `${percent(why.words)} of the question's, by their rarity${why.keyword === undefined ? "" : `; their score is ${why.keyword}`}`],
    ["Conversation", why.talk && `${percent(why.talk)} part of one`],
    ["Beside it", near.length > 0 && near],
    ["Rules", rules.join("; ")],
    ["Its day", why.day],
  ]));
}

export function show(main, route, user) {
  let query = new URLSearchParams(), chosen = "", running = null, cursor = null, loading = false;

  const search = make("input", { type: "search", placeholder: "Search by meaning and by words", "aria-label": "Search memories", autocomplete: "off" });
  const inputs = {
    project: make("input", { list: "projects", placeholder: "all", autocomplete: "off" }),
    category: select([["", "any"], ["fact", "fact"], ["decision", "decision"], ["preference", "preference"], ["action", "action"], ["observation", "observation"], ["plan", "plan"]], ""),
    tags: make("input", { placeholder: "ops, launch", autocomplete: "off" }),
    since: make("input", { type: "date" }),
    as_of: make("input", { type: "date" }),
    mode: select([["", "meaning and words"], ["semantic", "meaning"], ["keyword", "words"]], ""),
  };
  const old = make("input", { type: "checkbox", id: "old" });
  const projects = make("datalist", { id: "projects" });
  const filters = make("details", { class: "filters" }, make("summary", {}, "Filters"),
    make("div", { class: "fields" }, field("Project", inputs.project), field("Category", inputs.category), field("Tags", inputs.tags),
      field("Stored since", inputs.since), field("As believed on", inputs.as_of), field("Compare by", inputs.mode)),
    make("label", { class: "check" }, old, "Former versions too"),
    button("Clear filters", () => { for (const input of Object.values(inputs)) input.value = ""; old.checked = false; go(); }, { class: "quiet" }));
  const told = make("p", { class: "soft", role: "status" });
  // One list for each part that was read: the browser lays out only those in sight.
  const list = make("div", { class: "parts" });
  let count = 0;
  const more = button("Show more", () => load(), { class: "more", hidden: true });
  const detail = make("section", { class: "detail", "aria-label": "Chosen memory" });
  const form = make("form", { role: "search", onsubmit: (event) => { event.preventDefault(); go(); } }, search, filters, projects);
  main.append(make("h1", {}, title), make("div", { class: "columns" },
    make("section", { class: "found", "aria-label": "Search" }, form, told, list, more), detail));

  const address = (id, to = query) => `#/memories${id ? `/${id}` : ""}${to.size ? `?${to}` : ""}`;

  /** Takes the form to the address, which then is searched for. */
  function go() {
    const to = new URLSearchParams();
    if (search.value.trim()) to.set("q", search.value.trim());
    for (const [name, input] of Object.entries(inputs)) if (input.value.trim()) to.set(name, input.value.trim());
    if (old.checked) to.set("old", "1");
    if (`${to}` !== `${query}`) location.replace(address(chosen, to));
  }
  let timer;
  search.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(go, 250); });
  for (const input of [...Object.values(inputs), old]) input.addEventListener("change", go);

  function row(item) {
    const badges = [item.category && make("span", { class: "badge" }, item.category),
      item.state && make("span", { class: "badge warn" }, item.state), item.protected && make("span", { class: "badge" }, "protected")];
    const score = item.score !== undefined && make("span", { title: "How well it fits the question, up to 1" }, `fits ${item.score.toFixed(2)}`);
    return make("li", { "data-id": item.id }, make("a", { href: address(item.id), "aria-current": String(item.id) === chosen && "true" },
      make("span", { class: "text clamp" }, item.content),
      make("span", { class: "meta" }, badges, make("span", {}, item.project ?? user.project), time(item.said_at ?? item.created_at),
        (item.tags ?? []).map((tag) => make("span", { class: "tag" }, tag)), score)), item.why && reasons(item.why));
  }

  async function load(isFirst = false) {
    if (loading && !isFirst) return;
    loading = true;
    running?.abort();
    const own = (running = new AbortController());
    try {
      const args = searchOf(query);
      if (!isFirst) args.cursor = cursor;
      const found = await call("memory_search", args, own.signal);
      if (isFirst) { fill(list); count = 0; }
      if (found.items.length) {
        const name = `Memories from ${(count + 1).toLocaleString()} to ${(count += found.items.length).toLocaleString()}`;
        list.append(make("ul", { class: "list", "aria-label": name }, found.items.map(row)));
      }
      cursor = found.next_cursor;
      more.hidden = !cursor;
      const words = count === 0 ? (query.size ? "Nothing fits." : "Nothing is stored yet. Clients store memories; so does `mimo remember`.") : `${plural(count, "memory", "memories")}${cursor ? " so far" : ""}`;
      told.textContent = found.degraded ? `${words} ${found.degraded}` : words;
    } catch (error) {
      if (error.name === "AbortError") return;
      if (isFirst) { fill(list); count = 0; more.hidden = true; }
      told.textContent = describe(error);
    } finally {
      if (running === own) loading = false;
    }
  }
  // More rows come before the end is reached.
  const watcher = new IntersectionObserver((seen) => { if (seen.some((each) => each.isIntersecting) && !more.hidden) load(); }, { rootMargin: "600px" });
  watcher.observe(more);

  const linkOf = (id) => (id ? list.querySelector(`[data-id="${CSS.escape(id)}"] a`) : null);

  function choose(id) {
    chosen = id;
    main.classList.toggle("chosen", Boolean(id));
    list.querySelector("a[aria-current]")?.removeAttribute("aria-current");
    linkOf(id)?.setAttribute("aria-current", "true");
    if (!id) { fill(detail, make("p", { class: "soft center" }, "Choose a memory to see all of it.")); return; }
    showMemory(detail, id, { user, back: address(""), changed: refresh });
  }

  /** After a change the list is read again, where it is. */
  async function refresh(id) {
    await load(true);
    if (id && id === chosen) choose(id);
  }

  list.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const links = [...list.querySelectorAll("li > a")], at = links.indexOf(document.activeElement);
    if (!step || at < 0) return;
    event.preventDefault();
    links[at + step]?.focus();
  });
  search.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") { event.preventDefault(); list.querySelector("a")?.focus(); }
  });
  const onEscape = (event) => {
    if (event.key !== "Escape" || !chosen || event.target.closest("form")) return;
    const from = linkOf(chosen);
    location.hash = address("");
    (from ?? search).focus();
  };
  addEventListener("keydown", onEscape);

  function update(to) {
    const next = new URLSearchParams();
    for (const name of FILTERS) if (to.query.get(name)) next.set(name, to.query.get(name));
    const isNew = `${next}` !== `${query}` || list.childElementCount === 0;
    query = next;
    if (document.activeElement !== search) search.value = query.get("q") ?? "";
    for (const [name, input] of Object.entries(inputs)) input.value = query.get(name) ?? "";
    old.checked = query.has("old");
    if (Object.keys(inputs).some((name) => query.has(name)) || old.checked) filters.open = true;
    if (to.id !== chosen || !detail.childElementCount) choose(to.id);
    if (isNew) load(true);
  }

  update(route);
  call("view_projects").then((found) => {
    fill(projects, found.projects.map((name) => make("option", { value: name })));
  }).catch(failed);
  if (matchMedia("(min-width: 60rem)").matches) search.focus();
  return { update, leave: () => { watcher.disconnect(); running?.abort(); removeEventListener("keydown", onEscape); main.classList.remove("chosen"); } };
}
