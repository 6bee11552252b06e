"""Foreign servers (http.server, websockets) behind the balancer, foreign clients (httpx, websockets) in front."""

import asyncio
import collections
import http.server
import os
import pathlib
import signal
import socket
import subprocess
import threading

import httpx
import websockets

data = pathlib.Path(os.environ["CYCLONE_TEST_DATA"])


class Named(http.server.BaseHTTPRequestHandler):
    """Answers with the name of its server, and says what comes in again."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(self.server.its_name.encode())

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_arguments):
        """A check hears what it wants to hear, and goes."""


def serve(name, port=0):
    server = Server(("127.0.0.1", port), Named)
    server.its_name = name
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def proxied():
    """A server that answers with the header of the PROXY protocol that it gets."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run():
        while True:
            stream, _ = listener.accept()
            with stream:
                header = stream.makefile("rb").readline()
                stream.sendall(header)
                stream.shutdown(socket.SHUT_WR)
                stream.recv(1)

    threading.Thread(target=run, daemon=True).start()
    return listener


async def main():
    a, b = serve("a"), serve("b")
    tells = proxied()

    async def echo(connection):
        async for message in connection:
            await connection.send(message)

    rooms = await websockets.serve(echo, "127.0.0.1", 0)
    address = lambda server: "127.0.0.1:%d" % server.getsockname()[1]
    backend = lambda name, server: f'{{ name = "{name}", address = "{address(server)}" }}'
    config = data / "balancer.toml"
    config.write_text(f"""
[listeners.web]
endpoints = ["tcp:0:interface=127.0.0.1", "unix:{data}/web.sock"]
group = "web"
[listeners.who]
endpoints = ["tcp:0:interface=127.0.0.1"]
group = "who"
[listeners.rooms]
endpoints = ["tcp:0:interface=127.0.0.1"]
group = "rooms"
[groups.web]
check = {{ interval_s = 0.1, send = "GET / HTTP/1.0\\r\\n\\r\\n", expect = "200 OK" }}
backends = [{backend("a", a.socket)}, {backend("b", b.socket)}]
[groups.who]
proxy = "v1"
check = {{ interval_s = 86400 }}
backends = [{backend("who", tells)}]
[groups.rooms]
backends = [{backend("rooms", rooms.sockets[0])}]
""")
    process = await asyncio.create_subprocess_exec(
        os.environ["CYCLONE_TEST_BINARY"], "--balancer", str(config), "--port", "0", stdout=subprocess.PIPE
    )
    found = collections.defaultdict(list)
    while "http" not in found:
        line = (await process.stdout.readline()).decode().strip()
        if line.startswith("listening "):
            name, _, where = line.removeprefix("listening ").partition("://")
            found[name].append(where)
    web = f"http://{found['web'][0]}"

    # Each new connection goes to the next; a kept one stays.
    names = collections.Counter(httpx.get(web).text for _ in range(20))
    assert names == {"a": 10, "b": 10}, names
    with httpx.Client() as client:
        assert len({client.get(web).text for _ in range(10)}) == 1
    body = os.urandom(3_000_000)
    assert httpx.post(web, content=body).content == body
    with httpx.Client(transport=httpx.HTTPTransport(uds=f"{data}/web.sock")) as client:
        assert client.get("http://web/").text in "ab"

    # One goes and comes back; nobody notices.
    port = a.server_address[1]
    a.shutdown()
    a.server_close()
    names = collections.Counter(httpx.get(web).text for _ in range(20))
    assert names == {"b": 20}, names
    a = serve("a", port)
    async with asyncio.timeout(30):
        while httpx.get(web).text != "a":
            await asyncio.sleep(0.05)

    host, _, port = found["who"][0].rpartition(":")
    with socket.create_connection((host, int(port))) as client:
        ours, theirs = client.getsockname(), client.getpeername()
        client.shutdown(socket.SHUT_WR)
        header = client.makefile("rb").read()
    assert header == b"PROXY TCP4 %s %s %d %d\r\n" % (ours[0].encode(), theirs[0].encode(), ours[1], theirs[1]), header

    async with websockets.connect(f"ws://{found['rooms'][0]}") as room:
        await room.send("hello")
        assert await room.recv() == "hello"
        metrics = httpx.get(f"http://{found['http'][0]}/metrics").text
        assert 'cyclone_backend_connections{backend="rooms/rooms"} 1' in metrics, metrics
        # What is open may go on after the end has begun.
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            while True:
                try:
                    httpx.get(web)
                except httpx.ConnectError:
                    break
        await room.send("still here")
        assert await room.recv() == "still here"
    log = (await asyncio.wait_for(process.stdout.read(), 30)).decode()
    assert await process.wait() == 0, log


asyncio.run(main())
