"""Bad input: the S3 error, a bound that holds, nothing stored, and the server goes on."""

from __future__ import annotations

import base64
import hashlib
import socket
import time

import pytest

from clients import KIB, MIB, error_code, noise, object_path, raw, send_on_socket, sign


@pytest.fixture
def bucket(target, bucket):
    """Whatever a test here sends, its bucket is empty afterwards, at the backend too."""
    yield bucket
    for client in [target.s3] + ([target.behind] if target.store else []):
        listing = client.list_objects_v2(Bucket=bucket)
        assert "Contents" not in listing, listing["Contents"]
        assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket, Prefix="k")


@pytest.mark.parametrize("size", [9, 300_000, 6 * MIB])
def test_wrong_content_md5(target, bucket, size):
    header = {"content-md5": base64.b64encode(hashlib.md5(b"other").digest()).decode()}
    answer = target.raw("PUT", object_path(bucket, "k"), headers=header, body=noise(size))
    assert (answer.status, answer.code) == (400, "BadDigest"), answer


@pytest.mark.parametrize("value", ["not base64!", "AAAA", ""])
def test_malformed_content_md5(target, bucket, value):
    answer = target.raw("PUT", object_path(bucket, "k"), headers={"content-md5": value}, body=b"x")
    assert (answer.status, answer.code) == (400, "InvalidDigest"), answer


@pytest.mark.parametrize("size", [9, 300_000, 6 * MIB])
def test_wrong_sha256(target, bucket, size):
    answer = target.raw("PUT", object_path(bucket, "k"), body=noise(size), payload_hash=hashlib.sha256(b"other").hexdigest())
    assert (answer.status, answer.code) == (400, "XAmzContentSHA256Mismatch"), answer


@pytest.mark.parametrize("sent", [0, 10, 100_000, 6 * MIB - 1])
def test_short_body(target, bucket, sent):
    """The client declares 6 MiB, sends less and goes away: the upstream request is aborted, nothing appears, now or later."""
    endpoint, path = target.endpoint, object_path(bucket, "k")
    signed = sign(endpoint, "PUT", path)
    head = f"PUT {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in signed.headers.items())
    with socket.create_connection(("127.0.0.1", endpoint.port)) as connection:
        connection.sendall(f"{head}content-length: {6 * MIB}\r\n\r\n".encode() + noise(6 * MIB)[:sent])
        time.sleep(0.1)
    time.sleep(0.5)
    assert target.raw("HEAD", path).status == 404


def test_short_chunked_body(target, bucket):
    """x-amz-decoded-content-length promises more than the chunks hold."""
    from clients import chunked

    path = object_path(bucket, "k")
    headers = {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": "200000"}
    signature = sign(target.endpoint, "PUT", path, "", headers, payload_hash="STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
    body = chunked(noise(100_000), signature=signature)
    answer = raw(target.endpoint, "PUT", path, headers=signature.headers, body=body, signed=False)
    assert answer.status == 400, answer
    assert answer.code in ("IncompleteBody", "InvalidRequest", "InvalidArgument"), answer


@pytest.mark.vault
def test_no_length(target, bucket):
    """A PUT with neither Content-Length nor chunked coding has no body to store."""
    endpoint, path = target.endpoint, object_path(bucket, "k")
    signed = sign(endpoint, "PUT", path)
    head = f"PUT {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in signed.headers.items())
    answer = send_on_socket(endpoint, iter([f"{head}connection: close\r\n\r\n".encode()]), 10)
    assert b" 411 " in answer.split(b"\r\n")[0], answer[:500]
    assert b"MissingContentLength" in answer


@pytest.mark.parametrize("what", ["object", "part"])
def test_too_long(target, bucket, what):
    """More than 5 GiB in one PUT or one part is refused from its length alone."""
    from urllib.parse import quote

    endpoint, path, query = target.endpoint, object_path(bucket, "k"), ""
    if what == "part":
        upload = target.s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
        query = f"partNumber=1&uploadId={quote(upload, safe='')}"
    signed = sign(endpoint, "PUT", path, query)
    head = f"PUT {path}?{query} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in signed.headers.items())
    started = time.monotonic()
    answer = send_on_socket(endpoint, iter([f"{head}content-length: {6 * 1024**4}\r\nconnection: close\r\n\r\n".encode()]), 20)
    assert b"EntityTooLarge" in answer, answer[:500]
    assert time.monotonic() - started < 15
    if what == "part":
        target.s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload)


def test_oversized_metadata(target, bucket):
    """S3's bound on user metadata is 2 KiB; some stores allow a little more, none a megabyte."""
    answer = target.raw("PUT", object_path(bucket, "k"), headers={"x-amz-meta-long": "x" * 40_000}, body=b"x")
    assert 400 <= answer.status < 500, answer
    assert answer.code in ("MetadataTooLarge", "RequestHeaderSectionTooLarge", "") or answer.status == 431, answer


def test_oversized_header(target, bucket):
    endpoint = target.endpoint
    request = f"GET /{bucket} HTTP/1.1\r\nhost: {endpoint.host}\r\nx-long: ".encode()
    answer = send_on_socket(endpoint, iter([request, *([b"x" * MIB] * 8), b"\r\n\r\n"]), 20)
    assert not answer or answer.split(b"\r\n")[0].split()[1][:1] == b"4", answer[:300]
    assert target.raw("GET", f"/{bucket}", query="list-type=2").status == 200


def test_100_000_headers(target, bucket):
    endpoint = target.endpoint
    pieces = [f"GET /{bucket} HTTP/1.1\r\nhost: {endpoint.host}\r\n".encode()]
    pieces += ["".join(f"x-h{row}-{column}: v\r\n" for column in range(1000)).encode() for row in range(100)] + [b"\r\n"]
    answer = send_on_socket(endpoint, iter(pieces), 20)
    assert not answer or answer.split(b"\r\n")[0].split()[1][:1] == b"4", answer[:300]
    assert target.raw("GET", f"/{bucket}", query="list-type=2").status == 200


@pytest.mark.gateway
def test_slow_loris(make_gateway):
    """200 connections that send a byte now and then keep nobody else out, and are closed in the end."""
    endpoint = make_gateway({"server.header_read_timeout": "3s"}).endpoint
    slow = [socket.create_connection(("127.0.0.1", endpoint.port)) for _ in range(200)]
    try:
        for connection in slow:
            connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nx-slow: ")
        started = time.monotonic()
        assert raw(endpoint, "GET", "/").status == 200
        assert time.monotonic() - started < 2
        deadline, left = time.monotonic() + 15, list(slow)
        while left and time.monotonic() < deadline:
            for connection in list(left):
                try:
                    connection.sendall(b"x")
                    connection.setblocking(False)
                    if connection.recv(1024) == b"":
                        left.remove(connection)
                except BlockingIOError:
                    pass
                except OSError:
                    left.remove(connection)
                finally:
                    connection.setblocking(True)
            time.sleep(0.5)
        assert not left, f"{len(left)} of {len(slow)} connections that never send a whole head are still open after 15 s"
    finally:
        for connection in slow:
            connection.close()


def test_unknown_bucket(s3):
    name = "no-such-bucket-here"
    for call in (
        lambda: s3.get_object(Bucket=name, Key="k"),
        lambda: s3.put_object(Bucket=name, Key="k", Body=b"x"),
        lambda: s3.delete_object(Bucket=name, Key="k"),
        lambda: s3.list_objects_v2(Bucket=name),
        lambda: s3.create_multipart_upload(Bucket=name, Key="k"),
    ):
        assert error_code(call) == "NoSuchBucket"


@pytest.mark.parametrize("name", ["ab", "Upper-Case", "under_score", "dot..dot", "-dash", "1.2.3.4", "x" * 64])
def test_bad_bucket_names(target, name):
    answer = target.raw("PUT", f"/{name}")
    assert (answer.status, answer.code) == (400, "InvalidBucketName"), answer


MALFORMED = [b"", b"<", b"not xml", b"<Delete>", b"<Delete><Object></Delete>", b"\xff\xfe\x00", b"<CompleteMultipartUpload>", b"<a>" * 10_000,
             b'<!DOCTYPE x [<!ENTITY a "b">]><Delete><Object><Key>&a;</Key></Object></Delete>']  # fmt: skip

REFUSALS = [(400, "MalformedXML"), (400, "InvalidRequest"), (400, "MissingRequestBodyError"), (411, "MissingContentLength")]


@pytest.mark.parametrize("index", range(len(MALFORMED)))
def test_malformed_xml(target, bucket, index):
    xml = MALFORMED[index]
    digest = {"content-md5": base64.b64encode(hashlib.md5(xml).digest()).decode()}
    answer = target.raw("POST", f"/{bucket}", query="delete=", headers=digest, body=xml)
    assert (answer.status, answer.code) in REFUSALS, answer
    upload = target.s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    from urllib.parse import quote

    answer = target.raw("POST", object_path(bucket, "k"), query=f"uploadId={quote(upload, safe='')}", body=xml)
    assert (answer.status, answer.code) in REFUSALS, answer
    target.s3.abort_multipart_upload(Bucket=bucket, Key="k", UploadId=upload)


def test_a_large_xml_body(target, bucket):
    """A megabyte-sized bound on bodies that are parsed."""
    xml = b"<Delete>" + b"<Object><Key>k</Key></Object>" * 500_000 + b"</Delete>"
    digest = {"content-md5": base64.b64encode(hashlib.md5(xml).digest()).decode()}
    answer = target.raw("POST", f"/{bucket}", query="delete=", headers=digest, body=xml)
    assert 400 <= answer.status < 500, answer


@pytest.mark.gateway
@pytest.mark.parametrize("value", ["bad", "AAAA", "AAAAAA", "AAAAAAAA", "AAAAAA==-1", "!!!!!!=="])
def test_a_checksum_that_is_none(target, bucket, value):
    """As one that is wrong: base64 of four bytes, or the request is refused."""
    answer = target.raw("PUT", object_path(bucket, "k"), headers={"x-amz-checksum-crc32": value}, body=b"x")
    assert (answer.status, answer.code) == (400, "BadDigest"), answer
    assert "Contents" not in target.s3.list_objects_v2(Bucket=bucket)


def test_more_than_1000_keys_to_delete(target, bucket):
    xml = b"<Delete>" + b"".join(b"<Object><Key>k%d</Key></Object>" % index for index in range(1001)) + b"</Delete>"
    digest = {"content-md5": base64.b64encode(hashlib.md5(xml).digest()).decode()}
    answer = target.raw("POST", f"/{bucket}", query="delete=", headers=digest, body=xml)
    assert (answer.status, answer.code) == (400, "MalformedXML"), answer


def test_a_key_that_is_too_long(target, bucket):
    answer = target.raw("PUT", object_path(bucket, "/".join(["k" * 100] * 11)), body=b"x")
    assert (answer.status, answer.code) == (400, "KeyTooLongError"), answer


def test_what_is_not_http(target, bucket):
    for junk in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + noise(KIB), b"\r\n" * 5000, b"GET\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
        send_on_socket(target.endpoint, iter([junk]), 3)
    assert target.raw("GET", f"/{bucket}", query="list-type=2").status == 200


def test_conflicting_lengths(target, bucket):
    """Request smuggling: two lengths, or a length and a transfer coding, are never both believed."""
    endpoint, path = target.endpoint, object_path(bucket, "k")
    signed = sign(endpoint, "PUT", path)
    head = f"PUT {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in signed.headers.items())
    for lengths in ("content-length: 4\r\ncontent-length: 5\r\n", "content-length: 4, 5\r\n", "content-length: -1\r\n", "content-length: 4x\r\n", "content-length: +4\r\n"):
        answer = send_on_socket(endpoint, iter([f"{head}{lengths}connection: close\r\n\r\nbody!".encode()]), 10)
        assert b" 200 " not in answer.split(b"\r\n")[0], (lengths, answer[:200])
