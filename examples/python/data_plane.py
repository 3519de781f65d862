"""Content, documents and gossip beside calls, on one endpoint."""

import asyncio
from dataclasses import dataclass

from aster import AsterClient, AsterServer, rpc, service


@dataclass
class Text:
    body: str = ""


@service(public=True)
class Releases:
    ticket = ""

    @rpc
    async def latest(self) -> Text:
        return Text(self.ticket)


async def main() -> None:
    impl = Releases()
    async with AsterServer([impl]) as srv, AsterClient(address=srv.address) as c:
        impl.ticket = srv.blobs.create_ticket(await srv.blobs.add_bytes(b"model v2"))
        print(await c.blobs.download_blob((await (await c.client(Releases)).latest()).body))
        doc = await srv.docs.create()
        await doc.set_bytes(await srv.docs.create_author(), b"status", b"green")
        copy, events = await c.docs.join_and_subscribe(await doc.share_with_addr("read"))
        async for event in events:
            if event.kind == "content_ready":
                break
        [entry] = await copy.query_key_exact(b"status")
        print(await copy.read_entry_content(entry.content_hash))
        ours = await srv.gossip.subscribe(bytes(32), [])
        theirs = await c.gossip.subscribe(bytes(32), [srv.endpoint_id])
        while (await ours.recv())[0] != "neighbor_up":
            pass
        await ours.broadcast(b"hello mesh")
        while (message := await theirs.recv())[0] != "received":
            pass
        print(message[1])


if __name__ == "__main__":
    asyncio.run(main())
# b'model v2'
# b'green'
# b'hello mesh'
