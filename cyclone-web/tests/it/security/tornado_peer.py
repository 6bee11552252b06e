"""Tornado as a peer: what it makes of values and tokens, asked line by line in JSON, or a server of it."""

import asyncio
import base64
import json
import sys

from tornado import httputil, web

SECRET = "a secret of both servers, of 32 or so bytes"


def secrets_of(command):
    """One secret, or several by version."""
    secret = command["secret"]
    if isinstance(secret, str):
        return secret
    return {int(version): text for version, text in secret.items()}


def sign(command):
    return [
        web.create_signed_value(
            secrets_of(command),
            name,
            base64.b64decode(value),
            version=command["version"],
            clock=lambda: time,
            key_version=command.get("key_version"),
        ).decode()
        for name, value, time in command["values"]
    ]


def verify(command):
    def one(name, text, now):
        try:
            value = web.decode_signed_value(
                secrets_of(command),
                name,
                text,
                max_age_days=command["max_age_days"],
                clock=lambda: now,
                min_version=command.get("min_version"),
            )
        except AssertionError:
            # With several secrets, whatever is no second format fails so; a browser gets 500.
            return None
        return None if value is None else base64.b64encode(value).decode()

    return [one(*row) for row in command["texts"]]


APPLICATIONS = {
    version: web.Application([], xsrf_cookies=True, xsrf_cookie_version=version)
    for version in (1, 2)
}


class Connection:
    def set_close_callback(self, callback):
        pass


def handler(version, headers):
    request = httputil.HTTPServerRequest(
        method="POST",
        uri="/",
        headers=httputil.HTTPHeaders(headers),
        connection=Connection(),
    )
    return web.RequestHandler(APPLICATIONS[version], request)


def xsrf_make(command):
    def one():
        made = handler(command["version"], {})
        token = made.xsrf_token.decode()
        return [made._new_cookie["_xsrf"].OutputString(), token]

    return [one() for _ in range(command["count"])]


def xsrf_check(command):
    def one(cookie, token):
        try:
            handler(2, {"Cookie": cookie, "X-Xsrftoken": token}).check_xsrf_cookie()
        except web.HTTPError as error:
            return error.status_code
        return 200

    return [one(*pair) for pair in command["pairs"]]


class Base(web.RequestHandler):
    def get_current_user(self):
        return self.get_signed_cookie("user")


class Form(Base):
    def get(self):
        self.write(self.xsrf_form_html())

    def post(self):
        self.write("posted to tornado")


class Login(Base):
    def get(self):
        self.set_signed_cookie("user", self.get_argument("name"))


class Who(Base):
    @web.authenticated
    def get(self):
        self.write(self.current_user)


async def serve():
    application = web.Application(
        [("/form", Form), ("/login", Login), ("/who", Who)],
        cookie_secret=SECRET,
        login_url="/login",
        xsrf_cookies=True,
    )
    server = application.listen(0, "127.0.0.1")
    port = next(iter(server._sockets.values())).getsockname()[1]
    print(port, flush=True)
    await asyncio.to_thread(sys.stdin.read)


def answer():
    commands = {"sign": sign, "verify": verify, "make": xsrf_make, "check": xsrf_check}
    for line in sys.stdin:
        command = json.loads(line)
        print(json.dumps(commands[command["do"]](command)), flush=True)


if sys.argv[1:] == ["serve"]:
    asyncio.run(serve())
else:
    answer()
