// The TypeScript SDKs over HTTP where the server speaks too: progress, questions,
// changes, a call that is cancelled, a stream that breaks. Prints what the SDK made of
// each as one JSON document.
//
// Arguments: `sdk`, `legacy` or `auto` as for `../client.mjs`, and the URL and the key.

const [kind, url, key] = process.argv.slice(-3);
const isFirst = kind === 'sdk';
const { Client } = await import(
  isFirst ? '@modelcontextprotocol/sdk/client/index.js' : '@modelcontextprotocol/client'
);
const { StreamableHTTPClientTransport } = await import(
  isFirst ? '@modelcontextprotocol/sdk/client/streamableHttp.js' : '@modelcontextprotocol/client'
);
const types = isFirst ? await import('@modelcontextprotocol/sdk/types.js') : {};

const capabilities = { sampling: {}, elicitation: {} };
const settling = isFirst ? {} : { versionNegotiation: { mode: kind } };
const client = new Client({ name: 'mimo-tests', version: '1' }, { capabilities, ...settling });

// The later package names a method where the first one takes its schema.
client.setRequestHandler(types.CreateMessageRequestSchema ?? 'sampling/createMessage', () => ({
  model: 'm',
  role: 'assistant',
  content: { type: 'text', text: 'sampled' },
}));
client.setRequestHandler(types.ElicitRequestSchema ?? 'elicitation/create', () => ({
  action: 'accept',
  content: { username: 'zoë', email: 'zoe@example.com' },
}));
const changed = new Promise((resolve) => {
  const method = types.ResourceUpdatedNotificationSchema ?? 'notifications/resources/updated';
  client.setNotificationHandler(method, ({ params }) => resolve(params.uri));
});

// Breaks the connection of an answer after its first event.
let breaks = false;
const streams = { opened: 0, resumed: 0 };
async function cut(target, options) {
  if (options?.method === 'GET') {
    streams[new Headers(options.headers).has('last-event-id') ? 'resumed' : 'opened'] += 1;
  }
  const response = await fetch(target, options);
  const isStream = response.headers.get('content-type') === 'text/event-stream';
  if (!breaks || options?.method !== 'POST' || !isStream) return response;
  breaks = false;
  const reader = response.body.getReader();
  const { value } = await reader.read();
  await reader.cancel();
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(value);
      controller.close();
    },
  });
  return new Response(body, { status: response.status, headers: response.headers });
}

const requestInit = { headers: { Authorization: `Bearer ${key}` } };
const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit, fetch: cut });
await client.connect(transport);

const options = (more) => (isFirst ? [undefined, more] : [more]);
const call = async (name, given, more = {}) => {
  const result = await client.callTool({ name, arguments: given }, ...options(more));
  return result.content[0].text;
};
const told = {};

const progress = [];
await call('fixture__test_tool_with_progress', {}, { onprogress: (it) => progress.push(it.progress) });
told.progress = progress;
told.sampled = await call('fixture__test_sampling', { prompt: 'Say it' });
told.elicited = await call('fixture__test_elicitation', { message: 'Who?' });

await call('memory_store', { content: 'the first text' });
const uri = 'mimo://memory/1';
const subscription = kind === 'auto' ? await client.listen({ resourceSubscriptions: [uri] }) : undefined;
if (!subscription) await client.subscribeResource({ uri });
await call('memory_edit', { ids: [1], action: 'update', content: 'the second text' });
told.changed = await changed;
await subscription?.close();

const abort = new AbortController();
const slow = call('fixture__test_slow', {}, { signal: abort.signal, onprogress: () => abort.abort() });
told.cancelled = await slow.then(() => false, () => true);

if (kind !== 'auto') {
  breaks = true;
  told.resumed = await call('fixture__test_tool_with_progress', {}, { onprogress: () => {} });
  told.streams = streams;
  await transport.terminateSession();
}
await client.close();
console.log(JSON.stringify(told));
