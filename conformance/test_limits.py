"""The limits of docs/limits.md, each at its edge: the largest that is taken, and one more."""

from __future__ import annotations

import base64
import hashlib
import http.client
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, urlencode

import pytest

from clients import GIB, KIB, MIB, Target, boto, error_code, fresh, md5, multipart_etag, noise, object_path, put_in_parts, raw, sign
from servers import Endpoint, Gateway
from test_memory import digest, download, upload
from test_multipart import PART, Upload

OUR_METADATA = len("dv1") + 228
"""What the gateway's own header takes of the 2 KiB of user metadata: its name and its value."""


def sealed(length: int) -> int:
    """Bytes of a sealed object (docs/format.md, section 6)."""
    return length + 16 * (length // (16 * KIB)) + 288 + 400 * min(length // (5 * MIB), 9998)


def longest(fits: Callable[[int], bool], most: int) -> int:
    """The largest number up to `most` for which `fits` holds, as it does for all below it."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


# --- objects in one PUT -----------------------------------------------------------------------------------------------------


def test_an_object_of_no_bytes(s3, bucket):
    empty = f'"{md5(b"")}"'
    assert s3.put_object(Bucket=bucket, Key="k", Body=b"")["ETag"] == empty
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (got["Body"].read(), got["ContentLength"], got["ETag"]) == (b"", 0, empty)
    assert s3.head_object(Bucket=bucket, Key="k")["ContentLength"] == 0
    row = s3.list_objects_v2(Bucket=bucket)["Contents"][0]
    assert (row["Size"], row["ETag"]) == (0, empty)
    for spec in ("bytes=0-", "bytes=0-0", "bytes=-1"):
        assert error_code(lambda spec=spec: s3.get_object(Bucket=bucket, Key="k", Range=spec)) == "InvalidRange"
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"})
    assert s3.head_object(Bucket=bucket, Key="copy")["ETag"] == empty
    put_in_parts(s3, bucket, "parts", [b""])
    assert s3.get_object(Bucket=bucket, Key="parts")["Body"].read() == b""


def first_word(endpoint: Endpoint, path: str, length: int, query: str = "") -> bytes:
    """What is said to a PUT of `length` bytes that waits for 100 before it sends any."""
    signed = sign(endpoint, "PUT", path, query)
    head = f"PUT {path}?{query} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in signed.headers.items())
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=20) as connection:
        connection.sendall(f"{head}content-length: {length}\r\nexpect: 100-continue\r\n\r\n".encode())
        return connection.recv(64 * KIB)


def test_one_put(target: Target, bucket):
    """5 GiB, as S3 has it."""
    path = object_path(bucket, "k")
    assert first_word(target.endpoint, path, 5 * GIB).startswith(b"HTTP/1.1 100 ")
    assert b"EntityTooLarge" in first_word(target.endpoint, path, 5 * GIB + 1)


@pytest.mark.vault
@pytest.mark.parametrize(("number", "most"), [(1, 5 * GIB - 8 * MIB), (9_999, 5 * GIB - 8 * MIB), (10_000, 5 * GIB - 16 * MIB)])
def test_one_part(target: Target, bucket, number, most):
    """8 MiB less than S3's, since a part passes the object store's limit once it is sealed; 16 MiB less where all that
    follows the last part goes with it."""
    uploading = Upload(target.s3, bucket)
    path, query = object_path(bucket, "k"), f"partNumber={number}&uploadId={quote(uploading.at['UploadId'], safe='')}"
    assert first_word(target.endpoint, path, most, query).startswith(b"HTTP/1.1 100 ")
    assert b"EntityTooLarge" in first_word(target.endpoint, path, most + 1, query)
    target.s3.abort_multipart_upload(**uploading.at)


@pytest.mark.gateway
@pytest.mark.parametrize("limit", [5 * MIB, 6 * MIB, 9 * MIB])
def test_what_sealing_takes_over_the_limit_of_one_put(make_gateway: Callable[..., Gateway], target: Target, limit):
    """It goes to the object store as a multipart upload, and the client sees no difference."""
    gateway = make_gateway({"backend.single_put_limit": str(limit)})
    s3, bucket = boto(gateway.endpoint), fresh("limit")
    s3.create_bucket(Bucket=bucket)
    most = longest(lambda length: sealed(length) <= limit, limit)
    for length in (most - 1, most, most + 1, limit, limit + 7 * MIB):
        data = noise(length, length)
        answer = raw(gateway.endpoint, "PUT", object_path(bucket, "k"), headers={"if-none-match": "*", "x-amz-meta-a": "b"}, body=data)
        assert (answer.status, answer.headers["etag"]) == (200, f'"{md5(data)}"'), answer
        refused = raw(gateway.endpoint, "PUT", object_path(bucket, "k"), headers={"if-none-match": "*"}, body=data)
        assert (refused.status, refused.code) == (412, "PreconditionFailed"), refused
        got = s3.get_object(Bucket=bucket, Key="k")
        assert (got["Body"].read() == data, got["ETag"], got["Metadata"]) == (True, f'"{md5(data)}"', {"a": "b"})
        if target.store is not None:
            stored = target.behind.head_object(Bucket=bucket, Key="k")
            assert stored["ContentLength"] == sealed(length)
            assert ("-" in stored["ETag"]) == (sealed(length) > limit), (length, stored["ETag"])
        s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"})
        s3.delete_object(Bucket=bucket, Key="k")
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == data


@pytest.mark.gateway
@pytest.mark.long
@pytest.mark.timeout(3600)
def test_five_gib(make_gateway: Callable[..., Gateway], target: Target):
    """The largest object of one PUT, and the largest part, to their last byte."""
    if target.backend == "garage":
        pytest.skip("two times 5 GiB once more show nothing new")
    gateway = make_gateway(alone=True)
    s3, bucket = boto(gateway.endpoint), fresh("limit")
    s3.create_bucket(Bucket=bucket)
    path = object_path(bucket, "k")
    upload(gateway.endpoint, path, 5 * GIB)
    assert download(gateway.endpoint, path) == (5 * GIB, digest(5 * GIB))
    s3.delete_object(Bucket=bucket, Key="k")
    most = 5 * GIB - 8 * MIB
    uploading = Upload(s3, bucket)
    uploading.etags[1] = upload(gateway.endpoint, path, most, f"partNumber=1&uploadId={quote(uploading.at['UploadId'], safe='')}")
    uploading.put(2, b"end")
    uploading.complete()
    assert s3.head_object(Bucket=bucket, Key="k")["ContentLength"] == most + 3
    got = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={most - 5}-")["Body"].read()
    assert got[-3:] == b"end" and len(got) == 8


# --- parts ------------------------------------------------------------------------------------------------------------------


def test_parts_1_and_10_000(s3, bucket):
    uploading = Upload(s3, bucket)
    parts = {1: noise(PART, 1), 10_000: noise(123, 2)}
    for number, part in parts.items():
        uploading.put(number, part)
    assert [row["PartNumber"] for row in s3.list_parts(**uploading.at)["Parts"]] == [1, 10_000]
    assert uploading.complete()["ETag"] == multipart_etag(list(parts.values()))
    assert uploading.object() == b"".join(parts.values())
    assert s3.get_object(Bucket=bucket, Key="k", PartNumber=10_000)["Body"].read() == parts[10_000]


@pytest.mark.gateway
@pytest.mark.parametrize("number", ["0", "10001", "-1", "65537", "x", "1.0", ""])
def test_numbers_that_no_part_has(target: Target, bucket, number):
    uploading = Upload(target.s3, bucket)
    path, at = object_path(bucket, "k"), f"uploadId={quote(uploading.at['UploadId'], safe='')}"
    for headers in ({}, {"x-amz-copy-source": f"{bucket}/source"}):
        answer = target.raw("PUT", path, query=f"partNumber={number}&{at}", headers=headers, body=b"" if headers else b"x")
        assert (answer.status, answer.code) == (400, "InvalidArgument"), answer
    # Under another key: Garage drops an upload when its key is written.
    target.s3.put_object(Bucket=bucket, Key="other", Body=b"x")
    if number:
        answer = target.raw("GET", object_path(bucket, "other"), query=f"partNumber={number}")
        assert (answer.status, answer.code) == (400, "InvalidArgument"), answer
        listed = f"<CompleteMultipartUpload><Part><PartNumber>{number}</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>"
        answer = target.raw("POST", path, query=at, body=listed.encode())
        assert answer.status == 400 and answer.code in ("InvalidArgument", "MalformedXML", "InvalidPart"), answer
    assert target.s3.list_parts(**uploading.at).get("Parts", []) == []


@pytest.mark.parametrize(("sizes", "taken"), [([PART, 1], True), ([PART, 0], True), ([1], True), ([0], True), ([PART - 1, PART], False), ([1, 1], False)])
def test_small_parts(s3, bucket, sizes, taken):
    """Under 5 MiB only the last may be."""
    uploading = Upload(s3, bucket)
    for number, size in enumerate(sizes, 1):
        uploading.put(number, noise(size, number))
    if taken:
        uploading.complete()
        assert len(uploading.object()) == sum(sizes)
    else:
        assert error_code(uploading.complete) == "EntityTooSmall"
        assert not uploading.exists()


@pytest.mark.gateway
@pytest.mark.long
@pytest.mark.timeout(1800)
def test_10_000_parts(target: Target, s3, bucket):
    """Uploaded, listed and named in one Complete. 10,000 parts of which an object can be made are 50 GiB, for which there is no
    room here: these are of one byte, and Complete refuses them for that, having read all of them."""
    uploading = Upload(s3, bucket)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: uploading.put(number, b"x"), range(1, 10_001)))
    listed = [row["PartNumber"] for page in s3.get_paginator("list_parts").paginate(**uploading.at) for row in page.get("Parts", [])]
    assert listed == list(range(1, 10_001))
    assert error_code(uploading.complete) == "EntityTooSmall"
    uploading.put(9_999, noise(PART, 1))
    assert error_code(lambda: uploading.complete(*range(1, 10_001))) == "EntityTooSmall"
    uploading.complete(9_999, 10_000)
    assert uploading.object() == noise(PART, 1) + b"x"


# --- names, metadata, tags, documents ---------------------------------------------------------------------------------------


def key_of(length: int) -> str:
    """A key of so many bytes. No segment is longer than a file name may be: MinIO keeps a key as a path."""
    return "/".join(["k" * 200] * 6)[:length]


def test_keys(target: Target, s3, bucket):
    most = key_of(1024)
    s3.put_object(Bucket=bucket, Key=most, Body=b"body")
    assert s3.get_object(Bucket=bucket, Key=most)["Body"].read() == b"body"
    assert [row["Key"] for row in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [most]
    s3.delete_object(Bucket=bucket, Key=most)
    for method in ("PUT", "GET", "DELETE"):
        answer = target.raw(method, object_path(bucket, key_of(1025)), body=b"body" if method == "PUT" else b"")
        assert (answer.status, answer.code) == (400, "KeyTooLongError"), (method, answer)


@pytest.mark.gateway
@pytest.mark.parametrize("names", [1, 5])
def test_user_metadata(target: Target, s3, bucket, names):
    """2 KiB of names and values, less the gateway's own header. MinIO counts the `x-amz-meta-` of every name too, directly as through
    the gateway."""
    prefix = len("x-amz-meta-") if target.backend == "minio" else 0
    room = 2 * KIB - OUR_METADATA - prefix - names * (prefix + len("n0"))
    values = {f"n{index}": "v" * (room // names) for index in range(names)}
    values["n0"] += "v" * (room % names)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata=values)
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == values
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="k", Metadata=values)["UploadId"]
    s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload_id)
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"}, Metadata=values, MetadataDirective="REPLACE")
    values["n0"] += "v"
    for write in (
        lambda: s3.put_object(Bucket=bucket, Key="k2", Body=b"x", Metadata=values),
        lambda: s3.create_multipart_upload(Bucket=bucket, Key="k2", Metadata=values),
        lambda: s3.copy_object(Bucket=bucket, Key="k2", CopySource={"Bucket": bucket, "Key": "k"}, Metadata=values, MetadataDirective="REPLACE"),
    ):
        assert error_code(write) == "MetadataTooLarge"
    assert [row["Key"] for row in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["copy", "k"]


@pytest.mark.needs("tagging")
def test_tags(s3, bucket):
    tags = {f"{index}".ljust(128, "k"): "v" * 256 for index in range(10)}
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging=urlencode(tags))
    assert {tag["Key"]: tag["Value"] for tag in s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"]} == tags
    more = tags | {"one": "more"}
    assert error_code(lambda: s3.put_object(Bucket=bucket, Key="k2", Body=b"x", Tagging=urlencode(more))) in ("BadRequest", "InvalidTag")
    rows = [{"Key": key, "Value": value} for key, value in more.items()]
    assert error_code(lambda: s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": rows})) in ("BadRequest", "InvalidTag")
    for key, value in (("k" * 129, "v"), ("k", "v" * 257)):
        assert error_code(lambda key=key, value=value: s3.put_object(Bucket=bucket, Key="k2", Body=b"x", Tagging=urlencode({key: value}))) == "InvalidTag"


def test_keys_to_delete_at_once(target: Target, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k0", Body=b"x")
    s3.put_object(Bucket=bucket, Key="k999", Body=b"x")

    def delete(count: int):
        xml = b"<Delete>" + b"".join(b"<Object><Key>k%d</Key></Object>" % index for index in range(count)) + b"</Delete>"
        return target.raw("POST", f"/{bucket}", query="delete=", headers={"content-md5": base64.b64encode(hashlib.md5(xml).digest()).decode()}, body=xml)

    refused = delete(1001)
    assert (refused.status, refused.code) == (400, "MalformedXML"), refused
    assert len(s3.list_objects_v2(Bucket=bucket)["Contents"]) == 2
    done = delete(1000)
    assert (done.status, done.body.count(b"<Deleted>"), done.body.count(b"<Error>")) == (200, 1000, 0), done
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_presigned_for_seven_days(endpoint: Endpoint, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"body")
    client, week = boto(endpoint, signature_version="s3v4"), 7 * 24 * 3600

    def status(seconds: int) -> int:
        url = client.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"}, ExpiresIn=seconds)
        connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=20)
        connection.request("GET", url.removeprefix(endpoint.url))
        return connection.getresponse().status

    assert status(week) == 200
    assert status(week + 1) in (400, 403)  # MinIO's and S3's answer, and that of Ceph RGW.
