// The TypeScript SDKs as a client that a test steers: requests as JSON lines on
// stdin, what the SDK made of the answers as JSON lines on stdout. The end of
// stdin closes the client.
//
// Arguments: `sdk` (the package up to 1.x) or `legacy` or `auto` (the later
// package, and how it settles the revision), and the server to start as JSON:
// {"command", "args", "env"}, or the one to connect to over HTTP: {"url", "key"}.

import { createInterface } from 'node:readline';

const [kind, server] = process.argv.slice(-2);
const { Client } = await import(
  kind === 'sdk' ? '@modelcontextprotocol/sdk/client/index.js' : '@modelcontextprotocol/client'
);
const { StdioClientTransport } = await import(
  kind === 'sdk' ? '@modelcontextprotocol/sdk/client/stdio.js' : '@modelcontextprotocol/client/stdio'
);

const { StreamableHTTPClientTransport } = await import(
  kind === 'sdk'
    ? '@modelcontextprotocol/sdk/client/streamableHttp.js'
    : '@modelcontextprotocol/client'
);

const say = (document) => process.stdout.write(`${JSON.stringify(document)}\n`);

const settling = kind === 'sdk' ? {} : { versionNegotiation: { mode: kind } };
const client = new Client({ name: 'mimo-tests', version: '1' }, settling);
const { url, key, ...command } = JSON.parse(server);
const headers = { Authorization: `Bearer ${key}` };
const transport = url
  ? new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } })
  : new StdioClientTransport(command);
// The older SDK tells only its transport which revision was agreed on.
let agreed;
const settled = transport.setProtocolVersion?.bind(transport);
transport.setProtocolVersion = (version) => {
  agreed = version;
  settled?.(version);
};
await client.connect(transport);
say({ protocol: client.getNegotiatedProtocolVersion?.() ?? agreed });

const lists = {
  'tools/list': client.listTools,
  'prompts/list': client.listPrompts,
  'resources/list': client.listResources,
  'resources/templates/list': client.listResourceTemplates,
};
for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  try {
    if (order.do === 'list') {
      const { method, cursor } = order;
      say({ result: await lists[method].call(client, { cursor }) });
    } else if (order.do === 'read') {
      say({ result: await client.readResource({ uri: order.uri }) });
    } else if (order.do === 'get') {
      say({ result: await client.getPrompt({ name: order.name }) });
    } else {
      const { name, arguments: given } = order;
      say({ result: await client.callTool({ name, arguments: given }) });
    }
  } catch (error) {
    say({ error: { code: error.code, message: error.message, data: error.data } });
  }
}
await client.close();
