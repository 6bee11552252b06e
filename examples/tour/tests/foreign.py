"""Clients of other people against the tour: curl, the websockets package, httpx with httpx-sse."""

import asyncio
import json
import os
import subprocess
import tempfile

import httpx
import websockets
from httpx_sse import connect_sse

BASE = os.environ["CYCLONE_TEST_URL_HTTP"]
CURL = os.environ["CYCLONE_TEST_CURL"]


def curl(*arguments):
    """The output of curl, which has to succeed."""
    command = [CURL, "--silent", "--show-error", "--max-time", "30", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def check_curl():
    """HTTP/1.1, HTTP/1.0 and HTTP/2 with prior knowledge; HEAD, ranges, caching, a form, an upload."""
    for flag, version in [("--http1.1", "1.1"), ("--http2-prior-knowledge", "2"), ("--http1.0", "1")]:
        answer = curl(flag, "--write-out", " %{http_version} %{http_code}", BASE + "/status")
        body, seen, code = answer.rsplit(" ", 2)
        assert (seen, code) == (version, "200"), answer
        assert json.loads(body)["database"]["health"] == "up"
        # Two requests, one connection. curl 7.88 itself fails at that with prior knowledge, whatever the server.
        if version == "2":
            continue
        reused = curl(flag, "--write-out", "%{num_connects}\n", "-o", os.devnull, "-o", os.devnull,
                      BASE + "/status", BASE + "/status").split()
        assert reused == (["1", "1"] if flag == "--http1.0" else ["1", "0"]), (flag, reused)
    head = curl("--head", BASE + "/static/room.js")
    etag = next(line.split(": ", 1)[1] for line in head.splitlines() if line.startswith("etag"))
    code = ["--write-out", "%{http_code}", "-o", os.devnull]
    assert curl(*code, "-H", f"If-None-Match: {etag}", BASE + "/static/room.js") == "304"
    part = curl("--http2-prior-knowledge", "--range", "0-9", BASE + "/static/room.js")
    assert part == curl(BASE + "/static/room.js")[:10]
    assert curl(*code, BASE + "/nowhere") == "404"
    assert curl(*code, "--request", "DELETE", BASE + "/status") == "405"
    assert curl(*code, "--data-urlencode", "name=curl room", BASE + "/rooms") == "303"
    # More than the route takes, with and without `Expect: 100-continue`.
    with tempfile.NamedTemporaryFile("w") as big:
        big.write("name=" + "x" * 3_000_000)
        big.flush()
        # Over HTTP/2 curl 7.88 takes the RST_STREAM with NO_ERROR of RFC 9113, 8.1 for a failure.
        for more in [[], ["-H", "Expect:"]]:
            answer = curl(*code, "--http1.1", *more, "--data", "@" + big.name, BASE + "/rooms")
            assert answer == "413", (more, answer)


async def check_websockets():
    """A conversation by the websockets package, compression offered."""
    url = BASE.replace("http", "ws", 1) + "/room/lobby/socket?name=python"
    async with websockets.connect(url, open_timeout=30) as socket:
        await socket.send(json.dumps({"type": "say", "id": "py-1", "text": "hello from Python"}))
        kinds = sorted([json.loads(await asyncio.wait_for(socket.recv(), 30))["type"] for _ in range(2)])
        assert kinds == ["ack", "message"], kinds
        await asyncio.wait_for(await socket.ping(), 30)
        await socket.close()
        assert socket.close_code == 1000
    try:
        async with websockets.connect(url, origin="https://elsewhere.example", open_timeout=30):
            raise AssertionError("a foreign origin was let in")
    except websockets.exceptions.InvalidStatus as refused:
        assert refused.response.status_code == 403


def check_events():
    """The event stream by httpx-sse; a second connection goes on where the first stopped."""
    with httpx.Client(timeout=30) as client:
        with connect_sse(client, "GET", BASE + "/events") as stream:
            assert stream.response.headers["content-type"].startswith("text/event-stream")
            events = stream.iter_sse()
            seen = [next(event for event in events if event.data) for _ in range(2)]
        assert all("uptime_s" in json.loads(event.data) for event in seen)
        headers = {"Last-Event-ID": seen[0].id}
        with connect_sse(client, "GET", BASE + "/events", headers=headers) as stream:
            again = next(event for event in stream.iter_sse() if event.data)
        assert again.id == seen[1].id and again.data == seen[1].data


check_curl()
asyncio.run(check_websockets())
check_events()
