"""The independent opener (`opener/dv1_open.py`, written from docs/format.md alone) opens what the gateway sealed, straight from
the store with keys and metadata in hand, and rejects what was tampered with."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from clients import MIB, Target, boto, fresh, noise, object_path, put_in_parts, raw
from servers import Gateway, files_under
from stored import Stored, message_length, newest_part
from test_tamper import DAMAGE, DAMAGE_OF_THE_TRAILER

pytestmark = pytest.mark.gateway

OPENER = Path(__file__).parent / "opener" / "dv1_open.py"
SIZES = [0, 1, 16_383, 16_384, 16_385, 100_000, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1]


@dataclass
class Vault:
    """A gateway of one test, a bucket, and the folder in which an object is handed to the opener."""

    target: Target
    gateway: Gateway
    bucket: str
    folder: Path

    def headers(self, key: str) -> dict[str, str]:
        """What the store says of an object, as it is on the wire."""
        answer = raw(self.target.store.endpoint, "HEAD", object_path(self.bucket, key))
        assert answer.status == 200, answer
        return {name: value.encode("latin-1").decode() for name, value in answer.headers.items()}

    def open(self, key: str, sealed: bytes, headers: dict[str, str], *more: str) -> tuple[int, bytes | None, str]:
        """Runs the opener: exit code, plaintext if any, what it said."""
        system = self.gateway.system_bucket
        records = []
        for index, row in enumerate(self.target.behind.list_objects_v2(Bucket=system)["Contents"]):
            path = self.folder / f"kek{index}"
            path.write_bytes(self.target.behind.get_object(Bucket=system, Key=row["Key"])["Body"].read())
            if path.read_bytes().startswith(b"{"):
                records += ["--kek-record", str(path)]
        keyring = next(path for path in files_under(self.gateway.data) if "keyring" in path.name)
        (self.folder / "object").write_bytes(sealed)
        (self.folder / "metadata.json").write_text(json.dumps(headers))
        out = self.folder / "plaintext"
        out.unlink(missing_ok=True)
        done = subprocess.run(
            [
                sys.executable, str(OPENER), "open", str(self.folder / "object"), "--metadata", str(self.folder / "metadata.json"),
                "--bucket", self.bucket, "--key", key, *records, "--keyring", str(keyring), "-o", str(out), *more,
            ],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return done.returncode, out.read_bytes() if out.exists() else None, done.stderr

    def rejects(self, key: str, sealed: bytes, headers: dict[str, str]) -> None:
        code, plain, said = self.open(key, sealed, headers)
        assert (code, plain) == (1, None), said


@pytest.fixture
def vault(target, make_gateway, tmp_path) -> Vault:
    if target.store is None:
        pytest.skip("the headers and KEK records of `local` are in its index")
    gateway, bucket = make_gateway(), fresh("opener")
    boto(gateway.endpoint).create_bucket(Bucket=bucket)
    return Vault(target, gateway, bucket, tmp_path)


def test_objects_in_one_piece(vault):
    s3, stored = boto(vault.gateway.endpoint), Stored(vault.target, vault.bucket)
    for size in SIZES:
        data = noise(size, size)
        s3.put_object(Bucket=vault.bucket, Key=f"dir/ü {size}", Body=data, ContentType="text/plain", Metadata={"lang": "de", "note": "a, b"})
        key = f"dir/ü {size}"
        code, plain, said = vault.open(key, stored.read(key, size), vault.headers(key))
        assert (code, plain) == (0, data), said
    code, plain, said = vault.open(key, stored.read(key, size), vault.headers(key), "--range", "16000-40000")
    assert (code, plain) == (0, data[16_000:40_001]), said


def test_multipart_objects_and_copies(vault):
    """Parts, a short last one, a copy under another key with other metadata."""
    s3, stored = boto(vault.gateway.endpoint), Stored(vault.target, vault.bucket)
    parts = [noise(5 * MIB, 1), noise(6 * MIB + 1, 2), noise(99, 3)]
    data = b"".join(parts)
    put_in_parts(s3, vault.bucket, "m", parts, Metadata={"lang": "de"})
    s3.copy_object(Bucket=vault.bucket, Key="copy", CopySource={"Bucket": vault.bucket, "Key": "m"}, MetadataDirective="REPLACE", Metadata={"lang": "fr"})
    for key in ("m", "copy"):
        code, plain, said = vault.open(key, stored.read(key, len(data)), vault.headers(key))
        assert (code, plain) == (0, data), said


def test_rejects_damage(vault):
    """Bit flips, truncation at and off a chunk boundary, exchanged chunks, a damaged trailer."""
    s3, stored = boto(vault.gateway.endpoint), Stored(vault.target, vault.bucket)
    s3.put_object(Bucket=vault.bucket, Key="k", Body=noise(100_000))
    sealed, headers = stored.read("k", 100_000), vault.headers("k")
    assert vault.open("k", sealed, headers)[:2] == (0, noise(100_000))
    for damage in (DAMAGE | DAMAGE_OF_THE_TRAILER).values():
        vault.rejects("k", damage(sealed), headers)


def test_rejects_exchanges_and_changed_metadata(vault):
    s3, stored = boto(vault.gateway.endpoint), Stored(vault.target, vault.bucket)
    for key in "ab":
        s3.put_object(Bucket=vault.bucket, Key=key, Body=noise(50_000, key), ContentType="text/plain", Metadata={"licence": "CC-BY"})
    sealed = {key: stored.read(key, 50_000) for key in "ab"}
    headers = {key: vault.headers(key) for key in "ab"}
    assert vault.open("a", sealed["a"], headers["a"])[0] == 0
    vault.rejects("a", sealed["b"], headers["a"])
    vault.rejects("a", sealed["b"], headers["b"])
    vault.rejects("a", sealed["a"], headers["b"])
    vault.rejects("a", sealed["a"], headers["a"] | {"x-amz-meta-licence": "public domain"})
    vault.rejects("a", sealed["a"], headers["a"] | {"x-amz-meta-more": "1"})
    vault.rejects("a", sealed["a"], {name: value for name, value in headers["a"].items() if name.lower() != "x-amz-meta-licence"})
    vault.rejects("a", sealed["a"], {name: value for name, value in headers["a"].items() if name.lower() != "content-type"} | {"content-type": "text/html"})
    vault.rejects("a", sealed["a"], {name: value for name, value in headers["a"].items() if name.lower() != "x-amz-meta-dv1"})


def test_rejects_parts_of_other_places_and_times(vault):
    """Parts reordered; a part of an older try of the same part."""
    if vault.target.backend != "minio":
        pytest.skip("the file format of other stores is not known here")
    size = 5 * MIB + 4321
    s3, at = boto(vault.gateway.endpoint), {"Bucket": vault.bucket, "Key": "k"}
    at["UploadId"] = s3.create_multipart_upload(**at)["UploadId"]
    s3.upload_part(**at, PartNumber=1, Body=noise(size, "old"))
    old = newest_part(vault.target, 1, size)
    bodies = [noise(size, "new"), noise(size, 2), b"tail"]
    parts = [{"PartNumber": n, "ETag": s3.upload_part(**at, PartNumber=n, Body=body)["ETag"]} for n, body in enumerate(bodies, 1)]
    s3.complete_multipart_upload(**at, MultipartUpload={"Parts": parts})
    sealed, headers, part = Stored(vault.target, vault.bucket).read("k", 2 * size + 4), vault.headers("k"), message_length(size)
    assert vault.open("k", sealed, headers)[:2] == (0, b"".join(bodies))
    vault.rejects("k", sealed[part : 2 * part] + sealed[:part] + sealed[2 * part :], headers)
    vault.rejects("k", old + sealed[part:], headers)
