"""Speaks with malote-server's web listener as a program does that knows nothing of Malote.

usage: web.py URL CHECK [ARGUMENT ...]     URL begins with ws:// or wss://

It ends with status 0 where everything was as it must be, and otherwise says what was not.
"""

import asyncio
import os
import ssl
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

# The server's own certificate is for no host in particular.
SERVER_NAME = "malote"
REASON_BYTES = 123
CHAT_BYTES = 256 * 1024
ECHO_BYTES = 512 * 1024


def open_socket(url, **options):
    if url.startswith("wss:"):
        options["ssl"] = ssl.create_default_context(cafile=os.environ["CERTIFICATE"])
        options["server_hostname"] = SERVER_NAME
    return connect(url, proxy=None, max_size=None, **options)


async def closing(socket):
    """The code and reason with which the server closes, having said nothing before."""
    try:
        said = await socket.recv()
    except ConnectionClosed as closed:
        assert closed.rcvd is not None, "the connection was lost, not closed"
        return closed.rcvd.code, closed.rcvd.reason
    raise AssertionError(f"the server said {said!r} instead of closing")


async def refused(url, status, **options):
    try:
        async with open_socket(url, **options):
            pass
    except InvalidStatus as error:
        assert error.response.status_code == status, error
        return
    raise AssertionError(f"{url} was not refused: {options}")


async def echo(url):
    texts = ["", "olá", "🎉" * 1000, "a" * ECHO_BYTES]
    messages = [*texts, *(text.encode() for text in texts), bytes(range(256))]
    async with open_socket(url + "/echo") as one, open_socket(url + "/echo") as other:
        for message in messages:
            await one.send(message)
            heard = await one.recv()
            assert heard == message and type(heard) is type(message), "another message came back"
        # What one says is nothing to the other.
        await other.send("só meu")
        assert await other.recv() == "só meu"
        # Many at once come back in order.
        for number in range(500):
            await one.send(str(number))
        for number in range(500):
            assert await one.recv() == str(number)
        # In parts, it is still one message.
        await one.send(part for part in ["Oi", ", ", "Malote"])
        assert await one.recv() == "Oi, Malote"


async def chat(url):
    async with open_socket(url + "/chat") as ana, open_socket(url + "/chat") as bia, open_socket(url + "/chat") as caio:
        everybody = [ana, bia, caio]
        for speaker, text in [(ana, "oi"), (bia, '{"não": "é JSON para nós"}'), (caio, "🎉\n"), (ana, "a" * CHAT_BYTES)]:
            await speaker.send(text)
            for listener in everybody:
                assert await listener.recv() == text, "another text arrived"
        # All hear the same, in the same order.
        for number in range(50):
            for speaker in everybody:
                await speaker.send(str(number))
        heard = [[await listener.recv() for _ in range(150)] for listener in everybody]
        assert heard[0] == heard[1] == heard[2], "not the same order for all"
        assert sorted(heard[0]) == sorted(str(number) for number in range(50) for _ in everybody)
        # Bytes are no texts.
        await caio.send(b"bytes")
        assert (await closing(caio))[0] == 1003
        await ana.send("ainda aqui")
        assert await bia.recv() == "ainda aqui"


async def paths(url):
    async with open_socket(url) as socket:
        assert await closing(socket) == (1000, "needs a path")
    async with open_socket(url + "/") as socket:
        assert await closing(socket) == (1000, "needs a path")
    for path in ["/nada", "/chat/", "/ECHO", "/echo/x", "/index.html", "/" + "a" * 3000, "/sal%C3%A3o"]:
        async with open_socket(url + path) as socket:
            reason = f"path not found: {path}"[:REASON_BYTES]
            assert await closing(socket) == (1000, reason), path
    async with open_socket(url + "/nada?x=1") as socket:
        assert await closing(socket) == (1000, "path not found: /nada")


async def origins(url):
    own = url.replace("ws", "http", 1)
    for path in ["/echo", "/chat"]:
        async with open_socket(url + path, origin=own) as socket:
            await socket.send("da própria página")
            assert await socket.recv() == "da própria página"
    for path in ["/echo", "/chat", "/ws", "/", "/nada"]:
        for foreign in ["http://malote.example", own + "0", own.replace("http", "https"), "null"]:
            await refused(url + path, 403, origin=foreign)
    # Only our own page has business there.
    await refused(url + "/ws", 403)
    # A name that somebody else's name server may point at us.
    host, port = url.removeprefix("ws://").split(":")
    stranger = {"host": host, "port": int(port)}
    await refused(f"ws://malote.example:{port}/echo", 421, **stranger)
    await refused(f"ws://malote.example:{port}/ws", 421, origin=f"http://malote.example:{port}", **stranger)
    async with open_socket(f"ws://localhost:{port}/echo", origin=f"http://localhost:{port}", **stranger) as socket:
        await socket.send("oi")
        assert await socket.recv() == "oi"


async def too_large(url):
    for path, limit in [("/chat", CHAT_BYTES), ("/echo", ECHO_BYTES)]:
        for message in ["a" * (limit + 1), "a" * (40 * limit)]:
            async with open_socket(url + path) as socket:
                try:
                    await socket.send(message)
                except ConnectionClosed:
                    pass
                assert (await closing(socket))[0] == 1009, path
        # In parts that are each small enough, too. The library takes it amiss when it is interrupted in that and then
        # closed, so it is not.
        socket = await open_socket(url + path)
        try:
            await socket.send("a" * 1024 for _ in range(limit // 1024 + 1))
        except ConnectionClosed:
            pass
        assert (await closing(socket))[0] == 1009, path


async def visit(url, *texts):
    """Says texts on /chat, which must come back, then prints what others say until it is ended."""
    async with open_socket(url + "/chat") as socket:
        for text in texts:
            await socket.send(text)
            assert await socket.recv() == text
        print("here", flush=True)
        async for text in socket:
            print(text, flush=True)


async def stay(url):
    """Waits on every route until the server stops, and then wants to be told."""
    async with open_socket(url + "/chat") as chatting, open_socket(url + "/echo") as echoing:
        print("here", flush=True)
        for socket in [chatting, echoing]:
            assert (await closing(socket))[0] == 1001, "not told that the server stops"


async def outside(url, visitors):
    """On an address that is not loopback."""
    async with open_socket(url + "/echo", origin=url.replace("ws", "http", 1)) as socket:
        await socket.send("oi")
        assert await socket.recv() == "oi"
    if visitors == "visitors":
        await visit_once(url)
    else:
        await refused(url + "/chat", 403)
    # Without TLS there is nothing.
    try:
        async with connect(url.replace("wss", "ws", 1) + "/echo", proxy=None):
            pass
    except Exception:
        return
    raise AssertionError("it speaks plain HTTP")


async def visit_once(url):
    async with open_socket(url + "/chat") as socket:
        await socket.send("de longe")
        assert await socket.recv() == "de longe"


asyncio.run(globals()[sys.argv[2]](sys.argv[1], *sys.argv[3:]))
