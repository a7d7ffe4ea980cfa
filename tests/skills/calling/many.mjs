// An MCP server with many tools, or one that ends at once.
import { createInterface } from "node:readline";

if (process.argv[2] === "broken") {
  console.error("starting up");
  throw new Error("no database here");
}

const properties = Object.fromEntries(
  Array.from({ length: 12 }, (_, nth) => [`field_${nth}`, { type: "string", description: "One of the fields of a row in the table" }]),
);
const tools = Array.from({ length: 20 }, (_, nth) => ({
  name: `table_${nth}`,
  description: `Read row ${nth} of the table and give its fields`,
  inputSchema: { type: "object", properties },
  annotations: { readOnlyHint: true },
}));

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) continue;
  for (let nth = 0; nth < 30; nth++) console.error(`line ${nth}`);
  const result =
    method === "initialize"
      ? { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "many", version: "1" } }
      : method === "tools/list"
        ? { tools }
        : { content: [{ type: "text", text: params.name }] };
  process.stdout.write(JSON.stringify({ jsonrpc: "2.0", id, result }) + "\n");
}
