// What the page asks of Mimo: the tools that every client has, and the page's own calls.

export class Failed extends Error {
  constructor(status, document) {
    const error = document?.error;
    const message = error?.message ?? document?.error_description ?? `Mimo answered with the status ${status}`;
    super(message);
    this.hint = error?.hint;
    this.status = status;
  }
}

// Half of the session, for this origin alone; the other half is a cookie.
const HALF = "mimo-page";

async function send(method, path, headers, body, signal) {
  const half = localStorage.getItem(HALF);
  let response;
  try {
    response = await fetch(path, { method, headers: half ? { ...headers, "Mimo-Page": half } : headers, body, signal, credentials: "same-origin", cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    const gone = new Error("Mimo cannot be reached");
    gone.hint = "is `mimo view` still running?";
    throw gone;
  }
  const text = await response.text();
  let document;
  try { document = JSON.parse(text); } catch { document = undefined; }
  if (response.ok) return document;
  if (response.status === 401 && path === "/view/call") dispatchEvent(new Event("signed-out"));
  throw new Failed(response.status, document);
}

/** Calls a tool; its document. */
export const call = (tool, args = {}, signal) =>
  send("POST", "/view/call", { "Content-Type": "application/json" }, JSON.stringify({ tool, arguments: args }), signal);

export const session = () => send("GET", "/view/session", {});
export async function signIn(key) {
  const found = await send("POST", "/view/session", { Authorization: `Bearer ${key}` });
  localStorage.setItem(HALF, found.page);
  return found;
}
export async function signOut() {
  await send("DELETE", "/view/session", {});
  localStorage.removeItem(HALF);
}
