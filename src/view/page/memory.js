// One memory: all of it, and what can be done with it.

import { call } from "./api.js";
import { button, facts, failed, field, fill, make, notice, problem, time } from "./dom.js";

/** A memory with its whole text, which may come in several parts. */
async function read(id) {
  let item = null, cursor;
  do {
    const args = { ids: [Number(id)], max_tokens: 16000 };
    if (cursor) args.cursor = cursor;
    const found = await call("memory_search", args);
    const [part] = found.items;
    if (!part) break;
    if (item) item.content += part.content; else item = part;
    cursor = found.next_cursor;
  } while (cursor);
  return item;
}

/** Carries out an edit, and offers to take it back. */
async function edit(args, done, changed, id) {
  try {
    const edited = await call("memory_edit", args);
    const undo = async () => {
      try {
        await call("memory_edit", { action: "undo", undo_id: edited.undo_id });
        notice("Taken back.");
        await changed(id);
      } catch (error) { failed(error); }
    };
    notice(done, edited.undo_id ? { label: "Undo", action: undo } : {});
    await changed(id);
    return true;
  } catch (error) {
    failed(error);
    return false;
  }
}

export async function showMemory(place, id, { user, back, changed }) {
  place.dataset.id = id;
  let item;
  try { item = await read(id); } catch (error) {
    if (place.dataset.id === id) fill(place, problem(error));
    return;
  }
  if (place.dataset.id !== id) return;
  const close = make("a", { href: back, class: "back" }, "Back to the list");
  if (!item) { fill(place, close, make("p", { class: "soft" }, `There is no memory ${id}, or it is out of reach.`)); return; }
  const project = item.project ?? user.project;
  const run = (action, done) => edit({ action, ids: [item.id] }, done, changed, id);
  const isGone = item.state && item.state !== "active" && item.state !== "superseded";
  const actions = user.may_write && make("div", { class: "actions" },
    button("Edit", () => showForm()),
    item.protected ? button("Unprotect", () => run("unprotect", "No longer protected.")) : button("Protect", () => run("protect", "Protected: it is not forgotten, by anyone or by age.")),
    isGone ? button("Restore", () => run("restore", "Restored.")) : button("Forget", () => run("forget", "Forgotten."), { class: "danger" }));
  const text = make("div", { class: "text whole", tabindex: "0", role: "group", "aria-label": "Text" }, item.content);
  const body = make("div", {}, text, actions, facts([
    ["Project", project],
    ["Category", item.category ?? "fact"],
    ["Importance", String(item.importance ?? 0.5)],
    ["Tags", item.tags?.length ? make("span", { class: "tags" }, item.tags.map((tag) => make("a", { class: "tag", href: `#/memories?${new URLSearchParams({ tags: tag })}` }, tag))) : ""],
    ["Stored", time(item.created_at, true)],
    ["Said", item.said_at && time(item.said_at, true)],
    ["Changed", item.edited_at && time(item.edited_at, true)],
    ["State", item.state],
    ["Protected", item.protected && "yes"],
    ["Topic", item.topic_key],
    ["Valid until", item.valid_until && time(item.valid_until, true)],
    ["Replaces", item.supersedes && make("a", { href: `#/memories/${item.supersedes}` }, `memory ${item.supersedes}`)],
    ["Mentions", item.entities?.length ? make("span", { class: "tags" }, item.entities.map((entity) => make("a", { class: "tag", href: `#/graph/${encodeURIComponent(entity)}` }, entity))) : ""],
  ]));

  function showForm() {
    const content = make("textarea", { rows: 8, required: true, value: item.content });
    const tags = make("input", { value: (item.tags ?? []).join(", "), autocomplete: "off" });
    const importance = make("input", { type: "number", min: 0, max: 1, step: 0.05, value: item.importance ?? 0.5 });
    const where = make("input", { value: project, required: true, autocomplete: "off" });
    const save = async (event) => {
      event.preventDefault();
      const args = { action: "update", ids: [item.id] };
      if (content.value !== item.content) args.content = content.value;
      const wanted = tags.value.split(",").map((tag) => tag.trim()).filter(Boolean);
      if (wanted.join() !== (item.tags ?? []).join()) args.tags = wanted;
      if (Number(importance.value) !== (item.importance ?? 0.5)) args.importance = Number(importance.value);
      if (where.value.trim() !== project) args.project = where.value.trim();
      if (Object.keys(args).length === 2) { cancel(); return; }
      await edit(args, "Saved.", changed, id);
    };
    const cancel = () => { fill(place, close, heading, body); place.querySelector(".actions button")?.focus(); };
    const form = make("form", { class: "edit", onsubmit: save, onkeydown: (event) => { if (event.key === "Escape") { event.stopPropagation(); cancel(); } } },
      field("Text", content), field("Tags", tags, "Separated by commas"), field("Importance", importance, "From 0 to 1"), field("Project", where),
      make("div", { class: "actions" }, make("button", { type: "submit", class: "primary" }, "Save"), button("Cancel", cancel)));
    fill(place, close, heading, form);
    content.focus();
  }
  const heading = make("h2", {}, `Memory ${item.id}`);
  fill(place, close, heading, body);
}
