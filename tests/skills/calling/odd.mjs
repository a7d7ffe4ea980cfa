// An MCP server whose lists have a good item and faulty ones.
import { createInterface } from "node:readline";

const schema = { type: "object" };
const lists = {
  "tools/list": {
    tools: [
      { name: "good", description: "Good", inputSchema: schema },
      { name: "bare", description: null },
      { name: "choice", inputSchema: { anyOf: [{ properties: { a: { type: "string" } } }] } },
      { name: "lost", inputSchema: { type: "object", properties: { a: { $ref: "#/$defs/none" } } } },
      { name: "aged", inputSchema: schema, outputSchema: { type: "object", properties: { n: { minimum: 1, exclusiveMinimum: true } } } },
      { name: "text", inputSchema: { type: "string" } },
      { description: "nameless", inputSchema: schema },
      7,
    ],
    nextCursor: "",
  },
  "resources/list": { resources: [{ uri: "odd://a" }, { name: "no address" }, { uri: "odd://b", name: "b", annotations: null }] },
  "resources/templates/list": { resourceTemplates: [{ uriTemplate: "odd://{x}", name: "x", description: 3 }, null] },
  "prompts/list": { prompts: [{ name: "p", arguments: null }, { name: "q", arguments: [{ name: "a", required: "yes" }] }, {}] },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) continue;
  const capabilities = { tools: {}, resources: {}, prompts: {} };
  const result =
    method === "initialize"
      ? { protocolVersion: params.protocolVersion, capabilities, serverInfo: { name: "odd", version: "1" } }
      : (lists[method] ?? { content: [{ type: "text", text: params.name }] });
  process.stdout.write(JSON.stringify({ jsonrpc: "2.0", id, result }) + "\n");
}
