// What the suite wants to find on a server: its tools, resources and prompts, as
// a skill, so that each scenario goes through Mimo and back; test_slow is for other
// tests. Plain lines, no package needed.
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";

const send = (message) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\n");
const waiting = new Map();
let asked = 0;
let client = {};

// The client's answer; an error of its is thrown.
function ask(method, params) {
  const id = `ask-${++asked}`;
  send({ id, method, params });
  return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
}

const note = (method, params) => send({ method: `notifications/${method}`, params });
const log = (data) => note("message", { level: "info", data });
const text = (words) => ({ content: [{ type: "text", text: words }] });
const object = (properties) => ({ type: "object", properties, required: Object.keys(properties) });
const string = { type: "string" };
const ofUser = (words) => ({ role: "user", content: { type: "text", text: words } });

const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
const WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=";
const image = { type: "image", data: PNG, mimeType: "image/png" };
const embedded = (uri) => ({ type: "resource", resource: { uri, mimeType: "text/plain", text: "Embedded." } });

const elicit = (message, properties) =>
  ask("elicitation/create", { message, requestedSchema: object(properties) });
const sample = (words) => ask("sampling/createMessage", { messages: [ofUser(words)], maxTokens: 100 });
const elicited = async (properties) => {
  const { action, content } = await elicit("Please fill this in", properties);
  return text(`Elicitation completed: action=${action}, content=${JSON.stringify(content)}`);
};

const titled = (...names) => names.map((title, nth) => ({ const: `value${nth + 1}`, title }));
const options = ["option1", "option2", "option3"];

const tools = {
  test_simple_text: () => text("This is a simple text response for testing."),
  test_image_content: () => ({ content: [image] }),
  test_audio_content: () => ({ content: [{ type: "audio", data: WAV, mimeType: "audio/wav" }] }),
  test_embedded_resource: () => ({ content: [embedded("test://embedded-resource")] }),
  test_multiple_content_types: () => ({
    content: [{ type: "text", text: "Several:" }, image, embedded("test://mixed-content-resource")],
  }),
  test_error_handling: () => ({ ...text("This tool intentionally returns an error for testing"), isError: true }),
  test_logging_tool: () => (log("Nobody asked for this"), text("logged")),
  async test_tool_with_logging() {
    for (const words of ["started", "processing data", "completed"]) {
      log(`Tool execution ${words}`);
      await wait(10);
    }
    return text("logged");
  },
  async test_tool_with_progress({ _meta }) {
    for (const progress of [0, 50, 100]) {
      note("progress", { progressToken: _meta.progressToken, progress, total: 100 });
      await wait(10);
    }
    return text("done");
  },
  async test_slow({ _meta }) {
    note("progress", { progressToken: _meta.progressToken, progress: 0 });
    await wait(50_000);
    return text("nobody waited");
  },
  async test_sampling({ arguments: { prompt } }) {
    const { content } = await sample(prompt);
    return text(`LLM response: ${content.text}`);
  },
  async test_elicitation({ arguments: { message } }) {
    const answer = await elicit(message, { username: string, email: string });
    return text(`User response: ${JSON.stringify(answer)}`);
  },
  test_elicitation_sep1034_defaults: () =>
    elicited({
      name: { type: "string", default: "John Doe" },
      age: { type: "integer", default: 30 },
      score: { type: "number", default: 95.5 },
      status: { type: "string", enum: ["active", "inactive", "pending"], default: "active" },
      verified: { type: "boolean", default: true },
    }),
  test_elicitation_sep1330_enums: () =>
    elicited({
      untitledSingle: { type: "string", enum: options },
      titledSingle: { type: "string", oneOf: titled("First", "Second", "Third") },
      legacyEnum: { type: "string", enum: ["opt1", "opt2", "opt3"], enumNames: ["One", "Two", "Three"] },
      untitledMulti: { type: "array", items: { type: "string", enum: options } },
      titledMulti: { type: "array", items: { anyOf: titled("First", "Second", "Third") } },
    }),
  test_streaming_elicitation: () => elicited({ name: string }),
  test_input_required_result_elicitation: () => elicited({ name: string }),
  test_input_required_result_request_state: () => elicited({ ok: { type: "boolean" } }),
  test_input_required_result_tampered_state: () => elicited({ ok: { type: "boolean" } }),
  test_input_required_result_sampling: async () =>
    text((await sample("What is the capital of France?")).content.text),
  test_input_required_result_list_roots: async () => text(JSON.stringify(await ask("roots/list", {}))),
  async test_input_required_result_multi_round() {
    const { content: name } = await elicit("Step 1: What is your name?", { name: string });
    const { content: colour } = await elicit("Step 2: What is your favorite color?", { color: string });
    return text(JSON.stringify({ ...name, ...colour }));
  },
  async test_input_required_result_capabilities() {
    // What the client did not declare must not reach it, whoever asks.
    const refused = await elicit("What is your name?", { name: string }).catch((error) => error);
    return text(`${refused.message}; ${(await sample("Say hello")).content.text}`);
  },
  test_missing_capability() {
    if (client.sampling) return text("it is there");
    throw { code: -32021, message: "sampling is needed", data: { requiredCapabilities: { sampling: {} } } };
  },
  test_trigger_tool_change() {
    // A tool that goes: a new one would wait for approval first.
    delete tools[Object.keys(tools).findLast((name) => name.startsWith("test_spare_"))];
    note("tools/list_changed");
    return text("changed");
  },
  test_trigger_prompt_change: () => (note("prompts/list_changed"), text("changed")),
};

for (const name of ["a", "b", "c"]) tools[`test_spare_${name}`] = () => text("spare");

const prompts = {
  test_simple_prompt: [[], () => [ofUser("This is a simple prompt for testing.")]],
  test_prompt_with_arguments: [
    ["arg1", "arg2"],
    ({ arg1, arg2 }) => [ofUser(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)],
  ],
  test_prompt_with_embedded_resource: [
    ["resourceUri"],
    ({ resourceUri }) => [{ role: "user", content: embedded(resourceUri) }, ofUser("See above.")],
  ],
  test_prompt_with_image: [[], () => [{ role: "user", content: image }, ofUser("See above.")]],
};

const resources = [
  { uri: "test://static-text", mimeType: "text/plain", text: "This is the content of the static text resource." },
  { uri: "test://static-binary", mimeType: "image/png", blob: PNG },
  { uri: "test://watched-resource", mimeType: "text/plain", text: "Watched." },
];

function read(uri) {
  const [, id] = /^test:\/\/template\/(.+)\/data$/.exec(uri) ?? [];
  const data = JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` });
  if (id) return { uri, mimeType: "application/json", text: data };
  const found = resources.find((each) => each.uri === uri);
  if (!found) throw { code: -32002, message: "Resource not found", data: { uri } };
  return found;
}

const named = (name) => ({ name, description: name.replaceAll("_", " ") });
const answers = {
  initialize({ protocolVersion, capabilities }) {
    client = capabilities;
    const changing = { listChanged: true };
    return {
      protocolVersion,
      capabilities: {
        tools: changing,
        prompts: changing,
        resources: { subscribe: true },
        completions: {},
        logging: {},
      },
      serverInfo: { name: "fixture", version: "1" },
    };
  },
  "tools/list": () => ({
    tools: Object.keys(tools).map((name) => ({ ...named(name), inputSchema: { type: "object" } })),
  }),
  "tools/call": (params) => tools[params.name](params),
  "prompts/list": () => ({
    prompts: Object.entries(prompts).map(([name, [args]]) => ({ ...named(name), arguments: args.map(named) })),
  }),
  "prompts/get": ({ name, arguments: given }) => ({ messages: prompts[name][1](given ?? {}) }),
  "resources/list": () => ({ resources: resources.map(({ uri, mimeType }) => ({ uri, mimeType, name: uri })) }),
  "resources/templates/list": () => ({
    resourceTemplates: [{ uriTemplate: "test://template/{id}/data", name: "data" }],
  }),
  "resources/read": ({ uri }) => ({ contents: [read(uri)] }),
  "resources/subscribe": () => ({}),
  "resources/unsubscribe": () => ({}),
  "completion/complete": () => ({ completion: { values: ["paris", "park"], total: 2, hasMore: false } }),
  "logging/setLevel": () => ({}),
};

async function answer({ id, method, params }) {
  try {
    if (!answers[method]) throw { code: -32601, message: `no method ${method}` };
    send({ id, result: await answers[method](params ?? {}) });
  } catch ({ code, message, data }) {
    send({ id, error: { code: code ?? -32603, message, data } });
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line);
  if (message.method === undefined) {
    const { resolve, reject } = waiting.get(message.id);
    if (message.error) reject(message.error);
    else resolve(message.result);
  } else if (message.id !== undefined) {
    void answer(message);
  }
}
