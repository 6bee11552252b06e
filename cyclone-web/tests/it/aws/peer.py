"""Requests that boto3 and botocore sign, and what a server makes of them, as JSON."""

import base64
import datetime
import hashlib
import json
import sys
import urllib.error
import urllib.request

import boto3
import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

url, what = sys.argv[1:]
answers = {}


def row(status, headers):
    return [status] + [headers["x-" + name] for name in ("signer", "bytes", "payload")]


def client(key="the/key", secret="the secret", region="eu-central-1"):
    config = Config(
        signature_version=what,
        s3={"addressing_style": "path"},
        retries={"max_attempts": 1},
        proxies={},
    )
    return boto3.client(
        "s3",
        endpoint_url=url,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        region_name=region,
        config=config,
    )


def call(name, function, **arguments):
    try:
        meta = function(**arguments)["ResponseMetadata"]
        answers[name] = row(meta["HTTPStatusCode"], meta["HTTPHeaders"])
    except ClientError as error:
        meta = error.response
        answers[name] = [meta["ResponseMetadata"]["HTTPStatusCode"], meta["Error"]["Code"]]


opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def send(name, target, method="GET", body=None, headers={}):
    request = urllib.request.Request(target, body, dict(headers), method=method)
    try:
        with opener.open(request, timeout=60) as answer:
            answers[name] = row(answer.status, answer.headers)
    except urllib.error.HTTPError as error:
        code = error.read().decode().split("<Code>")[1].split("<")[0]
        answers[name] = [error.code, code]


def signed(signer, target, method="GET", body=b"", headers={}):
    request = AWSRequest(method, target, dict(headers), body)
    signer.add_auth(request)
    return request.prepare()


KEY = "a b/\u00e9+~*'()%41 c.txt"
credentials = Credentials("the/key", "the secret")


class Past(datetime.datetime):
    """Yesterday is now."""

    @classmethod
    def utcnow(cls):
        return cls.now(None)

    @classmethod
    def now(cls, tz=None):
        return datetime.datetime.now(tz) - datetime.timedelta(days=1)


def in_the_past(function):
    """Botocore has its clock in one of two places, by its version."""
    moved = []
    before = datetime.datetime
    modules = [botocore.auth] + ([botocore.compat] if hasattr(botocore.compat, "datetime") else [])
    for module in modules:
        inner = module.datetime
        if inner is before:
            moved.append((module, "datetime", inner))
            module.datetime = Past
    old_current = getattr(botocore.auth, "get_current_datetime", None)
    old_formatdate = botocore.auth.formatdate
    old_time = botocore.auth.time.time
    if old_current:
        botocore.auth.get_current_datetime = lambda *a, **k: old_current(*a, **k) - datetime.timedelta(days=1)
    botocore.auth.formatdate = lambda timeval=None, **k: old_formatdate(old_time() - 86400, **k)
    botocore.auth.time.time = lambda: old_time() - 86400
    try:
        return function()
    finally:
        botocore.auth.time.time = old_time
        botocore.auth.formatdate = old_formatdate
        if old_current:
            botocore.auth.get_current_datetime = old_current
        for module, name, inner in moved:
            setattr(module, name, inner)


def s3():
    good = client()
    call("put", good.put_object, Bucket="bucket", Key=KEY, Body=b"hello world", Metadata={"A": "b   c"})
    call("get", good.get_object, Bucket="bucket", Key=KEY, Range="bytes=0-9")
    call("list", good.list_objects, Bucket="bucket", Prefix="a b+/\u00e9", Delimiter="/", EncodingType="url")
    target = good.generate_presigned_url("get_object", {"Bucket": "bucket", "Key": KEY}, 60)
    send("presigned", target)
    send("presigned, changed", target.replace("bucket", "basket"))
    presign = lambda: good.generate_presigned_url("get_object", {"Bucket": "bucket", "Key": KEY}, 60)
    send("presigned, of yesterday", in_the_past(presign))
    call("wrong secret", client(secret="a secret").get_object, Bucket="bucket", Key="k")
    call("unknown key", client(key="another/key").get_object, Bucket="bucket", Key="k")


if what == "s3v4":
    s3()
    parameters = {"Bucket": "bucket", "Key": KEY}
    target = client().generate_presigned_url("put_object", parameters, 60, HttpMethod="PUT")
    send("presigned put", target, "PUT", b"four")
    call("other region", client(region="us-east-1").get_object, Bucket="bucket", Key="k")
    signer = botocore.auth.S3SigV4Auth(credentials, "s3", "eu-central-1")
    put = lambda: signed(signer, url + "/bucket/k", "PUT", b"hello", {"content-type": "text/plain"})
    request = put()
    send("body changed", request.url, "PUT", b"jello", request.headers.items())
    request = in_the_past(put)
    send("replayed later", request.url, "PUT", b"hello", request.headers.items())
    send("not signed", url + "/bucket/k")
elif what == "s3":
    s3()
    call("acl", client().get_object_acl, Bucket="bucket", Key=KEY, VersionId="a+b c")
    signer = botocore.auth.HmacV1Auth(credentials)
    md5 = base64.b64encode(hashlib.md5(b"four").digest()).decode()
    headers = {"content-md5": md5, "content-type": "text/plain"}
    request = signed(signer, url + "/bucket/k", "PUT", b"four", headers)
    send("put with md5", request.url, "PUT", b"four", request.headers.items())
    send("body changed", request.url, "PUT", b"fire", request.headers.items())
    request = in_the_past(lambda: signed(signer, url + "/bucket/k"))
    send("replayed later", request.url, "GET", None, request.headers.items())
else:
    signer = botocore.auth.SigV4Auth(credentials, "execute-api", "eu-central-1")
    target = url + "/a%20b/./c//%C3%A9?b=2&a=%20%2B&a=1"
    request = signed(signer, target)
    send("get", request.url, "GET", None, request.headers.items())
    request = signed(signer, url + "/a", "POST", b"hello", {"content-type": "text/plain"})
    send("post", request.url, "POST", b"hello", request.headers.items())
    send("body changed", request.url, "POST", b"jello", request.headers.items())
    signer = botocore.auth.SigV4QueryAuth(credentials, "execute-api", "eu-central-1", expires=60)
    send("presigned", signed(signer, url + "/a%20b?c=d").url)

json.dump(answers, sys.stdout)
