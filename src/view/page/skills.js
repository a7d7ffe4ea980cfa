// Skills: their state, their sandbox, what waits for an approval, and their logs.

import { call } from "./api.js";
import { button, facts, failed, fill, make, notice, plural, problem, time } from "./dom.js";

export const title = "Skills";

const words = (value) => (Array.isArray(value) ? value.map(words).join("; ") : value && typeof value === "object" ? Object.entries(value).map(([key, each]) => `${key}: ${words(each)}`).join("; ") : String(value));

export function show(main, route, user) {
  let gone = false;
  const place = make("div", {}, make("p", { class: "soft" }, "Loading"));
  main.append(make("h1", {}, title), place);

  async function update() {
    try {
      const [status, waits] = await Promise.all([call("mimo_status", { section: "skills" }), call("view_pending")]);
      if (gone) return;
      const skills = status.skills ?? [];
      fill(place, status.skills_problem && make("p", { class: "problem" }, status.skills_problem),
        waits.pending.length > 0 && make("section", { class: "card waits" }, make("h2", {}, "Waiting for your approval"), waits.pending.map((each) => pending(each, waits.can_decide))),
        skills.map(card), !skills.length && make("p", { class: "soft" }, "There are no skills. `mimo skill add --help` shows how to add one."));
    } catch (error) { fill(place, problem(error)); }
  }

  function pending(each, canDecide) {
    const approve = async () => {
      try {
        await call("view_approve", { skill: each.skill, tool: each.tool, mark: each.mark });
        notice(`${each.tool} is approved.`);
        update();
      } catch (error) { failed(error); }
    };
    const line = (text) => make("span", { class: text.startsWith("-") ? "gone" : "new" }, `${text}\n`);
    return make("article", {}, make("h3", {}, `${each.skill}: ${each.tool}`),
      make("p", { class: "soft" }, each.why === "new" ? "Nobody has approved it yet. It is:" : "It is not what was approved. The difference:"),
      make("pre", { class: "text difference", tabindex: 0 }, each.difference.map(line)),
      canDecide ? button("Approve", approve, { class: "primary", "aria-label": `Approve ${each.tool} of ${each.skill}` }) : make("p", { class: "soft" }, "Somebody at Mimo's own machine approves it, with `mimo view` or `mimo skill approve`."));
  }

  function card(skill) {
    const layers = Object.entries(skill.sandbox ?? {}).filter(([, value]) => typeof value === "string");
    const log = make("div", {});
    const details = make("details", { ontoggle: () => details.open && readLog(skill.name, log) }, make("summary", {}, "Log"), log);
    const state = String(skill.state).replaceAll("_", " ");
    return make("section", { class: "card", "aria-label": skill.name }, make("h2", {}, skill.name, " ", make("span", { class: "badge" }, state)),
      facts([["Tools", Array.isArray(skill.tools) ? skill.tools.join(", ") : skill.tools], ["Process", skill.pid], ["Restarts", skill.restarts || ""],
        ["Ended", skill.ended && words(skill.ended)], ["Faults", skill.faults?.length ? words(skill.faults) : ""], ["Notes", skill.notes?.length ? words(skill.notes) : ""],
        ["Sandbox", layers.length > 0 && make("span", { class: "tags" }, layers.map(([layer, value]) => make("span", { class: `badge ${value === "enforced" ? "good" : "warn"}` }, `${layer} ${value}`)))]]),
      user.may_operate && details);
  }

  async function readLog(skill, place) {
    try {
      const { entries } = await call("view_logs", { skill });
      const text = (entry) => entry.line ?? (entry.started !== undefined ? `started by Mimo ${entry.started}` : entry.ended !== undefined ? `ended: ${entry.ended}` : `${plural(entry.left_out, "byte")} left out`);
      fill(place, entries.length ? make("pre", { class: "text log", tabindex: 0 }, entries.map((entry) => [time(entry.at, true), ` [${entry.pid}] ${text(entry)}\n`])) : make("p", { class: "soft" }, "It has written nothing."));
    } catch (error) { fill(place, problem(error)); }
  }

  update();
  return { update, leave: () => { gone = true; } };
}
