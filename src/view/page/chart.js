// Bars over time, with the same figures as a table.

import { make, plural } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 100, STEP = 10;

function draw(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/**
 * A chart of `points` ({ name, count, failed }), the oldest first. `unit` is the singular and
 * the plural of what is counted, `span` the time of one point.
 */
export function chart(heading, points, { unit, span, note }) {
  const sum = (key) => points.reduce((all, point) => all + (point[key] ?? 0), 0);
  const most = points.reduce((best, point) => (point.count > best.count ? point : best), points[0]);
  const total = sum("count"), failed = sum("failed");
  const words = `${plural(total, ...unit)} in ${points.length} ${span}s${failed ? `, ${failed.toLocaleString()} failed` : ""}${total ? `; the most, ${most.count.toLocaleString()}, ${most.name}` : ""}`;
  const bars = points.flatMap(({ name, count, failed: bad = 0 }, at) => {
    const height = (value) => (value ? Math.max(2, (value / most.count) * HEIGHT) : 0);
    const bar = (value, kind) => draw("rect", { x: at * STEP + 1, width: STEP - 2, y: HEIGHT - height(value), height: height(value), class: kind },
      draw("title", {}, `${name}: ${count}${bad ? `, ${bad} failed` : ""}`));
    return [count > 0 && bar(count, "bar"), bad > 0 && bar(bad, "bar bad")].filter(Boolean);
  });
  const picture = draw("svg", { viewBox: `0 0 ${points.length * STEP} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": `${heading}: ${words}`, class: "chart" },
    draw("line", { x1: 0, x2: points.length * STEP, y1: HEIGHT, y2: HEIGHT, class: "axis" }), ...bars);
  const busy = points.filter((point) => point.count).reverse();
  const heads = failed ? [span, unit[1], "failed"] : [span, unit[1]];
  const table = () => make("table", {}, make("caption", {}, heading), make("thead", {}, make("tr", {}, heads.map((head) => make("th", { scope: "col" }, head)))),
    make("tbody", {}, busy.map((point) => make("tr", {}, [point.name, point.count.toLocaleString(), ...(failed ? [(point.failed ?? 0).toLocaleString()] : [])].map((cell) => make("td", {}, cell))))));
  return make("section", { class: "card", "aria-label": heading }, make("h2", {}, heading), make("p", {}, `${words}.`), picture,
    make("p", { class: "ends soft", "aria-hidden": "true" }, make("span", {}, points[0].name), make("span", {}, points.at(-1).name)),
    note && make("p", { class: "soft" }, note),
    busy.length > 0 && make("details", {}, make("summary", {}, "As a table"), make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `${heading} as a table` }, table())));
}
