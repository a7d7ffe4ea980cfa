// An MCP server that answers with the texts it is given, whatever they are: pages of
// lists by method, and whole lines by the name of a tool or prompt, or by a URI.
import { createInterface } from "node:readline";

const { pages, lines } = DATA;

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) continue;
  const given = lines[params?.name ?? params?.uri];
  if (given !== undefined) {
    process.stdout.write(given.replaceAll("ID", id) + "\n");
    continue;
  }
  const capabilities = { tools: {}, resources: {}, prompts: {} };
  const result =
    method === "initialize"
      ? JSON.stringify({ protocolVersion: params.protocolVersion, capabilities, serverInfo: { name: "odd", version: "1" } })
      : (pages[method]?.[Number(params?.cursor ?? 0)] ?? `{"content":[{"type":"text","text":${JSON.stringify(params?.name)}}]}`);
  process.stdout.write(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${result}}\n`);
}
