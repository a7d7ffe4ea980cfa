// An MCP server that offers everything beside tools, and asks its client back:
// plain lines, no package needed.
import { createInterface } from "node:readline";

const send = (message) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\n");
const waiting = new Map();
let asked = 0;
let client = {};
let level = "none";

function ask(method, params) {
  const id = `full-${++asked}`;
  send({ id, method, params });
  return new Promise((resolve) => waiting.set(id, resolve));
}

const schema = { type: "object", properties: {} };
const tools = [
  { name: "echo/meta", description: "Show the request", inputSchema: schema, annotations: { readOnlyHint: true } },
  { name: "ask", description: "Ask the client", inputSchema: schema },
  { name: "give_up", description: "Ask the client and take it back", inputSchema: schema },
  { name: "capabilities", description: "Show what the client offers", inputSchema: schema },
  { name: "exact", description: "Answer with numbers and an order that must stay", inputSchema: schema },
  { name: "fail", description: "Answer with an error of the protocol", inputSchema: schema },
  { name: "grow", description: "Have one tool more", inputSchema: schema },
  { name: "change", description: "Describe a tool anew", inputSchema: schema },
  { name: "flood", description: "Say very much", inputSchema: schema },
  { name: "latin", description: "Answer in another encoding", inputSchema: schema },
  { name: "touch", description: "Change a resource", inputSchema: schema },
  { name: "progress", description: "Report how far it is", inputSchema: schema },
];
const shape = { type: "object", properties: { content: { type: "string" } }, required: ["content"] };
tools.push(
  { name: "structured", description: "Give a long document", inputSchema: schema, outputSchema: shape },
  { name: "elicited", description: "Tell that a page was filled in", inputSchema: schema },
);
const text = (value) => ({ content: [{ type: "text", text: JSON.stringify(value) }] });

async function call(id, params) {
  switch (params.name) {
    case "echo/meta":
      return send({ id, result: text({ arguments: params.arguments, meta: params._meta }) });
    case "capabilities":
      return send({ id, result: text(client) });
    case "ask":
      return send({ id, result: text(await ask(params.arguments.method, params.arguments.params)) });
    case "give_up": {
      void ask("sampling/createMessage", { messages: [], maxTokens: 1 });
      send({ method: "notifications/cancelled", params: { requestId: `full-${asked}` } });
      return send({ id, result: text("given up") });
    }
    case "exact":
      process.stdout.write(
        `{"jsonrpc":"2.0","id":${id},"result":{"z":1.0,"a":123456789012345678901234567890,"content":[ ],"e":1e3}}\n`,
      );
      return;
    case "fail":
      return send({ id, error: { code: -31999, message: "not today", data: { why: ["rain"] } } });
    case "grow":
      tools.push({ name: "new_one", description: "New", inputSchema: schema });
      send({ method: "notifications/tools/list_changed" });
      return send({ id, result: text("grown") });
    case "flood":
      for (let n = 0; n < 10000; n++) send({ method: "notifications/message", params: { level: "error", data: n } });
      return send({ id, result: text("flooded") });
    case "latin":
      process.stdout.write(Buffer.from(`{"jsonrpc":"2.0","id":${id},"result":{"content":"café"}}\n`, "latin1"));
      return;
    case "change":
      tools[0].description = "Do as you are told";
      send({ method: "notifications/tools/list_changed" });
      return send({ id, result: text("changed") });
    case "touch":
      send({ method: "notifications/resources/updated", params: { uri: "full://a" } });
      send({ method: "notifications/resources/list_changed" });
      send({ method: "notifications/prompts/list_changed" });
      send({ method: "notifications/message", params: { level: "debug", data: "quiet" } });
      send({ method: "notifications/message", params: { level: "error", logger: "core", data: "loud" } });
      return send({ id, result: text(level) });
    case "structured": {
      const content = "word ".repeat(params.arguments.words);
      const result = { content: [{ type: "text", text: content }], structuredContent: { content }, _meta: { kept: 1 } };
      return send({ id, result });
    }
    case "elicited":
      send({ method: "notifications/elicitation/complete", params: { elicitationId: "e-1" } });
      return send({ id, result: text("told") });
    case "progress":
      send({ method: "notifications/progress", params: { progressToken: params._meta.progressToken, progress: 1, total: 2 } });
      return send({ id, result: text("half") });
    default:
      return send({ id, error: { code: -32602, message: `no tool ${params.name}` } });
  }
}

const answers = {
  initialize: (params) => {
    client = params.capabilities;
    const capabilities = {
      tools: { listChanged: true },
      resources: { subscribe: true, listChanged: true },
      prompts: { listChanged: true },
      completions: {},
      logging: {},
    };
    return { protocolVersion: params.protocolVersion, capabilities, serverInfo: { name: "full", version: "1" }, instructions: "Ask before you touch." };
  },
  "tools/list": () => ({ tools }),
  "resources/list": ({ cursor }) =>
    cursor === "2"
      ? { resources: [{ uri: "full://b", name: "b" }] }
      : { resources: [{ uri: "full://a", name: "a", "x-own": { z: 1, a: 2 } }], nextCursor: "2" },
  "resources/templates/list": () => ({ resourceTemplates: [{ uriTemplate: "full://item/{id}", name: "item" }] }),
  "resources/read": ({ uri }) => ({ contents: [{ uri, text: `contents of ${uri}` }], "x-own": true }),
  "resources/subscribe": () => ({}),
  "resources/unsubscribe": () => ({}),
  "prompts/list": () => ({ prompts: [{ name: "greet me", arguments: [{ name: "who" }], "x-own": 1 }] }),
  "prompts/get": ({ name, arguments: given }) => ({
    messages: [{ role: "user", content: { type: "text", text: `${name}: ${given?.who}` } }],
  }),
  "completion/complete": (params) => ({ completion: { values: [params.ref.name ?? params.ref.uri, params.argument.value] } }),
  "logging/setLevel": (params) => ((level = params.level), {}),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, params, result, error } = JSON.parse(line);
  if (method === undefined) {
    waiting.get(id)?.({ result, error });
  } else if (method === "tools/call") {
    call(id, params);
  } else if (id !== undefined) {
    const answer = answers[method];
    send(answer ? { id, result: answer(params ?? {}) } : { id, error: { code: -32601, message: method } });
  } else if (method === "notifications/roots/list_changed") {
    send({ method: "notifications/message", params: { level: "error", data: "roots changed" } });
  }
}
