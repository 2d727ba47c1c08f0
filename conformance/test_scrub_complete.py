"""A Complete that scrubs for long: joined by repeats, outlived by its job, cut off by `kill -9`, aborted, refused.

What is uploaded is a gzip of many members, small on the wire and long to scrub; how long is measured first. "Under way" is told by the bytes of parts that the
gateway has opened, so no test waits for a time."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import random
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from clients import CACHE, MIB, boto, error_code, fresh, md5, object_path, put_in_parts, raw, sign
from servers import Endpoint, Gateway
from test_matrix import BUILT, HERE, PYTHON, environment, jars

pytestmark = pytest.mark.gateway

MAIL = b"mary.johnson" + b"@example.org"
SSN = b"219-09-" + b"9999"
PART = 5 * MIB
KEY = "logs/day.txt.gz"


def block() -> bytes:
    """A megabyte of lines, every tenth with an address; twenty times less as a gzip."""
    dice, words = random.Random(7), ["model", "answer", "token", "weights", "sample", "reader", "letter", "loss"]
    lines = []
    for number in range(MIB // 128):
        said = " ".join(dice.choices(words, k=3)).encode()
        writer = MAIL if number % 10 == 0 else b"nobody"
        lines.append(writer + b" said: " + said + b" - and then there was nothing more to say about it for a long while.\n")
    return b"".join(lines)


BLOCK = block()
MEMBER = gzip.compress(BLOCK, mtime=0)
CLEAN = BLOCK.replace(MAIL, b"<EMAIL_ADDRESS>")
FOUND = BLOCK.count(MAIL)


class Slow:
    """An upload in parts whose Complete takes long, in a gateway of its own."""

    def __init__(self, gateway: Gateway, bucket: str, seconds: float) -> None:
        self.gateway, self.bucket = gateway, bucket
        began, s3 = time.monotonic(), self.s3
        put_in_parts(s3, bucket, "measured", [MEMBER * 8])
        self.blocks = max(8, int(8 * seconds / (time.monotonic() - began)))
        s3.delete_object(Bucket=bucket, Key="measured")
        body = MEMBER * self.blocks
        self.length = len(body)
        self.at = {"Bucket": bucket, "Key": KEY}
        self.at["UploadId"] = s3.create_multipart_upload(**self.at)["UploadId"]
        parts = [body[start : start + PART] for start in range(0, len(body), PART)]
        etags = [s3.upload_part(**self.at, PartNumber=number, Body=part)["ETag"] for number, part in enumerate(parts, 1)]
        self.chosen = {"Parts": [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]}

    @property
    def s3(self):
        return boto(self.gateway.endpoint)

    def complete(self) -> dict:
        return self.s3.complete_multipart_upload(**self.at, MultipartUpload=self.chosen)

    def answered(self) -> tuple[str, str]:
        """ETag and findings. Headers are gone where white space came first; asked again they are told."""
        etag, again = self.complete()["ETag"], self.complete()
        assert again["ETag"] == etag
        return etag, again["ResponseMetadata"]["HTTPHeaders"]["x-data-vault-findings"]

    def begin(self) -> socket.socket:
        """Asks for the Complete on a connection, and leaves the answer unread."""
        listed = "".join(f"<Part><PartNumber>{part['PartNumber']}</PartNumber><ETag>{part['ETag']}</ETag></Part>" for part in self.chosen["Parts"])
        body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
        path, query = object_path(self.bucket, KEY), f"uploadId={self.at['UploadId']}"
        headers = sign(self.gateway.endpoint, "POST", path, query).headers | {"content-length": str(len(body)), "connection": "close"}
        connection = socket.create_connection(("127.0.0.1", self.gateway.endpoint.port), timeout=600)
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        connection.sendall(f"POST {path}?{query} HTTP/1.1\r\n{head}\r\n".encode() + body)
        return connection

    def opened(self) -> float:
        return self.gateway.metrics().get("data_vault_opened_bytes_total", 0)

    def during(self, act: Callable[[], object]) -> object:
        """Begins with `act`, and returns what that gave once a third of the parts was opened for it."""
        before = self.opened()
        begun = act()
        until = time.monotonic() + 600
        while self.opened() < before + self.length / 3:
            assert time.monotonic() < until, "nothing of it is under way"
            time.sleep(0.05)
        return begun

    def is_there(self) -> bool:
        return any(row["Key"] == KEY for row in self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", []))

    def check(self, etag: str) -> None:
        """One object, all of it, and scrubbed."""
        s3 = self.s3
        assert [row["Key"] for row in s3.list_objects_v2(Bucket=self.bucket)["Contents"]] == [KEY]
        got = s3.get_object(Bucket=self.bucket, Key=KEY)
        stored = got["Body"].read()
        assert got["ETag"] == etag == f'"{md5(stored)}"'
        with gzip.open(io.BytesIO(stored)) as opened:
            for _ in range(self.blocks):
                assert opened.read(len(CLEAN)) == CLEAN
            assert not opened.read(1)
        assert not s3.list_multipart_uploads(Bucket=self.bucket).get("Uploads")

    def findings(self) -> str:
        return f"EMAIL_ADDRESS={FOUND * self.blocks}"


def read_all(connection: socket.socket) -> bytes:
    got = bytearray()
    with connection:
        while data := connection.recv(MIB):
            got += data
    return bytes(got)


def etag_in(document: bytes) -> str:
    return re.search(rb"<ETag>(?:&quot;|\")(\w+)", document)[1].decode()


@pytest.fixture
def slow(make_gateway):
    """Makes an upload whose Complete takes about so many seconds."""

    def slow(seconds: float, settings: str = "") -> Slow:
        bucket = fresh("slow")
        # All of it is done by the Complete: what is done while parts arrive has tests of its own.
        gateway = make_gateway({"limits.scrub_ahead": "0"}, more=f'[buckets."{bucket}"]\nscrub = "enforce"\n{settings}')
        boto(gateway.endpoint).create_bucket(Bucket=bucket)
        return Slow(gateway, bucket, seconds)

    return slow


def test_a_repeat_joins_what_is_under_way(slow):
    """Both get one answer, of one scrub; the first, on a connection that white space kept, as the second."""
    upload = slow(9)
    first = upload.during(upload.begin)
    read = upload.gateway.metrics().get("data_vault_scrub_read_bytes_total", 0)
    with ThreadPoolExecutor(2) as pool:
        begun, second = pool.submit(read_all, first), pool.submit(upload.complete)
        answer, repeated = begun.result(), second.result()
    assert answer.startswith(b"HTTP/1.1 200")
    assert f'"{etag_in(answer)}"' == repeated["ETag"]
    assert upload.answered() == (repeated["ETag"], upload.findings())
    assert upload.gateway.metrics()["data_vault_scrub_read_bytes_total"] - read == upload.length, "it was scrubbed once"
    upload.check(repeated["ETag"])


def test_a_client_that_goes_away_gets_its_object_all_the_same(slow):
    upload = slow(4)
    upload.during(upload.begin).close()
    until = time.monotonic() + 100
    while not upload.is_there():
        assert time.monotonic() < until
        time.sleep(0.1)
    etag, findings = upload.answered()
    assert findings == upload.findings()
    upload.check(etag)


def test_the_answer_outlives_the_object_and_the_process(slow):
    upload = slow(1)
    answer = upload.answered()
    upload.check(answer[0])
    upload.s3.delete_object(Bucket=upload.bucket, Key=KEY)
    assert upload.gateway.stop() == 0
    upload.gateway.start()
    assert upload.answered() == answer
    assert not upload.is_there(), "it is told, not done, once more"


def test_an_abort_ends_it(slow):
    upload = slow(6)
    begun = upload.during(upload.begin)
    upload.s3.abort_multipart_upload(**upload.at)
    answer = read_all(begun)
    assert b"<Error>" in answer
    assert not upload.is_there()
    assert error_code(upload.complete) == "NoSuchUpload"
    assert not upload.s3.list_multipart_uploads(Bucket=upload.bucket).get("Uploads")


def client(name: str, endpoint: Endpoint, upload: Slow, folder) -> subprocess.Popen[str]:
    """A stock client that completes the upload and prints the ETag."""
    (folder / "chosen.json").write_text(json.dumps(upload.chosen))
    (folder / "asked.json").write_text(json.dumps(upload.at | {"MultipartUpload": upload.chosen}))
    script = "import boto3, json; print(boto3.client('s3').complete_multipart_upload(**json.load(open('asked.json')))['ETag'])"
    aws = [str(CACHE / "venv/bin/aws"), "s3api", "complete-multipart-upload", "--query", "ETag", "--output", "text", "--multipart-upload", "file://chosen.json"]
    for option, value in (("--bucket", upload.bucket), ("--key", KEY), ("--upload-id", upload.at["UploadId"])):
        aws += [option, value]
    environment = os.environ | {
        "AWS_ACCESS_KEY_ID": endpoint.access_key, "AWS_SECRET_ACCESS_KEY": endpoint.secret_key, "AWS_DEFAULT_REGION": endpoint.region,
        "AWS_ENDPOINT_URL": endpoint.url, "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }  # fmt: skip
    command = aws if name == "aws-cli" else [sys.executable, "-c", script]
    return subprocess.Popen(command, cwd=folder, env=environment, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.mark.parametrize("name", ["boto3", "aws-cli"])
@pytest.mark.parametrize(
    "seconds", [pytest.param(8, id="seconds", marks=pytest.mark.timeout(300)), pytest.param(300, id="5 minutes", marks=[pytest.mark.long, pytest.mark.timeout(3600)])]
)
def test_clients_and_gateway_killed(slow, tmp_path, name, seconds):
    """The client is killed and comes back; then the gateway is, and both come back: one object, scrubbed, and one answer."""
    upload = slow(seconds)

    def begin() -> subprocess.Popen[str]:
        return client(name, upload.gateway.endpoint, upload, tmp_path)

    first = upload.during(begin)
    first.kill()
    first.wait()
    second = begin()
    # It has joined when the gateway has read its request; the job is the first one's, so no more than that is opened.
    until = time.monotonic() + 60
    while upload.gateway.metrics()["data_vault_requests_in_flight"] < 1 and second.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.05)
    upload.gateway.kill()
    second.kill()
    second.communicate()
    upload.gateway.start()
    assert not upload.is_there()

    third = upload.during(begin)
    assert third.poll() is None
    printed, _ = third.communicate(timeout=20 * seconds + 60)
    assert third.returncode == 0, printed
    etag = printed.strip()
    upload.check(etag)
    assert upload.gateway.stop() == 0
    upload.gateway.start()
    assert upload.answered() == (etag, upload.findings())
    upload.check(etag)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seconds", [pytest.param(20, id="seconds"), pytest.param(300, id="5 minutes")])
def test_s3a(slow, tmp_path, seconds):
    """S3A completes at the end of its stream, and asks again by itself when the gateway was killed in it."""
    upload = slow(seconds)
    upload.s3.abort_multipart_upload(**upload.at)
    # Below that S3A uploads it in one PUT.
    upload.blocks = max(upload.blocks, 6 * MIB // len(MEMBER))
    upload.length = (tmp_path / "day.gz").write_bytes(MEMBER * upload.blocks)
    command = [PYTHON, str(HERE / "s3a_upload.py"), jars(BUILT / "spark"), str(tmp_path / "day.gz"), f"s3a://{upload.bucket}/{KEY}"]
    with (tmp_path / "said").open("w+b") as said:
        home = environment(upload.gateway.endpoint, upload.bucket, tmp_path / "home")
        writes = upload.during(lambda: subprocess.Popen(command, env=home, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT))
        upload.gateway.kill()
        upload.gateway.start()
        assert not upload.is_there()
        try:
            code = writes.wait(20 * seconds + 120)
        finally:
            writes.kill()
        said.seek(0)
        assert code == 0, said.read()[-4000:]
    upload.check(upload.s3.head_object(Bucket=upload.bucket, Key=KEY)["ETag"])


def attempt(upload: Slow) -> None:
    with contextlib.suppress(BotoCoreError, ClientError):
        upload.complete()


def test_killed_at_any_moment_of_it(slow, target):
    """A Complete that is cut off and repeated until it is answered, from the first byte to the last."""
    upload = slow(1)
    rest = {"Bucket": upload.bucket, "Key": KEY}
    for pause in (0.05, 0.3, 0.7, 1.0, 1.3, 1.6):
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(attempt, upload)
            time.sleep(pause)
            upload.gateway.kill()
            done.result()
        upload.gateway.start()
        if upload.is_there():
            with gzip.open(io.BytesIO(upload.s3.get_object(**rest)["Body"].read())) as opened:
                assert opened.read(len(CLEAN)) == CLEAN
    etag, findings = upload.answered()
    assert findings == upload.findings()
    upload.check(etag)
    if target.store is not None:
        system = upload.gateway.system_bucket
        kept = [row["Key"] for row in target.behind.list_objects_v2(Bucket=system).get("Contents", [])]
        assert not [key for key in kept if key.startswith("stash/")], "parts do not outlive their upload"


def test_what_is_listed_is_what_is_scrubbed(slow):
    """Parts out of order, one sent again, one left out; a value over the end of a part."""
    upload = slow(1)
    s3, at = upload.s3, {"Bucket": upload.bucket, "Key": "parts"}
    filler = b"word " * (MIB + 100)
    whole = filler + MAIL + b" " + filler + MAIL + b" end"
    cut = len(filler) + 9
    parts = {2: whole[:cut], 5: b"x" * PART, 7: whole[cut : cut + 6 * MIB], 9: whole[cut + 6 * MIB :]}
    at["UploadId"] = s3.create_multipart_upload(**at, ChecksumAlgorithm="SHA256")["UploadId"]
    s3.upload_part(**at, PartNumber=2, Body=filler, ChecksumAlgorithm="SHA256")
    sent = {number: s3.upload_part(**at, PartNumber=number, Body=parts[number], ChecksumAlgorithm="SHA256") for number in (9, 5, 2, 7)}
    listed = [{"PartNumber": number, "ETag": sent[number]["ETag"], "ChecksumSHA256": sent[number]["ChecksumSHA256"]} for number in (2, 7, 9)]
    answer = s3.complete_multipart_upload(**at, MultipartUpload={"Parts": listed})
    stored = s3.get_object(Bucket=upload.bucket, Key="parts")
    body = stored["Body"].read()
    assert body == whole.replace(MAIL, b"<EMAIL_ADDRESS>")
    assert answer["ETag"] == stored["ETag"] == f'"{md5(body)}"'


def test_a_refusal_is_repeated_and_not_done_again(make_gateway, tmp_path):
    """Clients send an error inside a 200 again, up to five times: what is put aside is put aside once."""
    bucket, token = fresh("blocks"), "a" * 40
    blocks = tmp_path / "blocks.toml"
    blocks.write_text('id = "no-numbers"\nversion = 7\n[types.US_SSN]\nstrategy = "block"\n')
    settings = f'[[admin.officers]]\nname = "alice"\ntoken = "{token}"\n[buckets."{bucket}"]\nscrub = "enforce"\nscrub_policy = "{blocks}"\non_block = "quarantine"\n'
    gateway = make_gateway(more=settings)
    s3 = boto(gateway.endpoint)
    s3.create_bucket(Bucket=bucket)
    at = {"Bucket": bucket, "Key": "key"}
    at["UploadId"] = s3.create_multipart_upload(**at)["UploadId"]
    etags = [s3.upload_part(**at, PartNumber=number, Body=body)["ETag"] for number, body in ((1, b"word " * (MIB + 100) + SSN), (2, b" end"))]

    def refused(*numbers: int) -> str:
        chosen = {"Parts": [{"PartNumber": number, "ETag": etags[number - 1]} for number in numbers]}
        with pytest.raises(ClientError) as error:
            s3.complete_multipart_upload(**at, MultipartUpload=chosen)
        assert error.value.response["Error"]["Code"] == "AccessDenied"
        return error.value.response["Error"]["Message"]

    def kept() -> int:
        request = urllib.request.Request(f"http://127.0.0.1:{gateway.admin}/v1/quarantine/{bucket}", headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request) as answer:
            return len(json.load(answer)["items"])

    first = refused(1, 2)
    assert refused(1, 2) == first
    assert kept() == 1
    # It is durable there, so the upload has ended.
    with pytest.raises(ClientError) as error:
        s3.complete_multipart_upload(**at, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etags[0]}]})
    assert error.value.response["Error"]["Code"] == "NoSuchUpload"
    assert kept() == 1
