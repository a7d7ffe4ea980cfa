"""The Python SDK over HTTP where the server speaks too: progress, questions, changes,
and a call that is cancelled. Prints what the SDK made of each as one JSON document.

Arguments: `client` or `session` as for `../client.py`, and the URL and the key.
"""

import contextlib
import json
import sys

import anyio
import httpx2
from mcp import Client, ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.types import (
    CreateMessageResult,
    ElicitResult,
    ResourceUpdatedNotification,
    TextContent,
)

URI = "mimo://memory/1"


async def sample(_context, _params):
    content = TextContent(type="text", text="sampled")
    return CreateMessageResult(role="assistant", content=content, model="m")


async def elicit(_context, _params):
    content = {"username": "zoë", "email": "zoe@example.com"}
    return ElicitResult(action="accept", content=content)


async def converse(client, changes):
    """`changes` is a context in which the first change of URI is awaited."""

    async def call(name, given, progress=None):
        result = await client.call_tool(name, given, progress_callback=progress)
        return result.content[0].text

    told = {"progress": []}

    async def note(progress, _total, _message):
        told["progress"].append(progress)

    await call("fixture__test_tool_with_progress", {}, note)
    told["sampled"] = await call("fixture__test_sampling", {"prompt": "Say it"})
    told["elicited"] = await call("fixture__test_elicitation", {"message": "Who?"})

    await call("memory_store", {"content": "the first text"})
    async with changes(client) as changed:
        edit = {"ids": [1], "action": "update", "content": "the second text"}
        await call("memory_edit", edit)
        told["changed"] = await changed()

    with anyio.CancelScope() as scope:

        async def stop(_progress, _total, _message):
            scope.cancel()

        await call("fixture__test_slow", {}, stop)
    told["cancelled"] = scope.cancelled_caught
    return told


@contextlib.asynccontextmanager
async def listening(client):
    async with client.listen(resource_subscriptions=[URI]) as events:

        async def changed():
            async for event in events:
                return str(event.uri)

        yield changed


async def main(kind, url, key):
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        server = streamable_http_client(url, http_client=http)
        answers = {"sampling_callback": sample, "elicitation_callback": elicit}
        if kind == "client":
            async with Client(server, **answers) as client:
                told = await converse(client, listening)
        else:
            updated, updates = anyio.create_memory_object_stream(100)

            async def hear(message):
                if isinstance(message, ResourceUpdatedNotification):
                    await updated.send(str(message.params.uri))

            @contextlib.asynccontextmanager
            async def subscribed(client):
                await client.subscribe_resource(URI)
                yield updates.receive

            async with server as pipes, ClientSession(*pipes, message_handler=hear, **answers) as client:
                await client.initialize()
                told = await converse(client, subscribed)
    print(json.dumps(told))


anyio.run(main, *sys.argv[1:])
