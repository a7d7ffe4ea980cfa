// Elements and notices. Text from memories only ever becomes text: nothing here, and
// nothing that the browser would let it, makes HTML of it.

/** An element with properties, listeners (`onclick`), attributes and children. */
export function make(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (name === "value" || name === "checked") element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

// Characters that turn text around or cannot be seen could make it look like another one.
const HIDDEN = /[\u00ad\u061c\u200b\u202a-\u202e\u2060-\u2069\ufeff\u{e0000}-\u{e007f}]/gu;
const visible = (text) => text.replace(HIDDEN, (each) => `\u2039U+${each.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}\u203a`);

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    element.append(child instanceof Node ? child : visible(String(child)));
  }
}

export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
}

export const button = (label, onclick, given = {}) =>
  make("button", { type: "button", onclick, ...given }, label);

/** A labelled field; its control is `field.control`. */
export function field(label, control, hint) {
  control.id ||= `field-${++fields}`;
  const element = make("div", { class: "field" }, make("label", { for: control.id }, label), control);
  if (hint) {
    const id = `${control.id}-hint`;
    control.setAttribute("aria-describedby", id);
    element.append(make("small", { id }, hint));
  }
  element.control = control;
  return element;
}
let fields = 0;

export const select = (options, value) => {
  const element = make("select");
  for (const [key, label] of options) element.append(make("option", { value: key }, label));
  element.value = value;
  return element;
};

const dates = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const moments = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export function time(iso, exact = false) {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return iso ?? "";
  return make("time", { datetime: iso, title: moments.format(date) }, (exact ? moments : dates).format(date));
}

export const plural = (count, one, many = `${one}s`) => `${count.toLocaleString()} ${count === 1 ? one : many}`;

/** Facts as a list of terms; those without a value are left out. */
export function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== undefined && value !== null && value !== "");
  return make("dl", { class: "facts" }, shown.map(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
}

/** A sentence at the bottom of the page, with at most one thing to do about it. */
export function notice(text, { label, action, isError = false } = {}) {
  const element = make("div", { class: isError ? "notice error" : "notice" }, make("span", {}, text));
  const close = () => element.remove();
  if (label) element.append(button(label, async () => { close(); await action(); }));
  element.append(button("×", close, { class: "quiet", "aria-label": "Dismiss" }));
  const all = document.getElementById("notices");
  while (all.childElementCount >= 3) all.firstElementChild.remove();
  all.append(element);
  if (!isError) setTimeout(close, 15000);
}

export const failed = (error) => notice(describe(error), { isError: true });

export const describe = (error) => [error.message, error.hint].filter(Boolean).join(". Next: ");

export const problem = (error) => make("p", { class: "problem" }, describe(error));

/** An image of a drawing, in which nothing runs. */
export function drawing(svg, alt) {
  const address = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  const image = make("img", { src: address, alt, class: "drawing" });
  image.addEventListener("load", () => URL.revokeObjectURL(address), { once: true });
  return image;
}
