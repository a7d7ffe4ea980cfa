// Counts its calls in a file, one line a call, so that they are counted beyond
// its own end.
import { createInterface } from "node:readline";
import { appendFileSync } from "node:fs";

const file = process.argv[2];
const inputSchema = { type: "object", properties: { id: { type: "string" } }, required: ["id"] };
const tools = [
  { name: "once", description: "Does something that must not happen twice", inputSchema },
  { name: "put", description: "Puts something in its place", inputSchema, annotations: { idempotentHint: true } },
  { name: "undo", description: "Takes something back", inputSchema, annotations: { idempotentHint: true } },
];

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) continue;
  let result = {};
  if (method === "initialize")
    result = { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "counter", version: "1" } };
  if (method === "tools/list") result = { tools };
  if (method === "tools/call") {
    appendFileSync(file, `${params.name} ${params.arguments.id}\n`);
    result = { content: [{ type: "text", text: "counted" }] };
  }
  process.stdout.write(JSON.stringify({ jsonrpc: "2.0", id, result }) + "\n");
}
