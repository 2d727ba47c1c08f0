"""One object through boto3: bodies, sizes, ETags, ranges, conditions."""

from __future__ import annotations

import base64
import hashlib
import random
from datetime import UTC, datetime, timedelta

import pytest
from boto3.s3.transfer import TransferConfig

from clients import KIB, MIB, chunked, crc32, error_code, md5, multipart_etag, noise, object_path, put_in_parts, raw, read_range, sign

def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


SIZES = [
    0, 1, 16 * KIB - 1, 16 * KIB, 16 * KIB + 1, 32 * KIB, 200_000, MIB, MIB + 1,
    5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 10 * MIB, 64 * MIB,
]  # fmt: skip


@pytest.mark.parametrize("size", SIZES)
def test_put_get_head_list(s3, bucket, size):
    """What goes in comes out; PUT, GET, HEAD and LIST agree on size and ETag, and the ETag is the MD5 of the plaintext."""
    data = noise(size, size)
    etag = f'"{md5(data)}"'
    assert s3.put_object(Bucket=bucket, Key="k", Body=data)["ETag"] == etag
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == data
    head = s3.head_object(Bucket=bucket, Key="k")
    for answer in (got, head):
        assert (answer["ContentLength"], answer["ETag"]) == (size, etag)
        assert answer["AcceptRanges"] == "bytes"
    rows = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert [(row["Key"], row["Size"], row["ETag"]) for row in rows] == [("k", size, etag)]
    assert abs(head["LastModified"] - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("size", [5 * MIB, 5 * MIB + 1, 13 * MIB, 64 * MIB])
def test_upload_file_in_parts(s3, bucket, tmp_path, size):
    """boto3's transfer manager: parallel parts up, parallel ranges down."""
    data, part = noise(size, size), 5 * MIB
    config = TransferConfig(multipart_threshold=part, multipart_chunksize=part, max_concurrency=6)
    (tmp_path / "up").write_bytes(data)
    s3.upload_file(str(tmp_path / "up"), bucket, "k", Config=config)
    s3.download_file(bucket, "k", str(tmp_path / "down"), Config=config)
    assert (tmp_path / "down").read_bytes() == data
    head = s3.head_object(Bucket=bucket, Key="k")
    assert head["ContentLength"] == size
    assert head["ETag"] == multipart_etag([data[at : at + part] for at in range(0, size, part)])
    row = s3.list_objects_v2(Bucket=bucket)["Contents"][0]
    assert (row["Size"], row["ETag"]) == (size, head["ETag"])


def range_cases(size: int, count: int, seed: int) -> list[tuple[str, int, int]]:
    """`count` satisfiable ranges in S3's three forms: the header, first byte, end."""
    dice = random.Random(seed)
    edges = [at + step for at in (16 * KIB, 5 * MIB, 10 * MIB, size) for step in (-1, 0, 1) if 0 <= at + step < size]
    cases = []
    for index in range(count):
        first = dice.choice(edges) if index % 5 == 0 else dice.randrange(size)
        match index % 3:
            case 0:
                last = dice.randrange(first, min(size + 10, first + dice.choice([1, 100, 20_000, 3 * MIB])) + 1)
                cases.append((f"bytes={first}-{last}", first, min(last + 1, size)))
            case 1:
                cases.append((f"bytes={first}-", first, size))
            case _:
                tail = dice.randrange(1, size + 1)
                cases.append((f"bytes=-{tail}", size - tail, size))
    return cases


@pytest.mark.parametrize("kind", ["single", "multipart"])
def test_200_random_ranges(endpoint, s3, bucket, kind):
    """Ranges over chunk and part boundaries, byte for byte, with the right Content-Range."""
    parts = [noise(5 * MIB + 7, 1), noise(5 * MIB, 2), noise(16 * KIB, 3)]
    data = b"".join(parts)
    if kind == "single":
        s3.put_object(Bucket=bucket, Key="k", Body=data)
    else:
        put_in_parts(s3, bucket, "k", parts)
    for spec, first, end in range_cases(len(data), 200, 7):
        answer = read_range(endpoint, bucket, "k", spec)
        assert answer.status == 206, f"{spec}: {answer}"
        assert answer.headers["content-range"] == f"bytes {first}-{end - 1}/{len(data)}", spec
        assert int(answer.headers["content-length"]) == end - first, spec
        assert answer.body == data[first:end], spec


@pytest.mark.parametrize(
    ("size", "spec", "status"),
    [
        (100, "bytes=100-", 416),
        (100, "bytes=100-200", 416),
        (100, "bytes=-0", 416),
        (0, "bytes=0-", 416),
        (0, "bytes=0-0", 416),
        (100, "bytes=0-99", 206),
        (100, "bytes=-1000", 206),
        (100, "bytes=50-1000", 206),
        (100, "lines=1-2", 200),
        (100, "bytes=9-1", 200),
        (100, "bytes=a-b", 200),
    ],
)
def test_range_edges(endpoint, s3, bucket, size, spec, status):
    """An unsatisfiable range is InvalidRange and nothing else; what is no byte range is ignored, as RFC 9110 14.2 has it."""
    data = noise(size, 5)
    s3.put_object(Bucket=bucket, Key="k", Body=data)
    answer = read_range(endpoint, bucket, "k", spec)
    assert answer.status == status, answer
    if status == 416:
        assert answer.code == "InvalidRange"
        assert data not in answer.body or not data
    elif status == 200:
        assert answer.body == data


def test_range_of_head(s3, bucket):
    """HEAD with a range answers for the range."""
    s3.put_object(Bucket=bucket, Key="k", Body=noise(50_000))
    head = s3.head_object(Bucket=bucket, Key="k", Range="bytes=16000-17999")
    assert (head["ContentLength"], head["ContentRange"]) == (2000, "bytes 16000-17999/50000")


def test_conditions_of_reads(s3, bucket):
    """If-Match, If-None-Match and the dates decide on the plaintext ETag, for GET and HEAD alike."""
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"body")["ETag"]
    past, future = datetime(2001, 1, 1, tzinfo=UTC), datetime.now(UTC) + timedelta(days=1)
    other = '"00000000000000000000000000000000"'
    for read, failed in ((s3.get_object, "PreconditionFailed"), (s3.head_object, "412")):
        for holds in ({"IfMatch": etag}, {"IfNoneMatch": other}, {"IfModifiedSince": past}, {"IfUnmodifiedSince": future}):
            assert read(Bucket=bucket, Key="k", **holds)["ETag"] == etag, holds
        for fails in ({"IfMatch": other}, {"IfUnmodifiedSince": past}):
            assert error_code(lambda: read(Bucket=bucket, Key="k", **fails)) == failed, fails
        for unchanged in ({"IfNoneMatch": etag}, {"IfNoneMatch": "*"}, {"IfNoneMatch": etag, "IfModifiedSince": past}):
            assert error_code(lambda: read(Bucket=bucket, Key="k", **unchanged)) == "304", unchanged
        # RFC 9110 13.2.2: an entity tag that holds wins over a date that does not.
        assert read(Bucket=bucket, Key="k", IfMatch=etag, IfUnmodifiedSince=past)["ETag"] == etag


def test_if_match_without_quotes(endpoint, s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"body")["ETag"]
    bare = etag.strip('"')
    assert raw(endpoint, "GET", object_path(bucket, "k"), headers={"if-match": bare}).status == 200
    assert raw(endpoint, "GET", object_path(bucket, "k"), headers={"if-none-match": bare}).status == 304


def test_conditional_put(s3, bucket):
    """If-None-Match: * makes a key once; If-Match replaces exactly what was read."""
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"one", IfNoneMatch="*")["ETag"]
    assert error_code(lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"two", IfNoneMatch="*")) == "PreconditionFailed"
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"one"
    s3.put_object(Bucket=bucket, Key="k", Body=b"three", IfMatch=first)
    assert error_code(lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"four", IfMatch=first)) == "PreconditionFailed"
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"three"


def test_overwrite_and_delete(s3, bucket):
    """A key holds what was written last; a deleted key is NoSuchKey; deleting it again is no error."""
    for size in (10, 70_000, 0, 16 * KIB):
        data = noise(size, size)
        s3.put_object(Bucket=bucket, Key="k", Body=data)
        assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == data
    s3.delete_object(Bucket=bucket, Key="k")
    assert error_code(lambda: s3.get_object(Bucket=bucket, Key="k")) == "NoSuchKey"
    assert error_code(lambda: s3.head_object(Bucket=bucket, Key="k")) == "404"
    s3.delete_object(Bucket=bucket, Key="k")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_delete_objects(s3, bucket):
    for index in range(20):
        s3.put_object(Bucket=bucket, Key=f"d/{index}", Body=b"x")
    names = [{"Key": f"d/{index}"} for index in range(0, 20, 2)] + [{"Key": "never was"}]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": names})
    assert sorted(row["Key"] for row in answer["Deleted"]) == sorted(row["Key"] for row in names)
    left = [row["Key"] for row in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert sorted(left) == sorted(f"d/{index}" for index in range(1, 20, 2))
    quiet = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in left], "Quiet": True})
    assert "Deleted" not in quiet
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_checksums_are_kept(s3, bucket, algorithm):
    """A checksum sent by boto3 is verified, kept, and returned to who asks for it: that of the plaintext."""
    data = noise(100_000, algorithm)
    put = s3.put_object(Bucket=bucket, Key="k", Body=data, ChecksumAlgorithm=algorithm)
    name = f"Checksum{algorithm}"
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert put[name] == head[name] == s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")[name]


CHECK_BYTES = b"123456789"
CHECKSUMS = {  # The catalogued check values of the CRCs.
    "crc32": (0xCBF43926).to_bytes(4, "big"),
    "crc32c": (0xE3069283).to_bytes(4, "big"),
    "crc64nvme": (0xAE8B14860A799888).to_bytes(8, "big"),
    "sha1": hashlib.sha1(CHECK_BYTES).digest(),
    "sha256": hashlib.sha256(CHECK_BYTES).digest(),
}


@pytest.mark.parametrize("name", CHECKSUMS)
def test_checksum_header(endpoint, bucket, name):
    """A right checksum is stored and returned; with one bit off nothing is stored."""
    right = CHECKSUMS[name]
    wrong = bytes([right[0] ^ 1]) + right[1:]
    path, header = object_path(bucket, "k"), f"x-amz-checksum-{name}"
    answer = raw(endpoint, "PUT", path, headers={header: b64(wrong)}, body=CHECK_BYTES)
    assert (answer.status, raw(endpoint, "HEAD", path).status) == (400, 404), answer
    assert answer.code in ("BadDigest", "XAmzContentChecksumMismatch"), answer
    assert raw(endpoint, "PUT", path, headers={header: b64(right)}, body=CHECK_BYTES).status == 200
    read = raw(endpoint, "GET", path, headers={"x-amz-checksum-mode": "ENABLED"})
    assert (read.body, read.headers[header]) == (CHECK_BYTES, b64(right))


CHUNKED = {
    "unsigned-trailer": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "signed": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "signed-trailer": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
}


def chunked_put(endpoint, path: str, data: bytes, kind: str, checksum: str | None = None, damage: bool = False):
    headers = {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(len(data))}
    trailer = None
    if kind.endswith("trailer"):
        headers["x-amz-trailer"] = "x-amz-checksum-crc32"
        trailer = ("x-amz-checksum-crc32", checksum or crc32(data))
    signature = sign(endpoint, "PUT", path, "", headers, payload_hash=CHUNKED[kind])
    body = chunked(data, 64 * KIB, signature if kind.startswith("signed") else None, trailer, damage)
    return raw(endpoint, "PUT", path, headers=signature.headers, body=body, signed=False)


@pytest.mark.parametrize("kind", CHUNKED)
@pytest.mark.parametrize("size", [0, 1, 64 * KIB, 300_000])
def test_aws_chunked(endpoint, s3, bucket, kind, size):
    """The three forms of aws-chunked; the transfer coding is not stored as the object's Content-Encoding."""
    data = noise(size, kind)
    answer = chunked_put(endpoint, object_path(bucket, "k"), data, kind)
    assert answer.status == 200, answer
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == data
    assert got["ETag"] == f'"{md5(data)}"'
    assert got.get("ContentEncoding", "") == ""


@pytest.mark.parametrize(("kind", "code"), [("signed", "SignatureDoesNotMatch"), ("signed-trailer", "SignatureDoesNotMatch")])
def test_aws_chunked_with_a_wrong_chunk(endpoint, bucket, kind, code):
    """A chunk that is not what was signed: refused, nothing stored."""
    path = object_path(bucket, "k")
    answer = chunked_put(endpoint, path, noise(300_000), kind, damage=True)
    assert (answer.status, answer.code) == (403, code), answer
    assert raw(endpoint, "HEAD", path).status == 404


@pytest.mark.parametrize("kind", ["unsigned-trailer", "signed-trailer"])
def test_aws_chunked_with_a_wrong_trailer(endpoint, bucket, kind):
    """The checksum in the trailer comes after all bytes were sent on: still nothing is stored."""
    path = object_path(bucket, "k")
    answer = chunked_put(endpoint, path, noise(300_000), kind, checksum=crc32(b"other"))
    assert answer.status == 400, answer
    assert answer.code in ("BadDigest", "XAmzContentChecksumMismatch"), answer
    assert raw(endpoint, "HEAD", path).status == 404
