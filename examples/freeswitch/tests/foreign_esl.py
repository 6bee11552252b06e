"""genesis, an event socket library of other people, against the stand-in for FreeSWITCH and against our calls."""

import asyncio
import os

from genesis import Consumer, Inbound, Outbound
from genesis.exceptions import AuthenticationError

HOST, PORT = os.environ["CYCLONE_TEST_URL_ESL"].removeprefix("esl://").split(":")
OURS = os.environ["CYCLONE_TEST_URL_CALLS"].removeprefix("calls://")
LIMIT = 60


async def within(work):
    """What the work gives, unless it hangs."""
    return await asyncio.wait_for(work, LIMIT)


async def check_inbound():
    """Commands of every sort, alone and together."""
    async with Inbound(HOST, int(PORT), "ClueCon") as client:
        version = await within(client.send("api version"))
        assert version.body.startswith("FreeSWITCH Version"), version.body
        assert (await within(client.send("api echo hé"))).body == "hé"
        assert (await within(client.send("api nosuch"))).body == "-ERR nosuch Command not found!\n"
        refused = await within(client.send("nosuchcommand"))
        assert refused["Reply-Text"] == "-ERR command not found"
        answers = await within(asyncio.gather(*[client.send(f"api echo {number}") for number in range(50)]))
        assert [answer.body for answer in answers] == [str(number) for number in range(50)]
        added = await within(client.send("filter Event-Name CHANNEL_ANSWER"))
        assert added["Reply-Text"] == "+OK filter added. [Event-Name]=[CHANNEL_ANSWER]"
        assert (await within(client.send("linger")))["Reply-Text"] == "-ERR not controlling a session"
    try:
        async with Inbound(HOST, int(PORT), "wrong"):
            raise AssertionError("a wrong password was let in")
    except AuthenticationError:
        pass


async def check_events():
    """An event that was asked for, a job, and an event that this side makes."""
    async with Inbound(HOST, int(PORT), "ClueCon") as client:
        heard = asyncio.Queue()
        for name in ["CHANNEL_ANSWER", "BACKGROUND_JOB", "CUSTOM"]:
            client.on(name, heard.put)
        client.on("a::b", heard.put)
        await within(client.send("event plain CHANNEL_ANSWER BACKGROUND_JOB CUSTOM a::b"))
        created = await within(client.send("api originate user/1000 &park"))
        answer = await within(heard.get())
        assert created.body == f"+OK {answer['Unique-ID']}\n"
        assert answer["Event-Date-GMT"].endswith(" GMT"), answer
        job = await within(client.send("bgapi echo in the background\nJob-UUID: job-1"))
        assert job["Job-UUID"] == "job-1"
        done = await within(heard.get())
        assert (done["Job-UUID"], done.body) == ("job-1", "in the background")
        await within(client.send("sendevent CUSTOM\nEvent-Subclass: a::b\nText: 100% ü"))
        custom = await within(heard.get())
        assert custom["Text"] == "100% ü", custom
        await within(client.send(f"sendmsg {answer['Unique-ID']}\ncall-command: hangup\nhangup-cause: USER_BUSY"))


async def check_consumer():
    """The program's own calls, watched by a consumer: answered, something played, hung up."""
    consumer = Consumer(HOST, int(PORT), "ClueCon")
    executed, ended = asyncio.Queue(), asyncio.Queue()

    @consumer.handle("CHANNEL_EXECUTE_COMPLETE")
    async def complete(event):
        await executed.put((event["Unique-ID"], event["Application"]))

    @consumer.handle("CHANNEL_HANGUP_COMPLETE")
    async def hangup(event):
        # FreeSWITCH says it twice, of which genesis makes a list.
        await ended.put((event["Unique-ID"], event["Hangup-Cause"][0]))

    watching = asyncio.create_task(consumer.start())
    async with Inbound(HOST, int(PORT), "ClueCon") as client:
        # Until the consumer has subscribed.
        while True:
            await within(client.send("api originate user/1000 &park"))
            await within(client.send("api hupall ORIGINATOR_CANCEL"))
            try:
                await asyncio.wait_for(ended.get(), 0.1)
                break
            except asyncio.TimeoutError:
                pass
        created = await within(client.send(f"api originate user/1000 &socket({OURS} async full)"))
        uuid = created.body.removeprefix("+OK ").strip()
        assert [await within(executed.get()) for _ in range(2)] == [(uuid, "answer"), (uuid, "playback")]
        while (end := await within(ended.get()))[0] != uuid:
            pass
        assert end == (uuid, "NORMAL_CLEARING")
    await consumer.stop()
    watching.cancel()


async def check_outbound():
    """Their server, to which the stand-in connects with a call."""
    served = asyncio.get_running_loop().create_future()

    async def handle(session):
        try:
            assert session.context["Event-Name"] == "CHANNEL_DATA"
            assert session.context["Caller-Callee-ID-Name"] == "Outbound Call"
            await within(session.sendmsg("execute", "answer", lock=True))
            played = await within(session.sendmsg("execute", "playback", "tone_stream://x", block=True))
            assert played["Application-Data"] == "tone_stream://x", played
            await within(session.sendmsg("execute", "set", "colour=blue", block=True))
            assert (await within(session.send("getvar colour")))["Reply-Text"] == "blue"
            await within(session.sendmsg("hangup", "", "NORMAL_CLEARING"))
            served.set_result(session.uuid)
        except BaseException as error:
            served.set_exception(error)
            raise

    server = Outbound(handle, "127.0.0.1", 0)
    await server.start(block=False)
    port = server.server.sockets[0].getsockname()[1]
    async with Inbound(HOST, int(PORT), "ClueCon") as client:
        created = await within(client.send(f"api originate user/1000 &socket(127.0.0.1:{port} async full)"))
        assert created.body == f"+OK {await within(served)}\n"
    await server.stop()


async def main():
    await check_inbound()
    await check_events()
    await check_consumer()
    await check_outbound()


asyncio.run(main())
