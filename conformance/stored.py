"""Reaches behind the gateway, as one who owns the storage could: reads and changes what is stored."""

from __future__ import annotations

from pathlib import Path

from clients import KIB, MIB, Target
from servers import files_under

CHUNK = 16 * KIB
SEALED_CHUNK = CHUNK + 16
SALT_AND_COMMITMENT = 24 + 32
TRAILER = 200 + 16


def message_length(plain: int) -> int:
    """Length of one Cobblestone-256 message: salt, commitment, chunks of 16 KiB each with a tag, the last one short."""
    return SALT_AND_COMMITMENT + plain + 16 * (plain // CHUNK + 1)


def sealed_length(plain: int) -> int:
    """`g(P)` of the format."""
    return plain + 16 * (plain // CHUNK) + 288 + 400 * min(plain // (5 * MIB), 9998)


class Stored:
    """The stored form of objects in one bucket: over S3 for a store of its own, in files for backend `local`."""

    def __init__(self, target: Target, bucket: str) -> None:
        self.target, self.bucket = target, bucket

    def read(self, key: str, plain: int) -> bytes:
        """The ciphertext of an object of `plain` bytes."""
        if self.target.store is not None:
            return self.target.behind.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return self._blob(plain).read_bytes()

    def write(self, key: str, plain: int, data: bytes) -> None:
        """Replaces the ciphertext and keeps every header."""
        if self.target.store is not None:
            self.put(key, data, self.headers(key))
        else:
            self._blob(plain).write_bytes(data)

    def headers(self, key: str) -> dict:
        """What the store says of an object besides its bytes, in the form `put` takes."""
        head = self.target.behind.head_object(Bucket=self.bucket, Key=key)
        kept = ("ContentType", "ContentEncoding", "ContentDisposition", "ContentLanguage", "CacheControl", "Metadata")
        return {name: head[name] for name in kept if name in head}

    def put(self, key: str, data: bytes, headers: dict) -> None:
        self.target.behind.put_object(Bucket=self.bucket, Key=key, Body=data, **headers)

    def _blob(self, plain: int) -> Path:
        """The file of the one object of that size: tests give each object a size of its own."""
        wanted = sealed_length(plain)
        found = [path for path in files_under(self.target.gateway.data) if path.parent.name != "tmp" and path.stat().st_size == wanted]
        assert len(found) == 1, f"{len(found)} files of {wanted} bytes"
        return found[0]


def unframed(shard: bytes) -> bytes:
    """The bytes in a part file of MinIO over one drive: blocks of 1 MiB, each behind a 32-byte hash."""
    return b"".join(shard[at + 32 : at + 32 + MIB] for at in range(0, len(shard), MIB + 32))


def newest_part(target: Target, number: int, plain: int) -> bytes:
    """The sealed bytes of the part uploaded last under this number, from the files of the store."""
    wanted = message_length(plain)
    if target.store is None:
        found = [path for path in files_under(target.gateway.data) if path.stat().st_size == wanted]
        return max(found, key=lambda path: path.stat().st_mtime_ns).read_bytes()
    assert target.backend == "minio", "the file format of other stores is not known here"
    found = [path for path in files_under(target.store.data) if path.name == f"part.{number}" and ".trash" not in path.parts]
    # Of this length: parts of other tests may be newer.
    framed = wanted + 32 * -(-wanted // MIB)
    newest = max((path for path in found if path.stat().st_size == framed), key=lambda path: path.stat().st_mtime_ns)
    return unframed(newest.read_bytes())
