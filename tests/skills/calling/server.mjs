// A small MCP server for the tests of skills: plain lines, no package needed.
import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";

const tools = [
  {
    name: "read_file",
    description: "Read the text of a file at a path",
    inputSchema: { type: "object", properties: { path: { type: "string" } }, required: ["path"] },
    annotations: { readOnlyHint: true },
    "x-vendor": { kept: true },
  },
  {
    name: "repeat_text",
    description: "Repeat a word many times",
    inputSchema: { type: "object", properties: { times: { type: "integer" } }, required: ["times"] },
  },
  {
    name: "show_environment",
    description: "List the environment variables of this process",
    inputSchema: { type: "object", properties: {} },
  },
  { name: "die", description: "End this process at once", inputSchema: { type: "object", properties: {} } },
];

function call(name, args) {
  const text = (value) => ({ content: [{ type: "text", text: value }], later: "field" });
  switch (name) {
    case "read_file":
      try {
        return text(readFileSync(args.path, "utf8"));
      } catch (error) {
        return { ...text(error.code), isError: true };
      }
    case "repeat_text":
      return text("word ".repeat(args.times));
    case "show_environment":
      return text(JSON.stringify(process.env));
    case "die":
      process.exit(3);
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) continue;
  const result =
    method === "initialize"
      ? { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "small", version: "1" } }
      : method === "tools/list"
        ? { tools }
        : method === "tools/call"
          ? call(params.name, params.arguments ?? {})
          : {};
  process.stdout.write(JSON.stringify({ jsonrpc: "2.0", id, result }) + "\n");
}
