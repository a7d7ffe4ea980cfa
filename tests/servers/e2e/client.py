"""The Python SDK as a client that a test steers: requests as JSON lines on
stdin, what the SDK made of the answers as JSON lines on stdout. The end of
stdin closes the client.

Arguments: `client` (its Client) or `session` (its ClientSession), and the
server to start as JSON: {"command", "args", "env"}, or the one to connect to over
HTTP: {"url", "key"}.
"""

import asyncio
import contextlib
import json
import sys

import httpx2
from mcp import Client, ClientSession, MCPError, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import PaginatedRequestParams


def say(document):
    print(json.dumps(document), flush=True)


def plain(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


async def page(client, order):
    """A page of a list: its whole result."""
    names = {
        "tools/list": "list_tools",
        "prompts/list": "list_prompts",
        "resources/list": "list_resources",
        "resources/templates/list": "list_resource_templates",
    }
    method = getattr(client, names[order["method"]])
    cursor = order.get("cursor")
    if isinstance(client, ClientSession):
        return await method(params=PaginatedRequestParams(cursor=cursor))
    return await method(cursor=cursor)


async def follow(client, protocol):
    say({"protocol": protocol})
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        try:
            if order["do"] == "list":
                say({"result": plain(await page(client, order))})
            elif order["do"] == "read":
                say({"result": plain(await client.read_resource(order["uri"]))})
            elif order["do"] == "get":
                say({"result": plain(await client.get_prompt(order["name"]))})
            else:
                result = await client.call_tool(order["name"], order["arguments"])
                say({"result": plain(result)})
        except MCPError as error:
            say({"error": {"code": error.code, "message": error.message, "data": error.data}})
        except Exception as error:
            # What the SDK could not read.
            say({"error": {"message": repr(error)}})


async def main(kind, server):
    server = json.loads(server)
    async with contextlib.AsyncExitStack() as open_until_the_end:
        if "url" in server:
            headers = {"Authorization": f"Bearer {server['key']}"}
            http = httpx2.AsyncClient(headers=headers, timeout=60)
            await open_until_the_end.enter_async_context(http)
            server = streamable_http_client(server["url"], http_client=http)
        else:
            server = stdio_client(StdioServerParameters(**server))
        if kind == "client":
            client = await open_until_the_end.enter_async_context(Client(server))
            await follow(client, client.protocol_version)
        else:
            pipes = await open_until_the_end.enter_async_context(server)
            session = await open_until_the_end.enter_async_context(ClientSession(*pipes))
            agreed = await session.initialize()
            await follow(session, agreed.protocol_version)


asyncio.run(main(*sys.argv[1:]))
