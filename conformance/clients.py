"""Ways to talk to an S3 endpoint: boto3, aws-cli, rclone, and requests signed here, byte for byte as the test wants them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import os
import random
import re
import socket
import subprocess
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import count
from pathlib import Path
from urllib.parse import quote

import boto3
import botocore.client
from botocore.config import Config
from botocore.exceptions import ClientError

from servers import CACHE, Endpoint, Gateway, Server, connect

KIB, MIB, GIB = 1024, 1024**2, 1024**3
UNSIGNED = "UNSIGNED-PAYLOAD"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


def noise(size: int, seed: int | str = 0) -> bytes:
    """`size` bytes that depend on the seed only and do not repeat."""
    return random.Random(seed).randbytes(size)


_NUMBERS = count(1)


def fresh(what: str) -> str:
    """A bucket name that this process has not used yet."""
    return f"conf-{what}-{next(_NUMBERS)}"


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def multipart_etag(parts: list[bytes]) -> str:
    """The ETag of S3 for a multipart object, with its quotes."""
    return f'"{md5(b"".join(hashlib.md5(part).digest() for part in parts))}-{len(parts)}"'


def boto(endpoint: Endpoint, **config) -> botocore.client.BaseClient:
    """A stock boto3 client, path-style, one attempt a request: a retry would hide what a test looks for."""
    config.setdefault("retries", {"total_max_attempts": 1})
    config.setdefault("s3", {"addressing_style": "path"})
    return boto3.client(
        "s3",
        endpoint_url=endpoint.url,
        aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=endpoint.secret_key,
        region_name=endpoint.region,
        verify=str(endpoint.ca) if endpoint.ca else None,
        config=Config(connect_timeout=10, read_timeout=120, max_pool_connections=32, **config),
    )


def error_code(call) -> str:
    """The S3 error code with which `call()` fails; fails the test where it succeeds. A HEAD gives the status as text."""
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"]
    raise AssertionError("the request succeeded")


@dataclass
class Target:
    """The endpoint under test, and what is known of the servers behind it."""

    endpoint: Endpoint
    backend: str
    """`local`, `minio` or `garage`."""
    gateway: Gateway | None
    """None in a `--direct` run."""
    store: Server | None
    """The object store; None behind backend `local`."""

    @cached_property
    def s3(self) -> botocore.client.BaseClient:
        return boto(self.endpoint)

    @cached_property
    def behind(self) -> botocore.client.BaseClient:
        """boto3 on the object store itself, past the gateway."""
        assert self.store is not None, "backend local has no endpoint of its own"
        return boto(self.store.endpoint)

    def raw(self, method: str, path: str, **kwargs) -> Answer:
        return raw(self.endpoint, method, path, **kwargs)

    def data_folders(self) -> list[Path]:
        """Where bytes come to rest: the gateway's folder and that of the object store."""
        return [server.data for server in (self.gateway, self.store) if server is not None]

    def bodies(self, bucket: str) -> dict[str, bytes]:
        """Every object of a bucket of fewer than 1,000."""
        keys = [row["Key"] for row in self.s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
        return {key: self.s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


def put_in_parts(s3, bucket: str, key: str, parts: list[bytes], **create) -> dict:
    """A multipart upload of these parts, numbered from 1, one after the other."""
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key, **create)["UploadId"]
    done = []
    for number, part in enumerate(parts, 1):
        answer = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=part)
        done.append({"PartNumber": number, "ETag": answer["ETag"]})
    return s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": done})


# --- command-line clients ---------------------------------------------------------------------------------------------------


def aws(endpoint: Endpoint, *arguments: str, cwd: Path, succeeds: bool = True) -> str:
    """Runs aws-cli and returns what it prints; `succeeds`: whether it must."""
    environment = os.environ | {
        "AWS_ACCESS_KEY_ID": endpoint.access_key,
        "AWS_SECRET_ACCESS_KEY": endpoint.secret_key,
        "AWS_DEFAULT_REGION": endpoint.region,
        "AWS_ENDPOINT_URL": endpoint.url,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    if endpoint.ca:
        environment["AWS_CA_BUNDLE"] = str(endpoint.ca)
    return _run([str(CACHE / "venv" / "bin" / "aws"), *arguments], cwd, environment, succeeds)


def rclone(endpoint: Endpoint, *arguments: str, cwd: Path, provider: str = "Minio", succeeds: bool = True) -> str:
    """Runs rclone with a remote named `vault:` and returns what it prints, log included; `succeeds`: whether it must."""
    environment = os.environ | {
        "RCLONE_CONFIG": os.devnull,
        "RCLONE_CONFIG_VAULT_TYPE": "s3",
        "RCLONE_CONFIG_VAULT_PROVIDER": provider,
        "RCLONE_CONFIG_VAULT_ACCESS_KEY_ID": endpoint.access_key,
        "RCLONE_CONFIG_VAULT_SECRET_ACCESS_KEY": endpoint.secret_key,
        "RCLONE_CONFIG_VAULT_ENDPOINT": endpoint.url,
        "RCLONE_CONFIG_VAULT_REGION": endpoint.region,
    }
    return _run([str(CACHE / "bin" / "rclone"), "--retries", "1", *arguments], cwd, environment, succeeds)


def _run(command: list[str], cwd: Path, environment: dict[str, str], succeeds: bool) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=environment, text=True, timeout=600, check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert (done.returncode == 0) == succeeds, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


# --- requests signed here ---------------------------------------------------------------------------------------------------


@dataclass(repr=False)
class Answer:
    """An HTTP answer, whole."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def code(self) -> str:
        """The S3 error code in the body, empty where there is none."""
        found = re.search(rb"<Code>([^<]*)</Code>", self.body)
        return found[1].decode() if found else ""

    def __repr__(self) -> str:
        return f"{self.status} {self.code or self.body[:300]!r}"


@dataclass
class Signature:
    """A SigV4 signature and what a chunked body needs of it (AWS, *Signature Version 4*)."""

    headers: dict[str, str]
    stamp: str
    scope: str
    key: bytes
    seed: str

    def of_chunk(self, previous: str, chunk: bytes) -> str:
        text = "\n".join(
            ["AWS4-HMAC-SHA256-PAYLOAD", self.stamp, self.scope, previous, EMPTY_SHA256, hashlib.sha256(chunk).hexdigest()]
        )
        return hmac.new(self.key, text.encode(), "sha256").hexdigest()

    def of_trailer(self, previous: str, trailer: bytes) -> str:
        text = "\n".join(
            ["AWS4-HMAC-SHA256-TRAILER", self.stamp, self.scope, previous, hashlib.sha256(trailer).hexdigest()]
        )
        return hmac.new(self.key, text.encode(), "sha256").hexdigest()


def sign(
    endpoint: Endpoint,
    method: str,
    path: str,
    query: str = "",
    headers: dict[str, str] | None = None,
    payload_hash: str = UNSIGNED,
    skew: timedelta = timedelta(),
    unsigned_headers: tuple[str, ...] = (),
) -> Signature:
    """SigV4 in the Authorization header. `path` and `query` are what goes on the wire; every header given is signed, except
    the ones in `unsigned_headers`."""
    stamp = (datetime.now(UTC) + skew).strftime("%Y%m%dT%H%M%SZ")
    sent = {name.lower(): value for name, value in (headers or {}).items()}
    sent |= {"host": endpoint.host, "x-amz-date": stamp, "x-amz-content-sha256": payload_hash}
    names = sorted(name for name in sent if name not in unsigned_headers)
    pairs = sorted(pair if "=" in pair else f"{pair}=" for pair in query.split("&") if pair)
    canonical = "\n".join(
        [method, path, "&".join(pairs), *(f"{name}:{' '.join(sent[name].split())}" for name in names), "", ";".join(names), payload_hash]
    )
    scope = f"{stamp[:8]}/{endpoint.region}/s3/aws4_request"
    key = f"AWS4{endpoint.secret_key}".encode()
    for piece in scope.split("/"):
        key = hmac.new(key, piece.encode(), "sha256").digest()
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    seed = hmac.new(key, text.encode(), "sha256").hexdigest()
    sent["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={endpoint.access_key}/{scope}, SignedHeaders={';'.join(names)}, Signature={seed}"
    )
    return Signature(sent, stamp, scope, key, seed)


def raw(
    endpoint: Endpoint,
    method: str,
    path: str,
    query: str = "",
    headers: dict[str, str] | None = None,
    body: bytes | Iterator[bytes] = b"",
    length: int | None = None,
    signed: bool = True,
    timeout: float = 60,
    **signing,
) -> Answer:
    """One request, its path and query sent exactly as given. `length` declares another Content-Length than the body has."""
    sent = sign(endpoint, method, path, query, headers, **signing).headers if signed else {"host": endpoint.host} | (headers or {})
    if isinstance(body, bytes):
        length = len(body) if length is None else length
        body = iter([body])
    connection = connect(endpoint.port, endpoint.ca, timeout, blocksize=MIB)
    try:
        connection.putrequest(method, f"{path}?{query}" if query else path, skip_host=True, skip_accept_encoding=True)
        for name, value in sent.items():
            connection.putheader(name, value.encode("utf-8"))
        if length is not None and (length or method not in ("GET", "HEAD", "DELETE")):
            connection.putheader("content-length", str(length))
        connection.endheaders()
        try:
            for piece in body:
                if piece:
                    connection.send(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass  # The server may answer before it has read all; what it said is still to be read.
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def object_path(bucket: str, key: str = "") -> str:
    return f"/{bucket}/{quote(key, safe='/-_.~')}" if key else f"/{bucket}"


def chunked(data: bytes, size: int = 64 * KIB, signature: Signature | None = None, trailer: tuple[str, str] | None = None, damage: bool = False) -> bytes:
    """An `aws-chunked` body, signed where a signature is given. `damage`: the second chunk carries a signature of other bytes."""
    out, previous = bytearray(), signature.seed if signature else ""
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    for index, piece in enumerate([*pieces, b""]):
        extension = ""
        if signature:
            previous = signature.of_chunk(previous, piece + b"!" if damage and index == 1 else piece)
            extension = f";chunk-signature={previous}"
        out += f"{len(piece):x}{extension}\r\n".encode()
        out += piece + b"\r\n" if piece else b""
    if trailer:
        line = f"{trailer[0]}:{trailer[1]}".encode()
        out += line + b"\r\n"
        if signature:
            out += b"x-amz-trailer-signature:" + signature.of_trailer(previous, line + b"\n").encode() + b"\r\n"
    return bytes(out + b"\r\n")


def crc32(data: bytes) -> str:
    """The S3 form of a CRC-32."""
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def send_on_socket(endpoint: Endpoint, pieces: Iterator[bytes], timeout: float) -> bytes:
    """Writes bytes to a bare connection and reads until the server closes it or `timeout` passes without a byte."""
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=timeout) as connection:
        got = bytearray()
        try:
            for piece in pieces:
                connection.sendall(piece)
            while data := connection.recv(64 * KIB):
                got += data
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            pass
        return bytes(got)


def read_range(endpoint: Endpoint, bucket: str, key: str, spec: str, **headers: str) -> Answer:
    return raw(endpoint, "GET", object_path(bucket, key), headers={"range": spec} | headers)
