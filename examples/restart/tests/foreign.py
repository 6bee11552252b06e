"""Clients of other people while the server is replaced: httpx, and the websockets package."""

import asyncio
import json
import os
import signal

import httpx
import websockets

BASE = os.environ["CYCLONE_TEST_URL_HTTP"]
PID = int(os.environ["CYCLONE_TEST_PID"])


async def ask(count, stop):
    """Asks over and over with the pool of httpx, which keeps connections; any failure ends the test."""
    async with httpx.AsyncClient(timeout=30) as client:
        while not stop.is_set():
            answer = await client.get(BASE + "/")
            answer.raise_for_status()
            count[answer.json()["process"]] = count.get(answer.json()["process"], 0) + 1


async def join():
    socket = await websockets.connect(BASE.replace("http", "ws", 1) + "/socket", open_timeout=30)
    return socket, json.loads(await asyncio.wait_for(socket.recv(), 30))["process"]


async def main():
    count, stop = {}, asyncio.Event()
    askers = [asyncio.create_task(ask(count, stop)) for _ in range(4)]
    process, last = PID, PID
    socket, there = await join()
    assert there == process, (there, process)
    for _ in range(3):
        while count.get(process, 0) < 100:
            await asyncio.sleep(0)
            assert not any(asker.done() for asker in askers), [asker.exception() for asker in askers]
        os.kill(process, signal.SIGUSR2)
        await asyncio.wait_for(socket.wait_closed(), 60)
        assert socket.close_code == 1001, socket.close_code
        while there == process:
            socket, there = await join()
        process = last = there
        await socket.send("still here")
        assert await asyncio.wait_for(socket.recv(), 30) == "still here"
    stop.set()
    await asyncio.gather(*askers)
    assert len(count) >= 4, count
    # The process that was started first has ended long ago; whoever waits for that one waits for this one too.
    os.kill(last, signal.SIGTERM)
    await asyncio.wait_for(socket.wait_closed(), 60)


asyncio.run(main())
