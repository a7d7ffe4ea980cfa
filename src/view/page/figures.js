// What there is, in figures.

import { call } from "./api.js";
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

export function show(main) {
  const place = make("div", { class: "cards" });
  main.append(make("h1", {}, title), place);
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
