"""Whoever owns the storage changes what is stored: the gateway refuses it and serves none of it."""

from __future__ import annotations

import http.client
import random
from pathlib import Path

import pytest

from clients import MIB, Target, boto, fresh, noise, object_path, put_in_parts, raw
from servers import files_under
from stored import SALT_AND_COMMITMENT, SEALED_CHUNK, TRAILER, Stored, message_length, newest_part, sealed_length

pytestmark = pytest.mark.gateway


def refused(target: Target, bucket: str, key: str, original: bytes, ranges: bool = True) -> None:
    """GET ends in an error, before or within the body; what was sent until then is authentic. So do ranges to the end."""
    for spec in [None, "bytes=0-", f"bytes=-{len(original)}"] if ranges and original else [None]:
        try:
            answer = raw(target.endpoint, "GET", object_path(bucket, key), headers={"range": spec} if spec else {})
        except http.client.IncompleteRead as broken:
            assert original.startswith(broken.partial)
            continue
        except (http.client.RemoteDisconnected, ConnectionResetError):
            continue
        assert answer.status >= 400, f"{answer.status} with {len(answer.body)} bytes for {spec}"
        assert answer.code
        assert original[:16] not in answer.body or not original


def flip(data: bytes, at: int) -> bytes:
    at %= len(data)
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def chunk_at(index: int) -> int:
    return SALT_AND_COMMITMENT + index * SEALED_CHUNK


DAMAGE = {
    "salt": lambda data: flip(data, 3),
    "commitment": lambda data: flip(data, 30),
    "first chunk": lambda data: flip(data, chunk_at(0) + 5),
    "second chunk": lambda data: flip(data, chunk_at(1) + 5),
    "a tag": lambda data: flip(data, chunk_at(1) - 1),
    "last chunk": lambda data: flip(data, -TRAILER - 20),
    "cut in the last chunk": lambda data: data[: -TRAILER - 1],
    "cut at a chunk": lambda data: data[: chunk_at(3)],
    "cut off a chunk": lambda data: data[: chunk_at(3) + 100],
    "a chunk taken out": lambda data: data[: chunk_at(2)] + data[chunk_at(3) :],
    "a chunk twice": lambda data: data[: chunk_at(3)] + data[chunk_at(2) :],
    "two chunks exchanged": lambda data: data[: chunk_at(1)] + data[chunk_at(2) : chunk_at(3)] + data[chunk_at(1) : chunk_at(2)] + data[chunk_at(3) :],
    "first byte gone": lambda data: data[1:],
    "empty": lambda _: b"",
    "zeros": lambda data: bytes(len(data)),
}
DAMAGE_OF_THE_TRAILER = {
    "summary": lambda data: flip(data, -TRAILER + 60),
    "footer magic": lambda data: flip(data, -1),
    "footer": lambda data: flip(data, -10),
    "cut by one byte": lambda data: data[:-1],
    "trailer gone": lambda data: data[:-TRAILER],
    "a byte more": lambda data: data + b"\0",
    "a chunk's length more": lambda data: data + bytes(SEALED_CHUNK),
    "trailer twice": lambda data: data + data[-TRAILER:],
}


@pytest.mark.parametrize("what", DAMAGE)
@pytest.mark.parametrize("size", [100_000, 3 * MIB])
def test_damaged_body(target, bucket, what, size):
    size += random.SystemRandom().randrange(50_000)  # A size of its own: see Stored.
    data = noise(size, what)
    target.s3.put_object(Bucket=bucket, Key="k", Body=data)
    stored = Stored(target, bucket)
    sealed = stored.read("k", size)
    assert len(sealed) == sealed_length(size)
    stored.write("k", size, DAMAGE[what](sealed))
    refused(target, bucket, "k", data)
    if target.store is not None:
        stored.write("k", size, sealed)
        assert target.s3.get_object(Bucket=bucket, Key="k")["Body"].read() == data, "put back, it opens again"


@pytest.mark.parametrize("what", DAMAGE_OF_THE_TRAILER)
def test_damaged_trailer(target, bucket, what):
    """A store that wrote the object anew gave it another ETag, so what the sidecar knew does not answer for it."""
    if target.store is None:
        pytest.skip("a file of `local` changed in place keeps its ETag, and its facts are taken from the sidecar")
    data = noise(100_000, what)
    target.s3.put_object(Bucket=bucket, Key="k", Body=data)
    stored = Stored(target, bucket)
    stored.write("k", len(data), DAMAGE_OF_THE_TRAILER[what](stored.read("k", len(data))))
    refused(target, bucket, "k", data)


@pytest.mark.parametrize("headers_too", [True, False], ids=["with their headers", "bodies only"])
def test_two_objects_exchanged(target, bucket, headers_too):
    if target.store is None:
        pytest.skip("headers of `local` are in its index")
    bodies = {key: noise(50_000, key) for key in ("a", "b")}
    for key, data in bodies.items():
        target.s3.put_object(Bucket=bucket, Key=key, Body=data)
    stored = Stored(target, bucket)
    was = {key: (stored.read(key, 50_000), stored.headers(key)) for key in bodies}
    for key, other in (("a", "b"), ("b", "a")):
        stored.put(key, was[other][0], was[other if headers_too else key][1])
    for key, other in (("a", "b"), ("b", "a")):
        refused(target, bucket, key, bodies[other])
    stored.put("c", *was["a"])
    refused(target, bucket, "c", bodies["a"])
    other_bucket = fresh("elsewhere")
    target.s3.create_bucket(Bucket=other_bucket)
    target.s3.put_object(Bucket=other_bucket, Key="x", Body=b"makes the bucket a key of its own")
    Stored(target, other_bucket).put("a", *was["a"])
    refused(target, other_bucket, "a", bodies["a"])


def test_contents_of_two_local_objects_exchanged(target, bucket):
    if target.store is not None:
        pytest.skip("for files of `local`")
    sizes = [40_000 + random.SystemRandom().randrange(9_000) for _ in range(2)]
    for key, size in zip("ab", sizes, strict=True):
        target.s3.put_object(Bucket=bucket, Key=key, Body=noise(size, key))
    stored = Stored(target, bucket)
    a, b = (stored.read(key, size) for key, size in zip("ab", sizes, strict=True))
    path_a, path_b = (stored._blob(size) for size in sizes)
    path_a.write_bytes(b)
    path_b.write_bytes(a)
    refused(target, bucket, "a", noise(sizes[1], "b"))
    refused(target, bucket, "b", noise(sizes[0], "a"))


def files_of(target: Target, size: int) -> list[Path]:
    """The blobs of that very size in backend `local`."""
    return [path for path in files_under(target.gateway.data) if path.stat().st_size == size]


def test_parts_reordered(target, bucket):
    size = 5 * MIB + random.SystemRandom().randrange(MIB)
    parts = [noise(size, 1), noise(size, 2), noise(77, 3)]
    put_in_parts(target.s3, bucket, "k", parts)
    stored, total = Stored(target, bucket), 2 * size + 77
    if target.store is None:  # Each part is a file.
        one, other = files_of(target, message_length(size))
        was = one.read_bytes()
        one.write_bytes(other.read_bytes())
        other.write_bytes(was)
        refused(target, bucket, "k", b"".join(parts))
        return
    sealed, part = stored.read("k", total), message_length(size)
    assert len(sealed) == sealed_length(total)
    stored.write("k", total, sealed[part : 2 * part] + sealed[:part] + sealed[2 * part :])
    refused(target, bucket, "k", b"".join(parts))


@pytest.mark.needs("files")
def test_a_part_of_an_older_try(target, bucket):
    """Part 1 was uploaded twice; the store puts the ciphertext of the first try back. Same object, same part number, sealed by us."""
    if target.backend == "garage":
        pytest.skip("the file format of Garage is not known here")
    size = 5 * MIB + random.SystemRandom().randrange(MIB)
    s3, at = target.s3, {"Bucket": bucket, "Key": "k"}
    at["UploadId"] = s3.create_multipart_upload(**at)["UploadId"]
    s3.upload_part(**at, PartNumber=1, Body=noise(size, "old"))
    old = newest_part(target, 1, size)
    first = s3.upload_part(**at, PartNumber=1, Body=noise(size, "new"))["ETag"]
    last = s3.upload_part(**at, PartNumber=2, Body=b"tail")["ETag"]
    parts = [{"PartNumber": 1, "ETag": first}, {"PartNumber": 2, "ETag": last}]
    s3.complete_multipart_upload(**at, MultipartUpload={"Parts": parts})
    whole = noise(size, "new") + b"tail"
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == whole
    if target.store is None:  # Each part is a file.
        (file,) = files_of(target, len(old))
        assert file.read_bytes() != old
        file.write_bytes(old)
        refused(target, bucket, "k", whole)
        return
    stored = Stored(target, bucket)
    sealed = stored.read("k", len(whole))
    assert len(old) == message_length(size)
    assert not sealed.startswith(old)
    stored.write("k", len(whole), old + sealed[len(old) :])
    refused(target, bucket, "k", whole)


def change(headers: dict, **more) -> dict:
    return headers | more


CHANGED_HEADERS = {
    "value": lambda h: change(h, Metadata=h["Metadata"] | {"licence": "public domain"}),
    "added": lambda h: change(h, Metadata=h["Metadata"] | {"more": "1"}),
    "removed": lambda h: change(h, Metadata={name: value for name, value in h["Metadata"].items() if name != "licence"}),
    "content type": lambda h: change(h, ContentType="text/html"),
    "content encoding": lambda h: change(h, ContentEncoding="gzip"),
    "disposition": lambda h: change(h, ContentDisposition="inline"),
    "stripped header": lambda h: change(h, Metadata={name: value for name, value in h["Metadata"].items() if name != "dv1"}),
    "all metadata stripped": lambda h: change(h, Metadata={}),
    "header cut": lambda h: change(h, Metadata=h["Metadata"] | {"dv1": h["Metadata"]["dv1"][:-8]}),
    "header altered": lambda h: change(h, Metadata=h["Metadata"] | {"dv1": h["Metadata"]["dv1"][:120] + "AAAA" + h["Metadata"]["dv1"][124:]}),
    "header empty": lambda h: change(h, Metadata=h["Metadata"] | {"dv1": "A"}),
}


@pytest.mark.parametrize("what", CHANGED_HEADERS)
def test_changed_headers(target, bucket, what):
    if target.store is None:
        pytest.skip("headers of `local` are in its index")
    data = noise(40_000, what)
    target.s3.put_object(Bucket=bucket, Key="k", Body=data, ContentType="text/plain", ContentDisposition="attachment", ContentEncoding="identity", Metadata={"licence": "CC-BY"})
    stored = Stored(target, bucket)
    headers = stored.headers("k")
    assert "dv1" in headers["Metadata"], "the object is sealed"
    stored.put("k", stored.read("k", len(data)), CHANGED_HEADERS[what](headers))
    refused(target, bucket, "k", data)
    for answer in (target.raw("HEAD", object_path(bucket, "k")), target.raw("PUT", object_path(bucket, "copy"), headers={"x-amz-copy-source": object_path(bucket, "k")})):
        assert answer.status >= 400 or what not in ("stripped header", "all metadata stripped"), answer
    if target.raw("HEAD", object_path(bucket, "copy")).status == 200:
        refused(target, bucket, "copy", data)


def test_an_object_from_an_older_life_of_the_key(target, bucket):
    """Going back to an older object under the same key cannot be told from a restore; it must open whole, or be refused."""
    if target.store is None:
        pytest.skip("for a store of its own")
    target.s3.put_object(Bucket=bucket, Key="k", Body=b"old")
    stored = Stored(target, bucket)
    old = stored.read("k", 3), stored.headers("k")
    target.s3.put_object(Bucket=bucket, Key="k", Body=noise(30_000))
    stored.put("k", *old)
    got = target.s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == b"old"
    assert got["ContentLength"] == boto(target.endpoint).head_object(Bucket=bucket, Key="k")["ContentLength"] == 3


def test_plaintext_put_by_the_backend(target, bucket):
    """In a sealed bucket an object without our header is refused, however it looks."""
    if target.store is None:
        pytest.skip("for a store of its own")
    target.s3.put_object(Bucket=bucket, Key="good", Body=b"x")
    for size in (0, 3, 288, 40_000):
        target.behind.put_object(Bucket=bucket, Key=f"plain{size}", Body=noise(size))
        refused(target, bucket, f"plain{size}", noise(size))
