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

async function send(method, path, headers, body, signal) {
  let response;
  try {
    response = await fetch(path, { method, headers, body, signal, credentials: "same-origin", cache: "no-store" });
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
export const signIn = (key) => send("POST", "/view/session", { Authorization: `Bearer ${key}` });
export const signOut = () => send("DELETE", "/view/session", {});
