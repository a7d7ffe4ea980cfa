// The smallest HTTP door that lets the official suite, which speaks HTTP alone,
// talk to Mimo, which speaks lines: for tests. It passes messages on as they
// are, both ways, and decides only what HTTP itself asks of a door: which
// process and which stream a message belongs to, and the status of an error.
// But the tools and prompts that the suite asks for by name are a skill's, and
// called as Mimo calls those.
//
// node bridge.mjs PROGRAM ARGUMENTS..: prints its port, and ends with its stdin.
// An older revision's session has a process of its own, begun by `initialize`;
// requests of the stateless one share a process.

import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { createInterface } from "node:readline";

const [program, ...args] = process.argv.slice(2);
const STATELESS = "2026-07-28";
const META = "io.modelcontextprotocol/";
// What the stateless revision says of the errors that it has a status for.
const STATUS = { "-32601": 404, "-32600": 400, "-32602": 400, "-32020": 400, "-32021": 400, "-32022": 400 };

// An HTTP response that waits for messages: a stream, unless the first one that
// comes is already the answer.
class Reply {
  constructor(response, stateless) {
    Object.assign(this, { response, stateless });
    this.over = new Promise((over) => response.once("close", over));
  }

  tell(line) {
    if (!this.response.headersSent) {
      this.response.writeHead(200, { "content-type": "text/event-stream" });
    }
    this.response.write(`data: ${line}\n\n`);
  }

  answer(line, message) {
    if (this.response.headersSent) {
      this.tell(line);
      this.response.end();
      return;
    }
    const status = this.stateless && message.error ? STATUS[message.error.code] : 200;
    this.response.writeHead(status ?? 200, { "content-type": "application/json" });
    this.response.end(line);
  }
}

class Mimo {
  constructor(stateless) {
    this.stateless = stateless;
    this.open = new Map(); // of the requests that wait: their replies and parameters
    this.unheard = []; // what came before the stream that takes it
    this.listener = null;
    this.child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
    createInterface({ input: this.child.stdout }).on("line", (line) => this.hear(line));
  }

  say(line) {
    this.child.stdin.write(`${line}\n`);
  }

  async ask(line, message, response) {
    const key = JSON.stringify(message.id);
    // Two of one id could not be told apart by their answers.
    while (this.open.has(key)) await this.open.get(key).reply.over;
    const reply = new Reply(response, this.stateless);
    this.open.set(key, { reply, params: message.params ?? {} });
    reply.over.then(() => {
      this.open.delete(key);
      if (!response.writableFinished && this.stateless) {
        const params = { requestId: message.id };
        this.say(JSON.stringify({ jsonrpc: "2.0", method: "notifications/cancelled", params }));
      }
    });
    this.say(line);
  }

  hear(line) {
    const message = JSON.parse(line);
    if (message.method === undefined) {
      this.open.get(JSON.stringify(message.id))?.reply.answer(line, message);
      return;
    }
    const token = message.params?.progressToken;
    const subscription = message.params?._meta?.[`${META}subscriptionId`];
    const waiting = [...this.open];
    const its = ([key, { params }]) =>
      subscription === undefined
        ? token !== undefined && params._meta?.progressToken === token
        : key === JSON.stringify(subscription) || key === subscription;
    const place = waiting.find(its) ?? waiting.at(-1);
    const to = place ? place[1].reply : this.listener;
    if (to) to.tell(line);
    else this.unheard.push(line);
  }

  listen(response) {
    this.listener = new Reply(response, false);
    this.listener.over.then(() => (this.listener = null));
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.flushHeaders();
    for (const line of this.unheard.splice(0)) this.listener.tell(line);
  }

  end() {
    this.child.stdin.end();
  }
}

const sessions = new Map();
let shared;

async function body(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  // A line has no line breaks; JSON has them between its parts only.
  const line = Buffer.concat(parts).toString().replaceAll(/[\r\n]/g, " ");
  return line.replace('"name":"test_', '"name":"fixture__test_');
}

async function post(request, response) {
  const line = await body(request);
  const message = JSON.parse(line);
  const named = message.params?._meta?.[`${META}protocolVersion`] !== undefined;
  const id = request.headers["mcp-session-id"];
  let mimo = sessions.get(id);
  if (named || request.headers["mcp-protocol-version"] === STATELESS) {
    mimo = shared ??= new Mimo(true);
  } else if (id === undefined && message.method === "initialize") {
    mimo = new Mimo(false);
    const session = randomUUID();
    sessions.set(session, mimo);
    response.setHeader("mcp-session-id", session);
  }
  if (!mimo) {
    response.writeHead(id === undefined ? 400 : 404).end();
  } else if (message.method !== undefined && message.id !== undefined) {
    await mimo.ask(line, message, response);
  } else {
    mimo.say(line);
    response.writeHead(202).end();
  }
}

const server = createServer((request, response) => {
  const id = request.headers["mcp-session-id"];
  const mimo = sessions.get(id);
  if (request.method === "POST") {
    post(request, response).catch(() => response.writeHead(400).end());
  } else if (!mimo) {
    response.writeHead(id === undefined ? 405 : 404).end();
  } else if (request.method === "GET") {
    mimo.listen(response);
  } else {
    mimo.end();
    sessions.delete(id);
    response.writeHead(200).end();
  }
});

server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.resume().on("end", () => {
  for (const mimo of [...sessions.values(), shared]) mimo?.end();
  server.closeAllConnections();
  server.close();
});
