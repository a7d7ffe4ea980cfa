// Procedures, their runs as they go, and what waits for a person.

import { call } from "./api.js";
import { button, drawing, facts, failed, field, fill, make, notice, problem, time } from "./dom.js";

export const title = "Procedures";

const LOOK_MILLIS = 2000;
const ACTIVE = ["pending", "running", "waiting_approval", "rolling_back"];

export const badge = (status) => make("span", { class: `badge ${status === "completed" ? "good" : status === "waiting_approval" ? "warn" : ["failed", "rolled_back", "cancelled"].includes(status) ? "bad" : ""}` }, status.replaceAll("_", " "));
const runLink = (run) => make("a", { href: `#/procedures/run/${encodeURIComponent(run.execution_id)}` },
  make("span", { class: "text" }, `${run.procedure} ${run.version}`),
  make("span", { class: "meta" }, badge(run.status), make("span", {}, run.state), time(run.at, true)));
const runList = (runs, label) => make("ul", { class: "list", "aria-label": label }, runs.map((run) => make("li", {}, runLink(run))));
const table = (caption, heads, rows) => rows.length > 0 && make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
  make("table", {}, make("caption", {}, caption), make("thead", {}, make("tr", {}, heads.map((head) => make("th", { scope: "col" }, head)))),
    make("tbody", {}, rows.map((row) => make("tr", {}, row.map((cell) => make("td", {}, cell)))))));
const json = (value) => make("pre", { class: "text", tabindex: 0 }, JSON.stringify(value, null, 2));

export function show(main, route, user) {
  let timer, own = 0;
  const place = make("div", {});
  main.append(make("h1", {}, title), place);

  async function update(to) {
    clearTimeout(timer);
    const turn = ++own;
    const is_current = () => turn === own;
    const [kind, ...rest] = to.id.split("/");
    try {
      if (kind === "run") await showRun(rest.join("/"), is_current);
      else if (to.id) await showOne(to.id, is_current);
      else await showAll(is_current);
    } catch (error) {
      if (is_current()) fill(place, make("p", {}, make("a", { href: "#/procedures" }, "All procedures")), problem(error));
    }
  }

  async function showAll(is_current) {
    const [found, recent, waiting] = await Promise.all([
      call("procedure_find", { limit: 100 }), call("view_runs"), call("view_runs", { status: "waiting_approval" })]);
    if (!is_current()) return;
    const one = (each) => make("li", {}, make("a", { href: `#/procedures/${encodeURIComponent(each.name)}` },
      make("span", { class: "text" }, `${each.name} ${each.version}`), make("span", { class: "meta" }, each.description)));
    fill(place, waiting.runs.length > 0 && make("section", { class: "card waits" }, make("h2", {}, "Waiting for you"), runList(waiting.runs, "Waiting runs")),
      make("div", { class: "columns even" },
        make("section", {}, make("h2", {}, "What can be run"), found.procedures.length ? make("ul", { class: "list", "aria-label": "Procedures" }, found.procedures.map(one)) : make("p", { class: "soft" }, "There are no procedures. `mimo procedure add FILE` keeps one.")),
        make("section", {}, make("h2", {}, "Runs"), recent.runs.length ? runList(recent.runs, "Runs") : make("p", { class: "soft" }, "Nothing has run yet."))));
  }

  async function showOne(name, is_current) {
    const [found, runs] = await Promise.all([call("view_procedure", { name }), call("view_runs", { name })]);
    if (!is_current()) return;
    fill(place, make("p", {}, make("a", { href: "#/procedures" }, "All procedures")),
      make("section", { class: "card" }, make("h2", {}, `${found.name} ${found.version}`), make("p", {}, found.description), picture(found.drawing, `The states of ${found.name}, as in its definition below`),
        make("details", {}, make("summary", {}, "Definition"), json(found.definition))),
      make("section", { class: "card" }, make("h2", {}, "Runs"), runs.runs.length ? runList(runs.runs, "Runs") : make("p", { class: "soft" }, "It has not run yet.")));
  }

  const picture = (svg, alt) => make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Drawing" }, drawing(svg, alt));

  async function showRun(id, is_current, before) {
    const run = await call("view_run", { execution_id: id });
    if (!is_current()) return;
    const text = JSON.stringify(run);
    if (text !== before) {
      const note = place.querySelector("textarea")?.value;
      fill(place, make("p", {}, make("a", { href: `#/procedures/${encodeURIComponent(run.procedure)}` }, run.procedure), " · ", make("a", { href: "#/procedures" }, "All procedures")), runBody(run, note));
    }
    // Live: looked at again while it goes on and somebody looks.
    if (ACTIVE.includes(run.status)) {
      const look = () => { if (!is_current()) return; if (document.hidden) timer = setTimeout(look, LOOK_MILLIS); else showRun(id, is_current, text).catch(failed); };
      timer = setTimeout(look, LOOK_MILLIS);
    }
  }

  function decision(run, note) {
    const waits = run.waits_for;
    if (!waits) return null;
    const why = make("textarea", { rows: 2, value: note ?? "" });
    const choices = waits.kind === "unknown_outcome"
      ? [["done", "It was done", "primary"], ["again", "It was not: do it again"], ["failed", "It failed"]]
      : [["approved", "Approve", "primary"], ["rejected", "Reject", "danger"]];
    const decide = async (word) => {
      try {
        await call("view_decide", { execution_id: run.execution_id, decision: word, note: why.value });
        notice(`Decided: ${word}.`);
        update({ id: `run/${run.execution_id}` });
      } catch (error) { failed(error); }
    };
    return make("section", { class: "card waits", "aria-label": "Decision" }, make("h2", {}, "Waiting for a person"),
      make("p", { class: "text whole" }, waits.message), make("p", { class: "soft" }, "In the state ", make("strong", {}, waits.state), " since ", time(waits.since, true)),
      run.can_decide
        ? [field("Note for the history", why), make("div", { class: "actions" }, choices.map(([word, label, style]) => button(label, () => decide(word), { class: style ?? "" })))]
        : make("p", { class: "soft" }, "Somebody at Mimo's own machine decides this, with `mimo view` or `mimo procedure approve`."));
  }

  function runBody(run, note) {
    const stop = user.may_write && ACTIVE.includes(run.status) && button("Cancel the run", async () => {
      try { await call("procedure_run", { execution_id: run.execution_id, cancel: true }); update({ id: `run/${run.execution_id}` }); } catch (error) { failed(error); }
    }, { class: "danger" });
    return [decision(run, note), make("section", { class: "card" }, make("h2", {}, `${run.procedure} ${run.version}`),
      facts([["Run", run.execution_id], ["Status", badge(run.status)], ["State", run.state],
        ["Error", run.error && `${run.error.message} (${run.error.kind})`], ["Undone", run.compensated?.join(", ")],
        ["Remains", run.remains?.map((each) => `${each.state}: ${each.why}`).join("; ")]]),
      stop && make("div", { class: "actions" }, stop),
      picture(run.drawing, `The states of ${run.procedure}; the path that this run took is marked, and listed below`),
      run.output !== undefined && run.output !== null && [make("h3", {}, "Output"), json(run.output)],
      table("Moves", ["When", "From", "To", "Event", "Time"], run.history.map((each) => [time(each.at, true), each.from ?? "", each.to ?? "", each.event ?? "", `${(each.ms ?? 0).toFixed(1)} ms`])),
      table("Actions", ["State", "Action", "Arguments", "Result"], run.actions.map((each) => [each.state, each.action, make("code", {}, JSON.stringify(each.arguments)), each.error ? `${each.error.kind}: ${each.error.message}` : each.result_bytes === undefined ? "none yet" : `${each.result_bytes} bytes`])),
      table("Decisions", ["When", "Decision", "By", "Note"], run.decisions.map((each) => [time(each.at, true), each.decision, each.by, each.note])))];
  }

  update(route);
  return { update, leave: () => { own++; clearTimeout(timer); } };
}
