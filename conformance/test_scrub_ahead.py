"""Uploads that are scrubbed while their parts arrive: what Complete goes on from, what it begins anew, and what is left of either: one object, of the parts that were listed.

How far the engine is, is told by the bytes of parts that the gateway has opened; what a Complete made of that by `data_vault_scrub_ahead_total`."""

from __future__ import annotations

import gzip
import io
import json
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from botocore.exceptions import ClientError

from clients import MIB, boto, error_code, fresh, md5, noise
from servers import Gateway, files_under, holding
from test_scrub_policy import ask
from test_scrub_rest import OWN, OFFICERS, Rest

pytestmark = pytest.mark.gateway

MAIL = b"mary.johnson" + b"@example.org"
SSN = b"219-09-" + b"9999"
LABEL = b"<EMAIL_ADDRESS>"
PART = 5 * MIB
KEY = "logs/day.txt"


def text(marker: bytes, length: int = PART) -> bytes:
    """Lines with an address in every tenth, which are nobody else's."""
    lines = b"".join((MAIL if number % 10 == 0 else b"nobody") + b" said " + marker + b" and then nothing more of it for a long while.\n" for number in range(length // 50))
    return lines[: length - 1] + b"\n"


def over_the_end(parts: int) -> list[bytes]:
    """Parts each of which ends in the middle of an address."""
    begins, ends = MAIL[:9], MAIL[9:] + b"\n"
    return [(ends if number else b"") + text(b"%d" % number) + (begins if number + 1 < parts else b"") for number in range(parts)]


class Upload:
    """An upload in parts of a gateway."""

    def __init__(self, gateway: Gateway, bucket: str, key: str = KEY, **create) -> None:
        self.gateway, self.bucket = gateway, bucket
        self.at = {"Bucket": bucket, "Key": key}
        self.at["UploadId"] = self.s3.create_multipart_upload(**self.at, **create)["UploadId"]
        self.sent: dict[int, dict] = {}

    @property
    def s3(self):
        return boto(self.gateway.endpoint)

    def send(self, number: int, body: bytes, **more) -> None:
        self.sent[number] = self.s3.upload_part(**self.at, PartNumber=number, Body=body, **more)

    def complete(self, *numbers: int, **more) -> dict:
        checksums = ("ChecksumSHA256", "ChecksumCRC32")
        told = {number: {name: sent[name] for name in checksums if name in sent} for number, sent in self.sent.items()}
        listed = [{"PartNumber": number, "ETag": self.sent[number]["ETag"]} | told[number] for number in numbers or sorted(self.sent)]
        return self.s3.complete_multipart_upload(**self.at, MultipartUpload={"Parts": listed}, **more)

    def stored(self) -> bytes:
        """The object, which is the one at its place, and its ETag that of its bytes."""
        got = self.s3.get_object(Bucket=self.bucket, Key=self.at["Key"])
        body = got["Body"].read()
        assert got["ETag"] == f'"{md5(body)}"'
        assert not self.s3.list_multipart_uploads(Bucket=self.bucket).get("Uploads")
        return body


def outcomes(gateway: Gateway) -> dict[str, float]:
    figures = gateway.metrics()
    names = {what: f'data_vault_scrub_ahead_total{{outcome="{what}"}}' for what in ("used", "dropped")}
    return {what: figures[name] for what, name in names.items() if name in figures}


def opened(gateway: Gateway) -> float:
    return gateway.metrics().get("data_vault_opened_bytes_total", 0)


def until(holds: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def waiting(gateway: Gateway) -> list[str]:
    """What waits in the system bucket of uploads that are not completed: parts, and the pieces that are made of them."""
    if gateway.behind is None:
        return []
    listed = boto(gateway.behind).list_objects_v2(Bucket=gateway.system_bucket, Prefix="stash/")
    return [row["Key"].split("/")[2] for row in listed.get("Contents", [])]


def pieces(gateway: Gateway) -> int:
    return sum(name.startswith("ahead-") for name in waiting(gateway))


def read_ahead(gateway: Gateway, length: int) -> None:
    """Waits until so many bytes of the parts are opened; those of the last frames may still be on their way."""
    until(lambda: opened(gateway) >= length - 64 * 1024, "the parts are not read as they come")


@pytest.fixture
def made(make_gateway):
    """Makes a gateway with a bucket of these settings, in which a piece is as short as it can be."""

    def made(settings: str = 'scrub = "enforce"', overrides: dict[str, str] | None = None) -> tuple[Gateway, str]:
        bucket = fresh("ahead")
        gateway = make_gateway({"limits.body_in_memory": "5MiB"} | (overrides or {}), more=f'{OFFICERS}[buckets."{bucket}"]\n{settings}\n')
        boto(gateway.endpoint).create_bucket(Bucket=bucket)
        return gateway, bucket

    return made


def test_parts_are_scrubbed_as_they_come(made):
    """All but the last part is read before the Complete, and no byte twice."""
    gateway, bucket = made()
    upload, parts = Upload(gateway, bucket), over_the_end(6)
    for number, part in enumerate(parts, 1):
        read_ahead(gateway, sum(map(len, parts[: number - 1])))
        upload.send(number, part)
    read_ahead(gateway, sum(map(len, parts)))
    if gateway.behind is not None:
        until(lambda: pieces(gateway) > 3, "what is made of them waits in pieces")
    assert outcomes(gateway) == {}
    answer = upload.complete()
    assert outcomes(gateway) == {"used": 1}
    whole = b"".join(parts)
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-data-vault-findings"] == f"EMAIL_ADDRESS={whole.count(MAIL)}"
    figures = gateway.metrics()
    assert figures["data_vault_opened_bytes_total"] == figures["data_vault_scrub_read_bytes_total"] == len(whole)
    assert upload.stored() == whole.replace(MAIL, LABEL)
    assert upload.complete()["ETag"] == answer["ETag"], "asked again"
    until(lambda: not waiting(gateway), "nothing of it is left")


def packed(name: str) -> tuple[bytes, Callable[[bytes], bytes]]:
    """A file of so many bytes that are no less packed, and what unpacks it."""
    plain = b"".join(MAIL + b" " + noise(700, number).hex().encode() + b"\n" for number in range(16_000))
    if name == "gzip":
        return gzip.compress(plain, 1, mtime=0), gzip.decompress
    if name == "JSONL":
        return b"".join(json.dumps({"text": line.decode()}).encode() + b"\n" for line in plain.splitlines()), lambda content: b"".join(
            json.loads(line)["text"].encode() + b"\n" for line in content.splitlines()
        )
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a.txt", plain)

    def unzip(content: bytes) -> bytes:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return archive.read("a.txt")

    return held.getvalue(), unzip


@pytest.mark.parametrize("name", ["gzip", "JSONL", "zip"])
def test_formats(made, name):
    """Those that are read from the first byte on, and one whose directory is at its end."""
    gateway, bucket = made()
    content, unpack = packed(name)
    upload = Upload(gateway, bucket, "packed")
    cut = range(0, len(content), PART)
    for number, at in enumerate(cut, 1):
        upload.send(number, content[at : at + PART])
    assert len(cut) > 2
    read_ahead(gateway, len(content))
    upload.complete()
    assert outcomes(gateway) == {"used": 1}
    assert unpack(upload.stored()) == unpack(content).replace(MAIL, LABEL)


@pytest.mark.parametrize("algorithm", ["SHA256", "CRC32"])
def test_any_order_and_numbers_with_gaps(made, algorithm):
    """It waits for what comes late, and Complete says what there is none of; the checksum is that of what is stored."""
    gateway, bucket = made()
    upload, parts = Upload(gateway, bucket, ChecksumAlgorithm=algorithm), over_the_end(5)
    for at, number in [(3, 7), (1, 2), (0, 1), (2, 3)]:
        upload.send(number, parts[at], ChecksumAlgorithm=algorithm)
    read_ahead(gateway, 3 * len(parts[0]))
    upload.send(9, b"".join(parts[4:]), ChecksumAlgorithm=algorithm)
    upload.complete()
    assert outcomes(gateway) == {"used": 1}
    body = upload.stored()
    assert body == b"".join(parts).replace(MAIL, LABEL)
    # The client checks it.
    got = upload.s3.get_object(Bucket=bucket, Key=KEY, ChecksumMode="ENABLED")
    assert got["Body"].read() == body and got[f"Checksum{algorithm}"]


def test_what_comes_again_before_it_is_read(made):
    gateway, bucket = made()
    upload = Upload(gateway, bucket)
    upload.send(1, text(b"one"))
    upload.send(3, text(b"old"))
    upload.send(3, text(b"new"))
    upload.send(2, text(b"two"))
    read_ahead(gateway, 3 * PART)
    upload.complete()
    assert outcomes(gateway) == {"used": 1}
    assert upload.stored() == b"".join(map(text, (b"one", b"two", b"new"))).replace(MAIL, LABEL)


@pytest.mark.parametrize("other", ["read and sent again", "left out", "fewer"])
def test_what_complete_lists_is_what_is_stored(made, other):
    gateway, bucket = made()
    upload = Upload(gateway, bucket)
    for number, marker in enumerate((b"one", b"two", b"three"), 1):
        upload.send(number, text(marker))
    read_ahead(gateway, 3 * PART)
    listed, stored = {
        "read and sent again": ((1, 2, 3), (b"one", b"other", b"three")),
        "left out": ((1, 3), (b"one", b"three")),
        "fewer": ((1, 2), (b"one", b"two")),
    }[other]
    if other == "read and sent again":
        upload.send(2, text(b"other"))
    upload.complete(*listed)
    assert outcomes(gateway) == {"dropped": 1}
    assert upload.stored() == b"".join(map(text, stored)).replace(MAIL, LABEL)


def test_copied_parts(made):
    gateway, bucket = made()
    s3, source = boto(gateway.endpoint), fresh("source")
    s3.create_bucket(Bucket=source)
    s3.put_object(Bucket=source, Key="raw", Body=text(b"raw", 2 * PART))
    upload = Upload(gateway, bucket)
    for number in (1, 2):
        bytes_of = f"bytes={(number - 1) * PART}-{number * PART - 1}"
        answer = s3.upload_part_copy(**upload.at, PartNumber=number, CopySource={"Bucket": source, "Key": "raw"}, CopySourceRange=bytes_of)
        upload.sent[number] = answer["CopyPartResult"]
    # The source was opened too.
    read_ahead(gateway, 4 * PART)
    upload.complete()
    assert outcomes(gateway) == {"used": 1}
    assert upload.stored() == text(b"raw", 2 * PART).replace(MAIL, LABEL)


def test_an_abort_leaves_nothing(made, target):
    gateway, bucket = made()
    upload = Upload(gateway, bucket)
    for number in range(1, 7):
        upload.send(number, text(b"gone"))
    # In the middle of it.
    until(lambda: opened(gateway) > 16 * MIB, "nothing of it is read")
    upload.s3.abort_multipart_upload(**upload.at)
    assert outcomes(gateway) == {"dropped": 1}
    assert error_code(upload.complete) == "NoSuchUpload"
    assert not upload.s3.list_multipart_uploads(Bucket=bucket).get("Uploads")
    if target.store is not None:
        assert not target.behind.list_multipart_uploads(Bucket=bucket).get("Uploads")
    until(lambda: not waiting(gateway), "nothing of it is left")
    was = opened(gateway)
    time.sleep(1)
    assert opened(gateway) == was and not waiting(gateway), "nor goes on"


@pytest.mark.parametrize("stop", [Gateway.kill, Gateway.stop], ids=["kill -9", "stop"])
def test_what_was_done_ahead_is_nothing_that_is_relied_on(made, target, stop):
    """The gateway ends in the middle of it and comes back: Complete does it all."""
    gateway, bucket = made()
    upload, parts = Upload(gateway, bucket), [text(b"part%d" % number) for number in range(1, 7)]
    for number, part in enumerate(parts, 1):
        upload.send(number, part)
    until(lambda: opened(gateway) > 16 * MIB, "nothing of it is read")
    for folder in target.data_folders():
        assert not holding(MAIL, folder)
    began = time.monotonic()
    stop(gateway)
    assert time.monotonic() - began < 20, "nobody waits for it"
    gateway.start()
    upload.send(7, b"end of " + MAIL)
    upload.complete()
    assert outcomes(gateway) == {}
    assert upload.stored() == (b"".join(parts) + b"end of " + MAIL).replace(MAIL, LABEL)


def test_another_policy_holds_at_the_end(made):
    """What was begun under one policy is not gone on with under another."""
    gateway, bucket = made('scrub = "enforce"\nscrub_managed_by = "rest"')
    rest = Rest(gateway)
    upload = Upload(gateway, bucket)
    for number in (1, 2):
        upload.send(number, text(b"text"))
    read_ahead(gateway, 2 * PART)
    assert rest.ask("PUT", "policies/own", OWN.format(1).replace("mask", "drop"))[0] == 201
    assert rest.set(bucket, 'scrub = "enforce"\nscrub_policy = "own/1"') in (200, 201)
    upload.complete()
    assert outcomes(gateway) == {"dropped": 1}
    assert upload.stored() == (2 * text(b"text")).replace(MAIL, b"")


@pytest.mark.parametrize("sent", ["again", "never again"])
def test_no_policy_holds_any_more(made, sent):
    """Parts that then go to the storage as they come, or out of the stash, have nothing to do with what was begun."""
    gateway, bucket = made('scrub = "enforce"\nscrub_managed_by = "rest"')
    rest = Rest(gateway)
    upload = Upload(gateway, bucket)
    upload.send(1, text(b"one", 3 * PART))
    if sent == "again":
        upload.send(2, text(b"two", 3 * PART))
        upload.send(3, text(b"three"))
    until(lambda: opened(gateway) > 11 * MIB, "nothing of it is read")
    assert rest.set(bucket, 'scrub = "off"') in (200, 201)
    if sent == "again":
        upload.send(1, text(b"first"))
        assert error_code(upload.complete) == "InvalidPart"
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(upload.send, (2, 3), (text(b"second"), text(b"third"))))
    upload.complete()
    assert outcomes(gateway) == {"dropped": 1}
    stored = text(b"first") + text(b"second") + text(b"third") if sent == "again" else text(b"one", 3 * PART)
    assert upload.s3.get_object(Bucket=bucket, Key=KEY)["Body"].read() == stored
    until(lambda: not waiting(gateway), "nothing of it is left")


def test_a_part_that_comes_again_while_it_is_completed(made):
    """It is too late for this Complete, and does it no harm."""
    gateway, bucket = made()
    upload, parts = Upload(gateway, bucket), over_the_end(8)
    for number, part in enumerate(parts, 1):
        upload.send(number, part)
    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(upload.complete) for _ in range(2)]
        late = 0
        while not all(one.done() for one in done):
            try:
                upload.s3.upload_part(**upload.at, PartNumber=1, Body=text(b"late"))
                late += 1
            except ClientError as error:
                assert error.response["Error"]["Code"] == "NoSuchUpload"
                break
        etags = {one.result()["ETag"] for one in done}
    assert late, "none came while it was completed"
    assert len(etags) == 1
    assert upload.stored() == b"".join(parts).replace(MAIL, LABEL)


def test_nobody_waits_for_ever(made):
    gateway, bucket = made(overrides={"limits.scrub_ahead_idle": "300ms"})
    upload = Upload(gateway, bucket)
    upload.send(1, text(b"one"))
    until(lambda: outcomes(gateway) == {"dropped": 1}, "it still waits")
    upload.send(2, text(b"two"))
    upload.complete()
    assert outcomes(gateway) == {"dropped": 1}
    assert upload.stored() == (text(b"one") + text(b"two")).replace(MAIL, LABEL)


@pytest.mark.parametrize("most", [0, 1])
def test_there_are_only_so_many(made, most):
    """The others are scrubbed by their Complete, and a place is free again afterwards."""
    gateway, bucket = made(overrides={"limits.scrub_ahead": str(most)})
    uploads = [Upload(gateway, bucket, f"key{number}") for number in range(3)]
    for upload in uploads:
        upload.send(1, text(b"one"))
    read_ahead(gateway, most * PART)
    time.sleep(0.5)
    assert opened(gateway) == most * PART, "of no other upload"
    for upload in uploads:
        upload.send(2, b"end")
        upload.complete()
    assert outcomes(gateway).get("used", 0) == most
    if most:
        again = Upload(gateway, bucket, "again")
        again.send(1, text(b"one"))
        again.send(2, b"end")
        again.complete()
        assert outcomes(gateway) == {"used": 2}
    for upload in uploads:
        assert upload.stored() == text(b"one").replace(MAIL, LABEL) + b"end"


def test_many_at_once(made):
    """More uploads than there are places, by clients that send three parts at a time."""
    gateway, bucket = made(overrides={"limits.scrub_ahead": "3"})

    def one(name: int) -> None:
        upload, parts = Upload(gateway, bucket, f"key{name}"), [text(b"%d-%d" % (name, number)) for number in range(3)]
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(upload.send, range(1, 4), parts))
        upload.complete()
        body = upload.s3.get_object(Bucket=bucket, Key=f"key{name}")["Body"].read()
        assert body == b"".join(parts).replace(MAIL, LABEL)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(one, range(12)))
    assert outcomes(gateway)["used"] >= 3


BLOCKS = 'id = "no-numbers"\nversion = 7\n[types.US_SSN]\nstrategy = "block"\n'


@pytest.mark.parametrize("on_block", ["refuse", "quarantine"])
def test_what_is_blocked(made, tmp_path, on_block):
    """It is refused when Complete asks, once; what goes to quarantine is all that was listed."""
    (tmp_path / "blocks.toml").write_text(BLOCKS)
    gateway, bucket = made(f'scrub = "enforce"\nscrub_policy = "{tmp_path}/blocks.toml"\non_block = "{on_block}"')
    upload = Upload(gateway, bucket)
    parts = [text(b"one", PART - 12) + SSN + b"\n", text(b"two"), b"the end"]
    for number, part in enumerate(parts, 1):
        upload.send(number, part)
    read_ahead(gateway, MIB)
    for _ in range(2):
        with pytest.raises(ClientError) as refused:
            upload.complete()
        assert refused.value.response["Error"]["Code"] == "AccessDenied"
    assert outcomes(gateway) == {"used": 1}
    assert error_code(partial(upload.s3.get_object, Bucket=bucket, Key=KEY)) == "NoSuchKey"
    outcome = "quarantined" if on_block == "quarantine" else "refused"
    assert gateway.metrics()[f'data_vault_scrub_bodies_total{{bucket="{bucket}",outcome="{outcome}"}}'] == 1
    if on_block == "quarantine":
        (item,) = json.loads(ask(gateway, f"quarantine/{bucket}", "bob")[1])["items"]
        assert ask(gateway, f"quarantine/{bucket}/{item['id']}/content", "bob") == (200, b"".join(parts))
        return
    # What is refused can be sent again.
    upload.send(1, text(b"one"))
    upload.complete()
    assert upload.stored() == (text(b"one") + parts[1] + parts[2]).replace(MAIL, LABEL)


def test_the_original_is_kept(made):
    gateway, bucket = made('scrub = "dual"')
    upload, parts = Upload(gateway, bucket), over_the_end(3)
    for number, part in enumerate(parts, 1):
        upload.send(number, part)
    read_ahead(gateway, sum(map(len, parts)))
    upload.complete()
    assert outcomes(gateway) == {"used": 1}
    assert upload.stored() == b"".join(parts).replace(MAIL, LABEL)
    assert ask(gateway, f"originals/{bucket}/{KEY}", "bob") == (200, b"".join(parts))


@pytest.mark.parametrize("changed", ["part", "piece"])
def test_what_was_changed_in_the_storage(made, target, changed):
    """A part that is another is not read, ahead or at the end, and can be sent again; a piece that is another ends the Complete, and the next one does without."""
    gateway, bucket = made()
    upload = Upload(gateway, bucket)

    def blobs() -> list:
        return [path for path in files_under(gateway.data) if path.parent.name != "tmp" and path.stat().st_size == 5 * MIB]

    def flip(which: str) -> None:
        if target.store is None:
            # A piece has just this length: under its ETag are now other bytes.
            (blob,) = blobs()
            sealed = bytearray(blob.read_bytes())
            sealed[MIB] ^= 1
            blob.write_bytes(sealed)
            return
        behind, system = target.behind, gateway.system_bucket
        stash = next(row["Key"] for row in behind.list_objects_v2(Bucket=system, Prefix="stash/")["Contents"] if which in row["Key"])
        sealed = bytearray(behind.get_object(Bucket=system, Key=stash)["Body"].read())
        sealed[MIB] ^= 1
        behind.put_object(Bucket=system, Key=stash, Body=bytes(sealed))

    upload.send(2, text(b"two"))
    if changed == "part":
        if target.store is None:
            pytest.skip("of the embedded store no part is told from others")
        flip("/00002-")
    upload.send(1, text(b"one"))
    if changed == "part":
        until(lambda: outcomes(gateway) == {"dropped": 1}, "it is read")
    else:
        until(blobs if target.store is None else lambda: pieces(gateway), "it is read")
        flip("/ahead-")
    with pytest.raises(ClientError) as failed:
        upload.complete()
    assert failed.value.response["ResponseMetadata"]["HTTPStatusCode"] >= 500
    assert error_code(partial(upload.s3.get_object, Bucket=bucket, Key=KEY)) == "NoSuchKey"
    if changed == "part":
        upload.send(2, text(b"two"))
    upload.complete()
    assert upload.stored() == (text(b"one") + text(b"two")).replace(MAIL, LABEL)
