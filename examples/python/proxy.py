"""A client without classes: dicts in, dicts out."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from typing import Any

from aster import (
    AsterClient,
    AsterServer,
    bidi_stream,
    client_stream,
    rpc,
    server_stream,
    service,
)


@dataclass
class Text:
    body: str = ""


async def error(call: Awaitable[object]) -> Any:
    try:
        await call
    except Exception as e:
        return e


@service("Notes", public=True)
class NoteBook:
    @rpc
    async def mark(self, title: str, tags: list[str]) -> Text:
        return Text(f"{title} {sorted(tags)}")

    @server_stream
    async def words(self, body: str) -> AsyncIterator[Text]:
        for word in body.split():
            yield Text(word)

    @client_stream
    async def join(self, notes: AsyncIterator[Text]) -> Text:
        return Text(" ".join([n.body async for n in notes]))

    @bidi_stream
    async def shout(self, notes: AsyncIterator[Text]) -> AsyncIterator[Text]:
        async for n in notes:
            yield Text(n.body.upper())


async def main() -> None:
    async with AsterServer([NoteBook()]) as srv, AsterClient(address=srv.address) as c:
        notes = await c.proxy("Notes")
        print(await notes.mark({"title": "a"}, tags=["y", "x"]))
        print([n["body"] async for n in notes.words.stream(body="to be")])
        print(await notes.join([{"body": "go"}, {"body": "on"}]))
        async with notes.shout.bidi() as ch:
            await ch.send({"body": "hey"})
            print(await ch.recv())
        print((await error(notes.mark({"titel": "a"}))).code.name)


if __name__ == "__main__":
    asyncio.run(main())
# {'body': "a ['x', 'y']"}
# ['to', 'be']
# {'body': 'go on'}
# {'body': 'HEY'}
# CONTRACT_VIOLATION
