// An MCP server that is ready once a file "go" lies in the shared folder, or ends
// once a file "end" lies there.
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";

const tools = [
  { name: "forecast", description: "The weather of the next days", inputSchema: { type: "object" } },
];
const is = (name) => existsSync(`${process.env.SHARED}/${name}`);

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) continue;
  while (method === "initialize" && !is("go")) {
    if (is("end")) throw new Error("no forecast here");
    await setTimeout(5);
  }
  const result =
    method === "initialize"
      ? { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "slow", version: "1" } }
      : { tools };
  process.stdout.write(JSON.stringify({ jsonrpc: "2.0", id, result }) + "\n");
}
