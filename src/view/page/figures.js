// What there is, and what happens, in figures.

import { call } from "./api.js";
import { chart } from "./chart.js";
import { badge } from "./procedures.js";
import { facts, fill, make, problem } from "./dom.js";

export const title = "Status";

const number = (value) => (typeof value === "number" ? value.toLocaleString() : value);
const size = (bytes) => (bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${Math.round(bytes / 1e3)} KB`);

function span(seconds) {
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const [name, length] = units.find(([, each]) => seconds >= each) ?? units[3];
  return `${Math.floor(seconds / length)} ${name}`;
}

const DAYS = 30, DAY_MILLIS = 86_400_000;
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });

/** The first of the days, at midnight here. */
function firstDay() {
  const now = new Date();
  return new Date(now.getFullYear(), now.getMonth(), now.getDate() - DAYS + 1);
}

function charts({ memories, runs, failed_runs, skill_calls, skill_calls_kept, calls }, since) {
  const days = (counts, failed = []) => counts.map((count, at) => ({ name: day.format(since.getTime() + (at + 0.5) * DAY_MILLIS), count, failed: failed[at] ?? 0 }));
  const ago = (minutes) => (minutes === 0 ? "this minute" : `${minutes} min ago`);
  const minutes = calls?.minutes.map(([count, failed], at) => ({ name: ago(calls.minutes.length - 1 - at), count, failed }));
  const tool = (each) => make("tr", {}, [each.tool, number(each.calls), number(each.failed)].map((cell) => make("td", {}, cell)));
  return [
    chart("Memories by day", days(memories), { unit: ["memory stored", "memories stored"], span: "day", note: "A new version of a memory counts too." }),
    chart("Runs by day", days(runs, failed_runs), { unit: ["run", "runs"], span: "day" }),
    chart("Calls of skills by day", days(skill_calls), { unit: ["call of a skill", "calls of skills"], span: "day", note: `The last ${number(skill_calls_kept)} calls are kept.` }),
    calls && chart("Calls by minute", minutes, { unit: ["call of a tool", "calls of tools"], span: "minute", note: "Of this Mimo alone. One that a client starts counts its own calls." }),
    calls?.tools.length > 0 && make("section", { class: "card", "aria-label": "Calls by tool" }, make("h2", {}, "Calls by tool"),
      make("table", {}, make("caption", {}, "Since this Mimo started"), make("thead", {}, make("tr", {}, ["tool", "calls", "failed"].map((head) => make("th", { scope: "col" }, head)))),
        make("tbody", {}, calls.tools.map(tool)))),
  ];
}

export function show(main) {
  const place = make("div", { class: "cards" }), over = make("div", { class: "cards" });
  main.append(make("h1", {}, title), place, make("h2", { class: "part" }, "Over time"), over);
  const since = firstDay();
  call("view_figures", { since: since.toISOString() }).then((found) => fill(over, charts(found, since))).catch((error) => fill(over, problem(error)));
  const card = (heading, big, words, part, more) => make("section", { class: "card", "aria-label": heading }, make("h2", {}, heading),
    big !== undefined && make("p", { class: "big" }, number(big), " ", make("small", {}, words)),
    part?.problem && make("p", { class: "problem" }, [part.problem, part.next_step].filter(Boolean).join(". Next: ")), facts(more));
  call("mimo_status").then(({ memory = {}, graph = {}, procedures = {}, skills = [], pending = [], ...all }) => {
    const runs = Object.entries(procedures.executions ?? {});
    fill(place,
      card("Memories", memory.active, "in use", memory, [["Former versions", number(memory.superseded)], ["Forgotten or archived", number(memory.archived)], ["Projects", number(memory.projects)]]),
      card("Graph", graph.triples, "relations that hold", graph, [["Entities", number(graph.entities)], ["Ended relations", number(graph.closed)], ["Kinds of relations", number(graph.predicates)]]),
      card("Procedures", procedures.definitions, "definitions", procedures, [["Runs", runs.length ? make("span", { class: "tags" }, runs.map(([status, count]) => [badge(status), ` ${number(count)} `])) : "none"]]),
      card("Skills", skills.length, "set up", {}, [["Tools that wait", number(pending.length)]]),
      card("Mimo", undefined, "", {}, [["Version", all.version], ["Running for", span(all.uptime_s)], ["Database", memory.file_bytes && size(memory.file_bytes)], ["Encoder", memory.embedding_model], ["Project of new memories", all.project]]));
  }).catch((error) => fill(place, problem(error)));
  return {};
}
