"""Random sequences of operations, each sent through the gateway and directly to a second bucket of the same store: the same status, headers
that matter, and bodies. A failure names the seed and the step."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from clients import KIB, MIB, boto, fresh, noise

pytestmark = [pytest.mark.gateway, pytest.mark.timeout(600)]

KEYS = ("a", "a/b", "a/c", "b", "b/ü €", "c d+e%2F", "z")
IN_PARTS = ("m", "m/x")
"""Written in parts, and never the source of a copy: a copy through the gateway keeps the parts of its source and their ETag, where S3 makes
one piece of it."""
SIZES = (0, 1, 100, 16 * KIB - 1, 16 * KIB, 16 * KIB + 1, 300 * KIB, 2 * MIB)
PLAIN = (
    "ContentLength", "ContentRange", "ContentType", "ContentEncoding", "CacheControl", "ContentDisposition", "Metadata", "AcceptRanges",
    "PartsCount", "TagCount", "DeleteMarker", "ChecksumCRC32", "ChecksumType",
)  # fmt: skip
"""What of an answer must be the same."""

Call = Callable[[Any, str], Any]
"""What is called on a client and a bucket."""


class Sequence:
    """Makes steps from a seed. A step is made once, then run on both sides."""

    def __init__(self, seed: int, missing: dict[str, str]) -> None:
        self.dice = random.Random(seed)
        self.steps = [step for name, step in STEPS if name not in missing]

    def step(self) -> tuple[str, Call]:
        make = self.dice.choice(self.steps)
        return make(self.dice)


def key(dice: random.Random) -> str:
    return dice.choice(KEYS + IN_PARTS)


def in_one(dice: random.Random) -> str:
    return dice.choice(KEYS)


def headers(dice: random.Random) -> dict[str, Any]:
    """Some of the headers that an object may be stored with."""
    every = {
        "ContentType": dice.choice(["text/plain", "application/json; charset=utf-8"]), "CacheControl": "max-age=1", "ContentDisposition": 'attachment; filename="a b"',
        "Metadata": {"name": dice.choice(["value", "a, b", "1"]), "other": "x" * dice.randrange(100)},
    }  # fmt: skip
    return {name: value for name, value in every.items() if dice.random() < 0.4}


def create(dice):
    """Only where nothing is."""
    at, data = in_one(dice), noise(dice.choice(SIZES), dice.randrange(5))
    return f"create {at} {len(data)}", lambda s3, bucket: s3.put_object(Bucket=bucket, Key=at, Body=data, IfNoneMatch="*")


def put(dice):
    at, data, more = in_one(dice), noise(dice.choice(SIZES), dice.randrange(5)), headers(dice)
    return f"put {at} {len(data)} {more}", lambda s3, bucket: s3.put_object(Bucket=bucket, Key=at, Body=data, **more)


def get(dice):
    at, more = key(dice), {}
    match dice.randrange(6):
        case 0:
            first = dice.randrange(20 * KIB)
            more["Range"] = f"bytes={first}-{first + dice.randrange(20 * KIB)}"
        case 1:
            more["Range"] = f"bytes=-{dice.randrange(40 * KIB)}"
        case 2:
            more["Range"] = f"bytes={dice.randrange(2 * MIB)}-"
        case 3:
            more["PartNumber"] = 1
        case 4:
            more |= {"ResponseContentType": "x/y", "ResponseCacheControl": "no-store"}
    return f"get {at} {more}", lambda s3, bucket: s3.get_object(Bucket=bucket, Key=at, **more)


def head(dice):
    at = key(dice)
    return f"head {at}", lambda s3, bucket: s3.head_object(Bucket=bucket, Key=at)


def conditional_get(dice):
    """On the ETag that is there, or on another."""
    at, right, name = key(dice), dice.random() < 0.5, dice.choice(["IfMatch", "IfNoneMatch"])

    def call(s3, bucket):
        etag = s3.head_object(Bucket=bucket, Key=at)["ETag"] if right else '"0123456789abcdef0123456789abcdef"'
        return s3.get_object(Bucket=bucket, Key=at, **{name: etag})

    return f"get {at} {name} {right}", call


def copy(dice):
    source, at = in_one(dice), in_one(dice)
    # S3 refuses a copy of an object to itself that changes nothing, Garage does not.
    more = {"MetadataDirective": "REPLACE"} | headers(dice) if dice.random() < 0.5 or source == at else {}
    return f"copy {source} {at} {more}", lambda s3, bucket: s3.copy_object(Bucket=bucket, Key=at, CopySource={"Bucket": bucket, "Key": source}, **more)


def delete(dice):
    at = key(dice)
    return f"delete {at}", lambda s3, bucket: s3.delete_object(Bucket=bucket, Key=at)


def delete_some(dice):
    some = dice.sample(KEYS, 2)
    return f"delete {some}", lambda s3, bucket: s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": at} for at in some]})


def listing(dice):
    more: dict[str, Any] = {}
    if dice.random() < 0.5:
        more["Prefix"] = dice.choice(["a", "a/", "b/", "none"])
    if dice.random() < 0.5:
        more["Delimiter"] = "/"
    if dice.random() < 0.3:
        more["MaxKeys"] = dice.randrange(1, 5)
    version = dice.choice(["list_objects", "list_objects_v2"])
    return f"{version} {more}", lambda s3, bucket: getattr(s3, version)(Bucket=bucket, **more)


def multipart(dice):
    at, more = dice.choice(IN_PARTS), headers(dice)
    # None empty: Garage refuses an empty part, which S3 takes.
    parts = [noise(5 * MIB + dice.randrange(9), dice.randrange(9)) for _ in range(dice.randrange(1, 3))] + [noise(dice.choice(SIZES[1:]), dice.randrange(9))]

    def call(s3, bucket):
        upload = {"Bucket": bucket, "Key": at}
        upload["UploadId"] = s3.create_multipart_upload(**upload, **more)["UploadId"]
        done = [
            {"PartNumber": number, "ETag": s3.upload_part(**upload, PartNumber=number, Body=part)["ETag"]}
            for number, part in enumerate(parts, 1)
        ]
        listed = [(part["PartNumber"], part["Size"], part["ETag"]) for part in s3.list_parts(**upload)["Parts"]]
        return {"listed": listed} | s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": done})

    return f"multipart {at} {[len(part) for part in parts]}", call


def tagging(dice):
    at, tags = key(dice), [{"Key": f"k{index}", "Value": str(dice.randrange(9))} for index in range(dice.randrange(3))]

    def call(s3, bucket):
        s3.put_object_tagging(Bucket=bucket, Key=at, Tagging={"TagSet": tags})
        return s3.get_object_tagging(Bucket=bucket, Key=at)

    return f"tag {at} {tags}", call


STEPS = [
    ("", put), ("", put), ("", put), ("", get), ("", get), ("", head), ("", conditional_get), ("", copy), ("", delete), ("", delete_some), ("", listing),
    ("", listing), ("", multipart), ("tagging", tagging), ("conditional_writes", create),
]  # fmt: skip


def seen(call: Call, s3, bucket: str) -> dict[str, Any]:
    """What a client sees of a call."""
    try:
        answer = call(s3, bucket)
    except ClientError as error:
        return {"status": error.response["ResponseMetadata"]["HTTPStatusCode"], "code": error.response["Error"]["Code"]}
    out = {"status": answer.get("ResponseMetadata", {}).get("HTTPStatusCode")} | {name: answer[name] for name in PLAIN if name in answer}
    out["etag"] = answer.get("ETag") or answer.get("CopyObjectResult", {}).get("ETag")
    if hasattr(answer.get("Body"), "read"):
        out["body"] = answer["Body"].read()
    for name in ("listed", "TagSet", "IsTruncated", "KeyCount"):
        out[name] = answer.get(name)
    out["rows"] = [(row["Key"], row["Size"], row["ETag"], row["StorageClass"]) for row in answer.get("Contents", [])]
    out["prefixes"] = [row["Prefix"] for row in answer.get("CommonPrefixes", [])]
    out["gone"] = sorted(row["Key"] for row in answer.get("Deleted", []))
    return out


def meant(step: str, directly: dict[str, Any], missing: dict[str, str]) -> set[str]:
    """Fields in which the gateway keeps to S3 where a store does not."""
    fields = {"ChecksumCRC32", "ChecksumType"} if "checksums" in missing else set()
    if "complete_etag" in missing and step.startswith("multipart") and not (directly.get("etag") or "").strip('"'):
        fields.add("etag")
    if directly["status"] == 206 and directly["ContentLength"] == 0:
        # A range of nothing: `bytes 0--1/0` by MinIO, `bytes 0-18446744073709551615/0` by Garage.
        return set(PLAIN) | {"status", "code", "etag", "body", "rows", "prefixes", "gone"}
    if "part_numbers" in missing and "PartNumber" in step:
        fields |= {"status", "body", "ContentLength", "ContentRange", "PartsCount"}
    if "PartNumber" in step:
        # S3 shows the checksum of a part that is the whole, MinIO does not; Garage counts the part of an object in one piece.
        fields |= {"ChecksumCRC32", "ChecksumType"} | ({"PartsCount"} if directly.get("PartsCount") == 1 else set())
    if directly.get("code") == str(directly["status"]):
        # An error without a document, as MinIO's answer to a GET whose If-Match fails.
        fields.add("code")
    return fields


def quoted(etag: str | None) -> str | None:
    return etag if etag is None or etag.startswith('"') else f'"{etag}"'


def short(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: f"{len(value)} bytes" if isinstance(value, bytes) else value for name, value in answer.items() if value not in (None, [])}


@pytest.mark.parametrize(
    ("seeds", "steps"), [pytest.param(range(2), 60, id="some"), pytest.param(range(2, 22), 150, id="many", marks=[pytest.mark.long, pytest.mark.timeout(1800)])]
)
def test_sequences(target, missing, seeds, steps):
    if target.store is None:
        pytest.skip("the embedded store has no other way in")
    direct = boto(target.store.endpoint)
    for seed in seeds:
        sequence, bucket, history = Sequence(seed, missing), fresh("sequence"), []
        target.s3.create_bucket(Bucket=bucket)
        direct.create_bucket(Bucket=f"{bucket}-direct")
        for number in range(steps):
            name, call = sequence.step()
            history.append(name)
            through, directly = seen(call, target.s3, bucket), seen(call, direct, f"{bucket}-direct")
            if "quoted_etag" in missing:
                directly["etag"] = quoted(directly.get("etag"))
            differs = {field for field in through.keys() | directly.keys() if through.get(field) != directly.get(field)}
            differs -= meant(name, directly, missing)
            told = "\n".join(history[-12:])
            assert not differs, f"seed {seed}, step {number}, {differs}:\nthrough  {short(through)}\ndirectly {short(directly)}\nafter\n{told}"
