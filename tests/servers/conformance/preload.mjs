// What the official suite lacks as a client of Mimo over HTTP, loaded before it: the
// key, which the suite cannot send, and the names by which Mimo serves the tools and
// prompts of a skill. Everything else is between the suite and Mimo.

import diagnostics from "node:diagnostics_channel";

const authorization = `Bearer ${process.env.MIMO_API_KEY}`;
diagnostics.subscribe("undici:request:create", ({ request }) =>
  request.addHeader("authorization", authorization),
);

const send = globalThis.fetch;
globalThis.fetch = (url, options = {}) => {
  const body = options.body?.toString();
  if (!body?.includes('"name":"test_')) return send(url, options);
  const headers = new Headers(options.headers);
  const name = headers.get("mcp-name");
  if (name?.startsWith("test_")) headers.set("mcp-name", `fixture__${name}`);
  return send(url, {
    ...options,
    headers,
    body: body.replace('"name":"test_', '"name":"fixture__test_'),
  });
};
