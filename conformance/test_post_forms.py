"""Browser POST uploads: forms as boto3 presigns them (SigV4 and SigV2), as browsers write them, and as nobody should."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import re
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from clients import GIB, KIB, MIB, Answer, boto, crc32, error_code, fresh, noise, object_path
from servers import Endpoint, holding

BOUNDARY = "----ConformanceFormBoundary7MA4YWxkTrZu0gW"
DELIMITER = f"\r\n--{BOUNDARY}".encode()


def fields_of(fields: Iterable[tuple[str, str]]) -> bytes:
    """Fields as a browser writes them."""
    return "".join(f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields).encode()


def file_head(filename: str) -> bytes:
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\nContent-Type: application/octet-stream\r\n\r\n'.encode()


def form(fields: dict[str, str], file: bytes, filename: str = "up.bin", behind: dict[str, str] | None = None) -> bytes:
    """A whole form."""
    rest = b"\r\n" + fields_of((behind or {}).items()) + f"--{BOUNDARY}--\r\n".encode()
    return fields_of(fields.items()) + file_head(filename) + file + rest


def post(
    endpoint: Endpoint, bucket: str, body: bytes | Iterator[bytes], length: int | None = None, headers: dict[str, str] | None = None, timeout: float = 60
) -> Answer:
    """POSTs a form: with its length, or in chunks where `body` is an iterator without one."""
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=timeout, blocksize=MIB)
    sent = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"} | (headers or {})
    if length is not None:
        sent["Content-Length"] = str(length)
    try:
        with suppress(BrokenPipeError, ConnectionResetError):  # The server may answer before it has read all.
            connection.request("POST", f"/{bucket}", body=body, headers=sent)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


class Signer:
    """Forms of one bucket, presigned."""

    def __init__(self, endpoint: Endpoint, bucket: str, version: str) -> None:
        self.endpoint, self.bucket = endpoint, bucket
        self.client = boto(endpoint, signature_version=version)

    def fields(self, key: str, fields: dict[str, str] | None = None, conditions: list | None = None, expires: int = 300) -> dict[str, str]:
        """The form's fields: those given, each under a condition of its own value, and more conditions."""
        own = [{name: value} for name, value in (fields or {}).items()]
        made = self.client.generate_presigned_post(self.bucket, key, fields or {}, own + (conditions or []), expires)
        assert urlsplit(made["url"]).path.strip("/") == self.bucket
        return made["fields"]

    def post(self, fields: dict[str, str], file: bytes, filename: str = "up.bin", **more) -> Answer:
        return post(self.endpoint, self.bucket, form(fields, file, filename), **more)


@pytest.fixture(params=["s3v4", "s3"])
def signer(request, endpoint, bucket) -> Signer:
    return Signer(endpoint, bucket, request.param)


@pytest.fixture
def v4(endpoint, bucket) -> Signer:
    return Signer(endpoint, bucket, "s3v4")


def listed(s3, bucket: str) -> list[str]:
    return [row["Key"] for row in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


SIZES = [0, 1, 16 * KIB, 16 * KIB + 1, MIB + 17, 9 * MIB + 5]


@pytest.mark.parametrize("size", SIZES)
def test_sizes(signer, s3, bucket, size):
    """What is posted is what is read, under the ETag of its MD5; 204 is the default answer."""
    data = noise(size, "form")
    answer = signer.post(signer.fields("a/k"), data)
    assert (answer.status, answer.body) == (204, b""), answer
    assert answer.headers["location"].endswith(f"/{bucket}/a/k")
    got = s3.get_object(Bucket=bucket, Key="a/k")
    assert got["Body"].read() == data
    assert got["ContentLength"] == size
    if size <= 8 * MIB:
        assert answer.headers["etag"] == got["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'


@pytest.mark.gateway
def test_etag_of_a_large_form(v4, s3, bucket):
    """However it is stored, a form's object is one part to the client."""
    data = noise(20 * MIB, "form")
    answer = v4.post(v4.fields("k"), data)
    assert answer.headers["etag"] == f'"{hashlib.md5(data).hexdigest()}"'
    assert s3.head_object(Bucket=bucket, Key="k")["ETag"] == answer.headers["etag"]
    assert s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


@pytest.mark.gateway
def test_in_chunks(v4, s3, bucket):
    """A form whose own length is not known either; MinIO itself takes none."""
    data = noise(300_000, "chunks")
    body = form(v4.fields("k"), data)
    answer = post(v4.endpoint, bucket, iter([body[at : at + 7001] for at in range(0, len(body), 7001)]))
    assert answer.status == 204, answer
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == data


def test_a_file_that_looks_like_a_form(v4, s3, bucket):
    """Nearly the delimiter, over and over, across every boundary of a read."""
    data = (DELIMITER[:-1] + b"\r\n--" + DELIMITER[:-2] + b"\r\r\n") * 5000
    assert v4.post(v4.fields("k"), data).status == 204
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == data


def test_headers_and_metadata(signer, s3, bucket):
    sent = {
        "Content-Type": "text/x-corpus",
        "Cache-Control": "no-store",
        "Content-Disposition": 'attachment; filename="a b.txt"',
        "Content-Language": "de",
        "x-amz-meta-Lang": "de",
        "x-amz-meta-empty-not": "x y",
    }
    answer = signer.post(signer.fields("k", sent), b"body")
    assert answer.status == 204, answer
    head = s3.head_object(Bucket=bucket, Key="k")
    assert head["ContentType"] == "text/x-corpus"
    assert head["CacheControl"] == "no-store"
    assert head["ContentDisposition"] == 'attachment; filename="a b.txt"'
    assert head["Metadata"] == {"lang": "de", "empty-not": "x y"}


@pytest.mark.gateway
@pytest.mark.needs("tagging")
def test_tags(signer, s3, bucket):
    """MinIO itself wants no condition on the field and refuses one that has it."""
    tags = [{"Key": "a b", "Value": "x=+/@"}, {"Key": "c", "Value": ""}]
    document = "<Tagging><TagSet><Tag><Key>a b</Key><Value>x=&#x2B;/@</Value></Tag><Tag><Key>c</Key><Value></Value></Tag></TagSet></Tagging>"
    answer = signer.post(signer.fields("k", {"tagging": document}), b"body")
    assert answer.status == 204, answer
    assert sorted(s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"], key=lambda tag: tag["Key"]) == tags


@pytest.mark.gateway
def test_checksum(signer, s3, bucket):
    """Verified and kept; it needs no condition, since whoever signs the form does not know the file."""
    data = noise(100_000, "checksum")
    good = signer.fields("k") | {"x-amz-checksum-crc32": crc32(data)}
    answer = signer.post(good, data)
    assert answer.status == 204, answer
    assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["ChecksumCRC32"] == crc32(data)
    bad = signer.fields("other") | {"x-amz-checksum-crc32": crc32(data + b"!")}
    answer = signer.post(bad, data)
    assert (answer.status, answer.code) == (400, "BadDigest"), answer
    assert listed(s3, bucket) == ["k"]


def test_success_action_status(signer, s3, bucket):
    answer = signer.post(signer.fields("k 1", {"success_action_status": "200"}), b"x")
    assert (answer.status, answer.body) == (200, b""), answer
    answer = signer.post(signer.fields("k 1/<ü>", {"success_action_status": "201"}), b"x")
    assert answer.status == 201, answer
    found = dict(re.findall(r"<(Location|Bucket|Key|ETag)>([^<]*)<", answer.body.decode()))
    assert found["Bucket"] == bucket
    assert found["Key"] == "k 1/&lt;ü&gt;"
    assert answer.headers["etag"].strip('"') in found["ETag"]
    assert unquote(found["Location"]).endswith(f"/{bucket}/k 1/<ü>")
    assert answer.headers["content-type"].startswith("application/xml")


@pytest.mark.parametrize("name", ["success_action_redirect", "redirect"])
def test_redirect(signer, s3, bucket, name, target):
    if name == "redirect" and target.gateway is None:
        pytest.skip("MinIO does not know the old name")
    answer = signer.post(signer.fields("a/k+1", {name: "http://example.com/done?x=1"}), b"x")
    assert answer.status == 303, answer
    location = urlsplit(answer.headers["location"])
    assert (location.netloc, location.path) == ("example.com", "/done")
    etag = s3.head_object(Bucket=bucket, Key="a/k+1")["ETag"]
    assert parse_qs(location.query) == {"x": ["1"], "bucket": [bucket], "key": ["a/k+1"], "etag": [etag]}


@pytest.mark.gateway
@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("plain.txt", "plain.txt"),
        ("with space+%41&.txt", "with space+%41&.txt"),
        ("grün 🦀.txt", "grün 🦀.txt"),
        ("C:\\Users\\me\\file.txt", "file.txt"),
        ("/home/me/file.txt", "file.txt"),
        ("a\\\"b;c=d.txt", "a\"b;c=d.txt"),
        ("../../up.txt", "up.txt"),
        ("${filename}", "${filename}"),
        ("", ""),
    ],
)
def test_filename(signer, s3, bucket, filename, name):
    """`${filename}` is the file's name without its folders. What it comes to is what the policy is asked about."""
    answer = signer.post(signer.fields("in/${filename}"), b"x", filename)
    assert answer.status == 204, answer
    assert listed(s3, bucket) == [f"in/{name}"]
    assert s3.get_object(Bucket=bucket, Key=f"in/{name}")["Body"].read() == b"x"


def test_length_range(signer, s3, bucket):
    fields = signer.fields("k", conditions=[["content-length-range", 10, 100_000]])
    for size, status, code in [(9, 400, "EntityTooSmall"), (100_001, 400, "EntityTooLarge"), (3 * MIB, 400, "EntityTooLarge")]:
        answer = signer.post(fields, b"x" * size)
        assert (answer.status, answer.code) == (status, code), answer
    assert listed(s3, bucket) == []
    for size in (10, 100_000):
        assert signer.post(fields, b"x" * size).status == 204


@pytest.mark.gateway
def test_too_large_when_most_is_stored(v4, s3, bucket, target):
    """The bound is passed behind what went to the store in parts: nothing of it stays."""
    fields = v4.fields("k", conditions=[["content-length-range", 0, 20 * MIB]])
    answer = v4.post(fields, noise(20 * MIB) + b"!")
    assert answer.code == "EntityTooLarge", answer
    assert listed(s3, bucket) == []
    if target.store is not None:
        assert target.behind.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


def denied(answer: Answer, *codes: str) -> None:
    assert 400 <= answer.status <= 501, answer
    assert answer.code in codes, answer


def test_what_the_policy_does_not_allow(signer, s3, bucket):
    """Another key, another value, a field more, another bucket, after its time."""
    fields = signer.fields("k", {"acl": "private", "x-amz-meta-a": "1"}, [["starts-with", "$Content-Type", "image/"]])
    ok = fields | {"Content-Type": "image/png"}
    assert signer.post(ok, b"x").status == 204
    s3.delete_object(Bucket=bucket, Key="k")
    for wrong in (
        ok | {"key": "other"},
        ok | {"acl": "public-read"},
        ok | {"x-amz-meta-a": "2"},
        ok | {"x-amz-meta-b": "1"},
        ok | {"Content-Type": "text/html"},
        ok | {"x-amz-storage-class": "REDUCED_REDUNDANCY"},
    ):
        denied(signer.post(wrong, b"x"), "AccessDenied")
    other = fresh("bucket")
    s3.create_bucket(Bucket=other)
    denied(post(signer.endpoint, other, form(ok | {"bucket": bucket}, b"x")), "AccessDenied")
    denied(signer.post(signer.fields("k", expires=-5), b"x"), "AccessDenied")
    assert listed(s3, bucket) == listed(s3, other) == []


def test_signatures_that_do_not_hold(signer, s3, bucket):
    fields = signer.fields("k")
    signature = "x-amz-signature" if "x-amz-signature" in fields else "signature"
    altered = fields | {signature: fields[signature][::-1]}
    denied(signer.post(altered, b"x"), "SignatureDoesNotMatch")
    policy = json.loads(base64.b64decode(fields["policy"]))
    policy["expiration"] = "2099-01-01T00:00:00Z"
    forged = fields | {"policy": base64.b64encode(json.dumps(policy).encode()).decode()}
    denied(signer.post(forged, b"x"), "SignatureDoesNotMatch")
    who = "x-amz-credential" if "x-amz-credential" in fields else "AWSAccessKeyId"
    unknown = fields | {who: fields[who].replace(signer.endpoint.access_key, "AKIANOBODY0000000000")}
    denied(signer.post(unknown, b"x"), "InvalidAccessKeyId")
    assert listed(s3, bucket) == []


@pytest.mark.gateway
def test_forms_that_lack_something(signer, s3, bucket):
    """Each is a 400 that names what is missing; a form without any signature is anonymous, which is off."""
    fields = signer.fields("k")
    for missing in [name for name in fields if name not in ("key", "x-amz-date")]:
        answer = signer.post({name: value for name, value in fields.items() if name != missing}, b"x")
        assert answer.status == 400, (missing, answer)
        assert answer.code == "InvalidArgument", (missing, answer)
        assert missing.encode() in answer.body, (missing, answer)
    denied(signer.post({name: value for name, value in fields.items() if name != "key"}, b"x"), "InvalidArgument")
    denied(signer.post({"key": "k"}, b"x"), "AccessDenied")
    no_file = fields_of(fields.items()) + f"--{BOUNDARY}--\r\n".encode()
    denied(post(signer.endpoint, bucket, no_file), "InvalidArgument")
    denied(post(signer.endpoint, bucket, form(fields, b"x"), headers={"Content-Type": "multipart/form-data"}), "MalformedPOSTRequest")
    denied(post(signer.endpoint, bucket, form(fields, b"x"), headers={"Content-Type": "multipart/form-data; boundary=other"}), "MalformedPOSTRequest")
    twice = fields_of([*fields.items(), ("key", "k")]) + file_head("f") + b"x" + DELIMITER + b"--"
    denied(post(signer.endpoint, bucket, twice), "InvalidArgument")
    assert listed(s3, bucket) == []


@pytest.mark.gateway
@pytest.mark.parametrize(
    "document",
    [
        {"conditions": []},
        {"expiration": "2099-01-01T00:00:00Z"},
        {"expiration": "tomorrow", "conditions": []},
        {"expiration": "2099-01-01T00:00:00Z", "conditions": [{}]},
        {"expiration": "2099-01-01T00:00:00Z", "conditions": [["content-length-range", 0]]},
        [],
    ],
    ids=json.dumps,
)
def test_policies_that_are_none(endpoint, s3, bucket, document):
    """Signed by whoever may, and yet no policy: 400."""
    policy = base64.b64encode(json.dumps(document).encode())
    signature = base64.b64encode(hmac.new(endpoint.secret_key.encode(), policy, "sha1").digest())
    fields = {"key": "k", "AWSAccessKeyId": endpoint.access_key, "policy": policy.decode(), "signature": signature.decode()}
    denied(post(endpoint, bucket, form(fields, b"x")), "InvalidPolicyDocument")
    assert listed(s3, bucket) == []


def test_fields_behind_the_file_are_ignored(v4, s3, bucket):
    body = form(v4.fields("k"), b"body", behind={"key": "other", "x-amz-meta-a": "1", "submit": "Upload"})
    assert post(v4.endpoint, bucket, body).status == 204
    assert listed(s3, bucket) == ["k"]
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == {}


def test_fields_to_be_ignored(v4, s3, bucket):
    assert v4.post(v4.fields("k") | {"x-ignore-me": "1"}, b"x").status == 204
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == {}


@pytest.mark.gateway
def test_20_kb_of_fields(v4, s3, bucket):
    fields = v4.fields("k")
    around = len(fields_of((fields | {"x-ignore-a": ""}).items()) + file_head("up.bin"))
    most = 20 * KIB - around
    assert v4.post(fields | {"x-ignore-a": "x" * most}, b"body").status == 204
    s3.delete_object(Bucket=bucket, Key="k")
    for size in (most + 1, 3 * MIB):
        denied(v4.post(fields | {"x-ignore-a": "x" * size}, b"body"), "MaxPostPreDataLengthExceededError")
    assert listed(s3, bucket) == []


@pytest.mark.gateway
def test_what_a_form_must_not_reach(v4, s3, target, bucket):
    """Our header, a copy, the system's buckets, a key outside the bucket; headers of the POST itself, which nobody signed."""
    for field, value in [
        ("x-amz-meta-dv1", "x"),
        ("x-amz-copy-source", f"{bucket}/k"),
        ("x-amz-write-offset-bytes", "0"),
        ("x-amz-decoded-content-length", "1"),
        ("x-amz-meta-snowball-auto-extract", "true"),
    ]:
        denied(v4.post(v4.fields("k", {field: value}), b"x"), "InvalidArgument", "NotImplemented")
    for name in ("minio", "admin", "data-vault-system"):
        denied(post(v4.endpoint, name, form(Signer(v4.endpoint, name, "s3v4").fields("k"), b"x")), "AccessDenied")
    denied(v4.post(v4.fields("../other/k"), b"x"), "InvalidURI")
    denied(v4.post(v4.fields("k" * 1025), b"x"), "KeyTooLongError")
    for condition in ("If-None-Match", "If-Match"):
        denied(v4.post(v4.fields("k"), b"x", headers={condition: "*"}), "NotImplemented")
    assert listed(s3, bucket) == []
    answer = v4.post(v4.fields("k"), b"x", headers={"x-amz-meta-a": "1", "Cache-Control": "no-store", "Cookie": "a=b"})
    assert answer.status == 204, answer
    head = s3.head_object(Bucket=bucket, Key="k")
    assert (head["Metadata"], head.get("CacheControl")) == ({}, None)
    denied(v4.post(v4.fields("k"), b"x", headers={"Authorization": "AWS4-HMAC-SHA256 Credential=x"}), "AuthorizationHeaderMalformed")


@pytest.mark.vault
def test_anonymous_forms_are_off(target, bucket):
    """`anonymous = "refuse"` is the default."""
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": ["s3:PutObject"], "Resource": [f"arn:aws:s3:::{bucket}/*"]}],
    }
    if target.backend == "minio":
        target.behind.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    answer = post(target.endpoint, bucket, form({"key": "k"}, b"x"))
    denied(answer, "AccessDenied")


@pytest.mark.gateway
def test_anonymous_forms_where_they_are_on(target, make_gateway):
    """They go on unsigned: the store's own rules decide."""
    if target.backend != "minio":
        pytest.skip("only MinIO has bucket policies here")
    gateway = make_gateway({"identity.anonymous": "backend"})
    s3, bucket = boto(gateway.endpoint), fresh("anonymous")
    s3.create_bucket(Bucket=bucket)
    denied(post(gateway.endpoint, bucket, form({"key": "k"}, b"x")), "AccessDenied")
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": ["s3:PutObject"], "Resource": [f"arn:aws:s3:::{bucket}/open/*"]}],
    }
    target.behind.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    answer = post(gateway.endpoint, bucket, form({"key": "open/k", "Content-Type": "text/plain", "submit": "Go"}, b"body"))
    assert answer.status == 204, answer
    got = s3.get_object(Bucket=bucket, Key="open/k")
    assert (got["Body"].read(), got["ContentType"]) == (b"body", "text/plain")
    denied(post(gateway.endpoint, bucket, form({"key": "closed/k"}, b"x")), "AccessDenied")


@pytest.mark.gateway
def test_sigv2_forms_can_be_off(make_gateway):
    gateway = make_gateway({"identity.sigv2": "off"})
    bucket = fresh("v2")
    boto(gateway.endpoint).create_bucket(Bucket=bucket)
    old, new = (Signer(gateway.endpoint, bucket, version) for version in ("s3", "s3v4"))
    denied(old.post(old.fields("k"), b"x"), "InvalidRequest")
    assert new.post(new.fields("k"), b"x").status == 204


@pytest.mark.parametrize("size", [100_000, 30 * MIB])
def test_cut_off(v4, s3, target, bucket, size):
    """A connection that breaks in the middle of the file, and behind it before the last delimiter: nothing is there."""
    body = form(v4.fields("k"), noise(size, "cut"))
    end = len(f"--{BOUNDARY}--\r\n")
    for sent in (len(body) - size // 2, len(body) - end, len(body) - 4):
        with socket.create_connection(("127.0.0.1", v4.endpoint.port), timeout=60) as connection:
            connection.sendall(
                f"POST /{bucket} HTTP/1.1\r\nHost: {v4.endpoint.host}\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n".encode()
            )
            connection.sendall(body[:sent])
            connection.shutdown(socket.SHUT_WR)
            with suppress(ConnectionResetError):
                while connection.recv(4096):
                    pass
        assert listed(s3, bucket) == []
    if target.store is not None and target.gateway is not None:
        assert target.behind.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []
    assert post(v4.endpoint, bucket, body).status == 204
    assert listed(s3, bucket) == ["k"]


@pytest.mark.gateway
def test_whole_by_http_and_yet_cut_off(v4, s3, bucket):
    """The HTTP body is all there, the form is not."""
    body = form(v4.fields("k"), noise(100_000, "cut"))
    for sent in (len(body) - 50_000, len(body) - 4):
        denied(post(v4.endpoint, bucket, body[:sent]), "MalformedPOSTRequest")
    assert listed(s3, bucket) == []


@pytest.mark.gateway
@pytest.mark.parametrize(
    "size",
    [
        pytest.param(64 * MIB, id="64 MiB", marks=pytest.mark.timeout(240)),
        pytest.param(2 * GIB, id="2 GiB", marks=[pytest.mark.long, pytest.mark.timeout(1800)]),
    ],
)
def test_peak_memory(own_gateway, size):
    """Under 96 MiB, as a PUT."""
    s3, bucket = boto(own_gateway.endpoint), fresh("memory")
    s3.create_bucket(Bucket=bucket)
    signer, block, sha = Signer(own_gateway.endpoint, bucket, "s3v4"), noise(MIB, "memory"), hashlib.sha256()
    before = fields_of(signer.fields("k").items()) + file_head("big")
    behind = DELIMITER + b"--\r\n"

    def body() -> Iterator[bytes]:
        yield before
        for index in range(size // MIB):
            piece = index.to_bytes(8, "big") + block[8:]
            sha.update(piece)
            yield piece
        yield behind

    own_gateway.forget_peak_rss()
    answer = post(own_gateway.endpoint, bucket, body(), length=len(before) + size + len(behind), timeout=600)
    assert answer.status == 204, answer
    peak = own_gateway.peak_rss()
    got = s3.get_object(Bucket=bucket, Key="k")["Body"]
    read = hashlib.sha256()
    for piece in got.iter_chunks(MIB):
        read.update(piece)
    assert read.digest() == sha.digest()
    print(f"peak RSS of a form with a file of {size / MIB:.0f} MiB: {peak / MIB:.1f} MiB")
    s3.delete_object(Bucket=bucket, Key="k")
    assert peak < 96 * MIB


@pytest.mark.gateway
def test_a_page_of_another_origin(v4, s3, target, bucket):
    """The CORS rules of the bucket are for POST; what goes to the store is a PUT. MinIO has one rule for all."""
    answer = v4.post(v4.fields("k"), b"x", headers={"Origin": "http://page.example"})
    assert answer.status == 204, answer
    if target.backend == "minio":
        assert answer.headers["access-control-allow-origin"] in ("http://page.example", "*")
        assert "etag" in answer.headers["access-control-expose-headers"].lower()
    assert v4.post(v4.fields("k"), b"x").headers["access-control-allow-origin"] is None


@pytest.mark.gateway
def test_a_page_of_another_origin_reads_why_it_is_refused(v4, s3, target, bucket):
    """The CORS headers of a success, whoever refuses: the form, its policy, the end of its file."""
    if target.backend != "minio":
        rule = {"AllowedMethods": ["POST"], "AllowedOrigins": ["http://page.example"], "ExposeHeaders": ["ETag"]}
        s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    page = {"Origin": "http://page.example"}
    good = v4.fields("k")
    small = v4.fields("k", conditions=[["content-length-range", 0, 1]])
    for fields, code in ((good | {"x-amz-signature": "0" * 64}, "SignatureDoesNotMatch"), (good | {"acl": "private"}, "AccessDenied"), (small, "EntityTooLarge")):
        answer = v4.post(fields, b"xx", headers=page)
        assert answer.code == code, answer
        assert answer.headers["access-control-allow-origin"] in ("http://page.example", "*"), answer.headers
        assert v4.post(fields, b"xx").headers["access-control-allow-origin"] is None
    if target.backend != "minio":
        # Garage itself says `*` to every preflight of a bucket that is not known to all its keys by that name.
        told = "*" if target.backend == "garage" else None
        assert v4.post(small, b"xx", headers={"Origin": "http://other.example"}).headers["access-control-allow-origin"] == told


@pytest.mark.needs("files")
@pytest.mark.vault
def test_nothing_readable_is_stored(v4, target, bucket):
    marker = b"plain words of a form " * 20
    assert v4.post(v4.fields("k"), marker * 500).status == 204
    assert not holding(marker[:40], *target.data_folders())


@pytest.mark.needs("versioning")
def test_a_version_of_its_own(v4, s3, versioned):
    signer = Signer(v4.endpoint, versioned, "s3v4")
    first = signer.post(signer.fields("k"), b"1")
    second = signer.post(signer.fields("k"), b"2")
    assert first.headers["x-amz-version-id"] != second.headers["x-amz-version-id"]
    old = s3.get_object(Bucket=versioned, Key="k", VersionId=first.headers["x-amz-version-id"])
    assert old["Body"].read() == b"1"


def test_unknown_bucket(endpoint):
    signer = Signer(endpoint, fresh("nowhere"), "s3v4")
    denied(signer.post(signer.fields("k"), b"x"), "NoSuchBucket")
    assert error_code(lambda: boto(endpoint).head_bucket(Bucket=signer.bucket)) == "404"


def test_the_key_in_the_path_is_no_form(v4, bucket):
    """A form goes to a bucket, not to an object."""
    connection = http.client.HTTPConnection("127.0.0.1", v4.endpoint.port, timeout=30)
    connection.request("POST", object_path(bucket, "k"), form(v4.fields("k"), b"x"), {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})
    answer = connection.getresponse()
    assert 400 <= answer.status < 500, answer.read()
    connection.close()


def test_expiration_is_the_form_s_own(v4, s3, bucket):
    """No 15 minutes for a form: it may have been made days ago."""
    fields = v4.fields("k", expires=7 * 24 * 3600)
    made = json.loads(base64.b64decode(fields["policy"]))["expiration"]
    assert datetime.fromisoformat(made) > datetime.now(UTC) + timedelta(days=6)
    assert v4.post(fields, b"x").status == 204
