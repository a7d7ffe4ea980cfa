// The graph, drawn: click through it, and move through time.

import { call } from "./api.js";
import { failed, fill, make, plural, problem, time } from "./dom.js";
import { Drawing, kindOf } from "./drawing.js";

export const title = "Graph";

const FAR = 500;

export function show(main, route) {
  const canvas = make("canvas", { role: "img", "aria-label": "The graph, drawn. The list beside it has the same entities and relations." });
  const search = make("input", { type: "search", placeholder: "Find an entity", "aria-label": "Find an entity", autocomplete: "off" });
  const panel = make("div", { class: "panel" });
  const slider = make("input", { type: "range", id: "moment", min: 0, step: 1 });
  const shown = make("output", { for: "moment" });
  const told = make("p", { class: "soft", role: "status" });
  main.append(make("h1", {}, title), make("div", { class: "graph" },
    make("section", { class: "drawing-place", "aria-label": "Drawing" }, canvas,
      make("div", { class: "time" }, make("label", { for: "moment" }, "As of"), slider, shown)),
    make("section", { class: "detail side", "aria-label": "Entities" }, search, told, panel)));

  let data = null, moments = [], chosen = route.id, drawing = null, gone = false;
  const query = () => (Number(slider.value) < moments.length ? `?at=${encodeURIComponent(moments[slider.value])}` : "");
  const address = (id) => `#/graph/${encodeURIComponent(id)}${query()}`;
  const link = (id) => make("a", { href: address(id), title: id }, data.names[id] ?? id);

  /** The triples that hold at the moment of the slider; at its end, those that hold now. */
  function held() {
    const at = Number(slider.value) < moments.length ? moments[slider.value] : new Date().toISOString();
    fill(shown, Number(slider.value) < moments.length ? time(at, true) : "now");
    slider.setAttribute("aria-valuetext", shown.textContent);
    return data.arrows.filter(([, , , , since, until]) => since <= at && (!until || at < until));
  }

  function relation(words, other, confidence, since) {
    const sure = confidence < 1 && make("small", {}, ` ${Math.round(confidence * 100)} %`);
    return make("li", {}, words(link(other)), sure, make("small", {}, " since ", time(since)));
  }
  const list = (heading, items) => items.length > 0 && [make("h3", {}, heading), make("ul", { class: "plain" }, items.slice(0, FAR))];

  function tell(arrows) {
    const ids = [...new Set(arrows.flatMap(([s, , o]) => [s, o]))];
    told.textContent = `${plural(ids.length, "entity", "entities")}, ${plural(arrows.length, "relation")}${data.is_cut ? "; there are more than the page draws" : ""}`;
    const typed = search.value.trim().toLowerCase();
    if (typed) {
      const found = ids.filter((id) => id.toLowerCase().includes(typed) || (data.names[id] ?? "").toLowerCase().includes(typed));
      fill(panel, make("h2", {}, "Found"), list(plural(found.length, "entity found", "entities found"), found.map((id) => make("li", {}, link(id), make("small", {}, ` ${kindOf(id)}`)))));
      return;
    }
    if (!chosen) {
      const degree = new Map();
      for (const [s, , o] of arrows) for (const id of [s, o]) degree.set(id, (degree.get(id) ?? 0) + 1);
      ids.sort((a, b) => degree.get(b) - degree.get(a) || a.localeCompare(b));
      fill(panel, make("h2", {}, "The whole graph"), list("Types", drawing.kinds.map((kind) => make("li", {}, drawing.dot(kind), kind))),
        list("Most connected", ids.slice(0, 25).map((id) => make("li", {}, link(id), make("small", {}, ` ${plural(degree.get(id), "relation")}`)))));
      return;
    }
    const name = data.names[chosen] ?? chosen;
    fill(panel, make("p", {}, make("a", { href: `#/graph${query()}` }, "The whole graph")), make("h2", {}, name), make("p", { class: "soft" }, chosen),
      list("Says", arrows.filter(([s]) => s === chosen).map(([, p, o, sure, since]) => relation((to) => [make("small", {}, `${p} `), to], o, sure, since))),
      list("Is said", arrows.filter(([, , o]) => o === chosen).map(([s, p, , sure, since]) => relation((to) => [to, make("small", {}, ` ${p}`)], s, sure, since))),
      make("p", {}, make("a", { href: `#/memories?${new URLSearchParams({ q: name })}` }, "Memories about it")));
  }

  function draw() {
    if (!data || gone) return;
    const arrows = held();
    drawing.update(arrows, data.names, chosen);
    tell(arrows);
  }

  function update(to) {
    chosen = to.id;
    if (!data) return;
    const at = moments.indexOf(to.query.get("at"));
    slider.value = at < 0 ? moments.length : at;
    draw();
  }

  search.addEventListener("input", draw);
  slider.addEventListener("input", draw);
  slider.addEventListener("change", () => history.replaceState(null, "", chosen ? address(chosen) : `#/graph${query()}`));

  call("view_graph", { project: "*" }).then((found) => {
    if (gone) return;
    data = found;
    const now = new Date().toISOString();
    moments = [...new Set(data.arrows.flatMap(([, , , , since, until]) => [since, until]).filter((at) => at && at <= now))].sort();
    slider.max = moments.length;
    slider.value = moments.length;
    drawing = new Drawing(canvas, (id) => { location.hash = id ? address(id) : `#/graph${query()}`; });
    if (!data.arrows.length) { fill(panel, make("p", { class: "soft" }, "There are no relations yet. Clients add them with graph_update.")); told.textContent = ""; return; }
    update(route);
  }).catch((error) => { fill(panel, problem(error)); failed(error); });
  return { update, leave: () => { gone = true; drawing?.stop(); } };
}
