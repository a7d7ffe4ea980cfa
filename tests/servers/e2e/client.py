"""The Python SDK as a client that a test steers: requests as JSON lines on
stdin, what the SDK made of the answers as JSON lines on stdout. The end of
stdin closes the client.

Arguments: `client` (its Client) or `session` (its ClientSession), and the
server to start as JSON: {"command", "args", "env"}.
"""

import asyncio
import contextlib
import json
import sys

from mcp import Client, ClientSession, MCPError, StdioServerParameters, stdio_client


def say(document):
    print(json.dumps(document), flush=True)


def plain(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


async def follow(client, protocol):
    say({"protocol": protocol})
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        try:
            if order["do"] == "list":
                say({"tools": [plain(tool) for tool in (await client.list_tools()).tools]})
            else:
                result = await client.call_tool(order["name"], order["arguments"])
                say({"result": plain(result)})
        except MCPError as error:
            say({"error": {"code": error.code, "message": error.message}})


async def main(kind, server):
    server = StdioServerParameters(**json.loads(server))
    async with contextlib.AsyncExitStack() as open_until_the_end:
        if kind == "client":
            client = await open_until_the_end.enter_async_context(Client(server))
            await follow(client, client.protocol_version)
        else:
            pipes = await open_until_the_end.enter_async_context(stdio_client(server))
            session = await open_until_the_end.enter_async_context(ClientSession(*pipes))
            agreed = await session.initialize()
            await follow(session, agreed.protocol_version)


asyncio.run(main(*sys.argv[1:]))
