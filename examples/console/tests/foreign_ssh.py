"""A foreign SSH client (asyncssh) at the console: keys of its own making, commands, a terminal, the end."""

import asyncio
import os
import pathlib
import subprocess

import asyncssh

data = pathlib.Path(os.environ["CYCLONE_TEST_DATA"])


def private(name, text):
    path = data / name
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


async def start(*arguments):
    """Starts a second console, with keys and passwords; its process and the port of SSH."""
    process = await asyncio.create_subprocess_exec(
        os.environ["CYCLONE_TEST_BINARY"], "--http", "127.0.0.1:0", "--ssh", "127.0.0.1:0", *arguments,
        stdout=subprocess.PIPE,
    )
    fingerprint = port = None
    while port is None:
        line = (await process.stdout.readline()).decode().strip()
        assert line, "the console ended at its start"
        if line.startswith("host key "):
            fingerprint = line.removeprefix("host key ")
        if line.startswith("listening ssh://"):
            port = int(line.rpartition(":")[2])
    return process, fingerprint, port


async def main():
    kinds = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ssh-rsa"]
    keys = {kind: asyncssh.generate_private_key(kind) for kind in kinds}
    lines = "".join(key.export_public_key().decode() for key in keys.values())
    binary = os.environ["CYCLONE_TEST_BINARY"]
    hashed = subprocess.run(
        [binary, "hash-password"], input="päss word\n", text=True, capture_output=True, check=True
    ).stdout
    process, fingerprint, port = await start(
        "--host-key", str(data / "host_key_2"),
        "--authorized-keys", private("authorized_keys", lines),
        "--passwords", private("passwords", "ann:" + hashed),
    )
    common = dict(host="127.0.0.1", port=port, username="ann", known_hosts=None, config=None, agent_path=None)

    for kind, key in keys.items():
        async with asyncssh.connect(**common, client_keys=[key]) as connection:
            assert connection.get_server_host_key().get_fingerprint() == fingerprint
            done = await connection.run("status")
            assert done.exit_status == 0 and done.stdout.startswith("ready"), (kind, done)
            # Several at once on one connection.
            done = await asyncio.gather(*(connection.run("help close") for _ in range(3)))
            assert all(one.stdout == "close ID\n  ends a connection at once\n" for one in done), done
            done = await connection.run("reboot")
            assert done.exit_status == 127 and "no command" in done.stderr, done

    stranger = asyncssh.generate_private_key("ssh-ed25519")
    for wrong in [dict(client_keys=[stranger]), dict(password="pass word", client_keys=None)]:
        try:
            async with asyncssh.connect(**common, **wrong):
                raise AssertionError(f"let in by {wrong}")
        except asyncssh.PermissionDenied:
            pass

    async with asyncssh.connect(**common, password="päss word", client_keys=None) as connection:
        for refused in [connection.open_connection("127.0.0.1", 22), connection.start_sftp_client()]:
            try:
                await refused
                raise AssertionError("forwarded")
            except asyncssh.ChannelOpenError:
                pass
        listener = None
        try:
            listener = await connection.forward_remote_port("", 0, "127.0.0.1", 22)
        except asyncssh.ChannelListenError:
            pass
        assert listener is None, "a port was forwarded"
        terminal = await connection.create_process(term_type="xterm", encoding=None)
        seen = await terminal.stdout.readuntil(b"cyclone> ")
        assert seen == b"type help for the commands\r\ncyclone> ", seen
        terminal.stdin.write(b"pools\r")
        seen = await terminal.stdout.readuntil(b"cyclone> ")
        assert seen.startswith(b"pools\r\npool memory "), seen
        terminal.stdin.write(b"shutdown\r")
        rest = await terminal.stdout.read()
        assert rest.endswith(b"\r\nthe server shuts down, good-bye\r\n"), rest
        await terminal.wait_closed()
        assert terminal.exit_status == 0, terminal.exit_status

    assert await asyncio.wait_for(process.wait(), 30) == 0
    report = (await process.stdout.read()).decode()
    assert ", 0 cut" in report, report


asyncio.run(main())
