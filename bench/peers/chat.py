"""The classroom chat: every text reaches everybody, the sender included. It prints the port that it was given."""

import asyncio

from websockets.asyncio.server import broadcast, serve

people = set()


async def talk(socket):
    people.add(socket)
    try:
        async for text in socket:
            broadcast(people, text)
    finally:
        people.discard(socket)


async def main():
    # More may wait to be let in than usual: a thousand come at once.
    async with serve(talk, "127.0.0.1", 0, backlog=1024) as server:
        print("ready", server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


asyncio.run(main())
