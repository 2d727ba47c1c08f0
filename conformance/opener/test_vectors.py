"""dv1_open against keys/testdata/dv1.json: every vector opens, every change to one is refused.

An object sealed here, with a writer of a few lines, adds what the vectors lack: an empty part between
others.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

import dv1_open
from dv1_open import KekRecord, Refused, SealedObject, Stored, open_object, sealed_len, stored_len

VECTORS = json.loads((Path(__file__).parents[2] / "keys/testdata/dv1.json").read_text())
CHUNK = 16384
SEALED_CHUNK = 16400
MIB5 = 5242880
KEK_UUID = bytes.fromhex("b2" * 16)
DEK = bytes(range(32))
OID = bytes(range(16))
ROOT_KEYS = dv1_open.parse_keyring(json.dumps(VECTORS["keyring"]).encode())
RECORD = KekRecord.parse(json.dumps(VECTORS["kek_record"]).encode())

Headers = tuple[tuple[bytes, bytes], ...]


def seal(key: bytes, context: bytes, plaintext: bytes, salt: bytes | None = None) -> bytes:
    """Seal a message."""
    salt = salt or os.urandom(24)
    info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + salt + context
    okm = HKDFExpand(SHA512(), 76, info).derive(key)
    aead, base = AESGCM(okm[:32]), int.from_bytes(okm[32:44], "big")
    out = [salt, okm[44:]]
    for index in range(len(plaintext) // CHUNK + 1):
        chunk = plaintext[index * CHUNK : (index + 1) * CHUNK]
        out.append(aead.encrypt((base ^ index).to_bytes(12, "big"), chunk, None))
    return b"".join(out)


def pattern(length: int) -> bytes:
    """Bytes i mod 251."""
    return (bytes(range(251)) * (length // 251 + 1))[:length]


def part_context(oid: bytes, number: int) -> bytes:
    """Context of a part."""
    return b"dv1/part" + oid + number.to_bytes(2, "big")


def table_context(oid: bytes, summary: bytes) -> bytes:
    """Context of the TABLE that goes with a sealed SUMMARY."""
    return b"dv1/table" + oid + summary[:56]


@dataclass(frozen=True)
class Sample:
    """One object and everything needed to open it."""

    name: str
    key: str
    headers: Headers
    body: bytes
    plaintext: bytes
    parts: tuple[tuple[int, int], ...]
    dek: bytes
    oid: bytes
    bucket: str = "vectors"

    def part_span(self, index: int) -> tuple[int, int]:
        """Where a part is stored."""
        start = sum(sealed_len(length) for _, length in self.parts[:index])
        return start, start + sealed_len(self.parts[index][1])

    def regions(self) -> dict[str, tuple[int, int, str]]:
        """Regions of the body, each with the reason a change in it is refused for."""
        found: dict[str, tuple[int, int, str]] = {}
        for index, (number, length) in enumerate(self.parts):
            start, end = self.part_span(index)
            what = f"part {number}"
            other = f"{what}: not the part that was completed"
            found[f"{what} salt"] = (start, start + 24, other)
            found[f"{what} commitment"] = (start + 24, start + 56, other)
            for chunk in {0, length // CHUNK // 2, length // CHUNK}:
                at = start + 56 + chunk * SEALED_CHUNK
                chunk_end = min(at + SEALED_CHUNK, end)
                reason = f"{what}: chunk {chunk} does not open"
                found[f"{what} chunk {chunk} ciphertext"] = (at, chunk_end - 16, reason)
                found[f"{what} chunk {chunk} tag"] = (chunk_end - 16, chunk_end, reason)
        parts_end = self.part_span(len(self.parts) - 1)[1]
        size = len(self.body)
        table = size - 216 - (sealed_len(128 * len(self.parts)) if len(self.parts) > 1 else 0)
        found["padding"] = (parts_end, table, "padding is not zero")
        found["table"] = (table, size - 216, "TABLE does not open")
        found["summary"] = (size - 216, size - 16, "SUMMARY does not open")
        found["footer"] = (size - 16, size, "footer differs")
        return {name: region for name, region in found.items() if region[0] < region[1]}


def vector(entry: dict[str, Any]) -> Sample:
    """A vector; the body of one that is too long to be kept is made from its fields."""
    headers = tuple((name.encode(), value.encode()) for name, value in entry["headers"])
    headers += ((b"x-amz-meta-dv1", entry["x-amz-meta-dv1"].encode()),)
    dek, oid = bytes.fromhex(entry["dek"]), bytes.fromhex(entry["oid"])
    plaintext = pattern(entry["plaintext_length"])
    trailer = bytes.fromhex(entry["trailer"])
    if entry["sealed"] is None:
        at, body = 0, b""
        for part in entry["parts"]:
            data = plaintext[at : at + part["length"]]
            body += seal(dek, part_context(oid, part["number"]), data, bytes.fromhex(part["salt"]))
            at += part["length"]
        body += bytes(entry["sealed_length"] - len(body) - len(trailer)) + trailer
    else:
        body = bytes.fromhex(entry["sealed"])
        assert body.endswith(trailer)
    assert len(body) == entry["sealed_length"]
    assert sha256(body).hexdigest() == entry["sealed_sha256"]
    assert sha256(plaintext).hexdigest() == entry["plaintext_sha256"]
    parts = tuple((part["number"], part["length"]) for part in entry["parts"])
    return Sample(entry["name"], entry["key"], headers, body, plaintext, parts, dek, oid, entry["bucket"])


def summary_fields(parts: tuple[tuple[int, int], ...], first_message: bytes) -> bytearray:
    """Plaintext of a SUMMARY."""
    raw = bytearray(128)
    raw[0:8] = sum(length for _, length in parts).to_bytes(8, "big")
    raw[8:10] = len(parts).to_bytes(2, "big")
    raw[10:12] = parts[0][0].to_bytes(2, "big")
    raw[12] = 3
    raw[16:32] = bytes(range(16))
    raw[64:120] = first_message[:56]
    return raw


def table_rows(parts: tuple[tuple[int, int], ...], messages: list[bytes]) -> bytearray:
    """Plaintext of a TABLE."""
    rows = bytearray()
    for (number, length), message in zip(parts, messages, strict=True):
        row = bytearray(128)
        row[0:8] = length.to_bytes(8, "big")
        row[8:10] = number.to_bytes(2, "big")
        row[16:32] = bytes(range(16))
        row[64:120] = message[:56]
        rows += row
    return rows


def no_change(raw: bytearray) -> None:
    """Leave the fields as they are."""


def assemble(
    parts: tuple[tuple[int, int], ...],
    messages: list[bytes],
    change_summary: Callable[[bytearray], None] = no_change,
    change_table: Callable[[bytearray], None] = no_change,
) -> bytes:
    """A body of sealed parts, with a SUMMARY and a TABLE changed before they are sealed."""
    summary_raw = summary_fields(parts, messages[0])
    change_summary(summary_raw)
    summary = seal(DEK, b"dv1/summary" + OID, bytes(summary_raw))
    table = b""
    if len(parts) > 1:
        table_raw = table_rows(parts, messages)
        change_table(table_raw)
        table = seal(DEK, table_context(OID, summary), bytes(table_raw))
    joined = b"".join(messages)
    length = stored_len(sum(length for _, length in parts))
    padding = length - len(joined) - len(table) - 216
    return joined + bytes(max(padding, 0)) + table + summary + dv1_open.FOOTER


def sealed_here(name: str, parts: tuple[tuple[int, int], ...]) -> Sample:
    """An object made by this file."""
    plaintext = pattern(sum(length for _, length in parts))
    at, messages = 0, []
    for number, length in parts:
        messages.append(seal(DEK, part_context(OID, number), plaintext[at : at + length]))
        at += length
    digest = dv1_open.metadata_digest((), 0)
    key = name.encode()
    context = b"dv1/dek" + KEK_UUID + len(key).to_bytes(4, "big") + key + OID + digest
    sealed_dek = seal(bytes.fromhex(VECTORS["kek"]), context, DEK)
    value = base64.b64encode(b"\1\1\0" + RECORD.kek_id + OID + digest + sealed_dek)
    headers = ((b"X-Amz-Meta-Dv1", value),)
    return Sample(name, name, headers, assemble(parts, messages), plaintext, parts, DEK, OID)


BY_NAME = {entry["name"]: vector(entry) for entry in VECTORS["objects"]}
BIG_PUT = BY_NAME["one part of more than 5 MiB"]
WITH_EMPTY_PART = sealed_here("with an empty part", ((2, MIB5), (3, 0), (7, MIB5), (8, MIB5 + 20000)))
TWO_PARTS = BY_NAME["two parts, numbers 1 and 9"]
SAMPLES = [*BY_NAME.values(), WITH_EMPTY_PART]
ALL = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)


class Recorded(Stored):
    """Stored bytes that remember what was read."""

    def __init__(self, body: bytes) -> None:
        super().__init__(BytesIO(body))
        self.reads: list[tuple[int, int]] = []

    def read(self, start: int, length: int) -> bytes:
        """Read and note the range."""
        self.reads.append((start, start + length))
        return super().read(start, length)


def opened(sample: Sample, **options: Any) -> SealedObject:
    """Steps 1 to 5."""
    return open_object(
        Recorded(sample.body), sample.headers, sample.bucket, sample.key, [RECORD], ROOT_KEYS, **options
    )


def read(sample: Sample) -> bytes:
    """The whole plaintext."""
    return b"".join(opened(sample).read_all())


def refusal(sample: Sample) -> str:
    """The reason a sample is refused for."""
    with pytest.raises(Refused) as caught:
        read(sample)
    return caught.value.reason


def flip(data: bytes, bit: int) -> bytes:
    """Flip one bit."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def header_bytes(sample: Sample) -> bytes:
    """The decoded header of a sample."""
    return base64.b64decode(sample.headers[-1][1])


def with_header(sample: Sample, raw: bytes) -> Sample:
    """The sample with another header."""
    return replace(sample, headers=(*sample.headers[:-1], (b"x-amz-meta-dv1", base64.b64encode(raw))))


def splice(body: bytes, span: tuple[int, int], data: bytes) -> bytes:
    """Put data in the place of a span."""
    return body[: span[0]] + data + body[span[1] :]


# Opening


def test_unwraps_the_kek() -> None:
    assert RECORD.unwrap(ROOT_KEYS).hex() == VECTORS["kek"]


@ALL
def test_opens(sample: Sample) -> None:
    assert read(sample) == sample.plaintext
    facts = opened(sample).facts()
    assert facts["plaintext_length"] == len(sample.plaintext)
    assert tuple((part["number"], part["length"]) for part in facts["parts"]) == sample.parts


@pytest.mark.parametrize("entry", VECTORS["objects"], ids=lambda entry: entry["name"])
def test_facts(entry: dict[str, Any]) -> None:
    object_ = opened(BY_NAME[entry["name"]])
    assert object_.summary.etag == entry["etag"]
    assert object_.header.digest.hex() == entry["metadata_digest"]
    assert [part["salt"] for part in object_.facts()["parts"]] == [part["salt"] for part in entry["parts"]]


# Bit flips


def header_reason(bit: int) -> str:
    """The reason a change of this bit of the header is refused for."""
    byte = bit // 8
    if byte == 2:
        return "metadata was changed" if bit % 8 < 6 else "header: unknown bit in the mask"
    for end, reason in (
        (1, "header: unknown version"),
        (2, "header: unknown suite"),
        (19, "KEK record is absent"),
    ):
        if byte < end:
            return reason
    return "DEK does not open"


@ALL
def test_every_bit_of_the_header(sample: Sample) -> None:
    raw = header_bytes(sample)
    for bit in range(8 * len(raw)):
        assert refusal(with_header(sample, flip(raw, bit))) == header_reason(bit), bit


@ALL
def test_header_text(sample: Sample) -> None:
    value = sample.headers[-1][1]
    padded = replace(sample, headers=(*sample.headers[:-1], (b"x-amz-meta-dv1", b" \t" + value + b"\r\n")))
    assert read(padded) == sample.plaintext
    for bad in (value[:-1] + b"=", value[:-1] + b"-", value[:100] + b"\n" + value[100:], b"", value[:-1]):
        changed = replace(sample, headers=(*sample.headers[:-1], (b"x-amz-meta-dv1", bad)))
        assert refusal(changed).startswith("header: "), bad
    assert refusal(with_header(sample, header_bytes(sample)[:-1])) == "header: wrong length"
    assert refusal(with_header(sample, header_bytes(sample) + b"\0")) == "header: wrong length"
    assert refusal(replace(sample, headers=(*sample.headers, sample.headers[-1]))) == "header: repeated"


@ALL
def test_bits_of_every_region(sample: Sample) -> None:
    for name, (start, end, reason) in sample.regions().items():
        span = end - start
        for at in {0, span // 4, span // 2, 3 * span // 4, span - 1}:
            bit = 8 * (start + at) + at % 8
            assert refusal(replace(sample, body=flip(sample.body, bit))) == reason, (name, at)


@pytest.mark.parametrize("sample", [s for s in SAMPLES if len(s.body) < 1000], ids=lambda sample: sample.name)
def test_every_bit_of_a_short_body(sample: Sample) -> None:
    for bit in range(8 * len(sample.body)):
        refusal(replace(sample, body=flip(sample.body, bit)))


def test_the_regions_are_all_there() -> None:
    names = {"part 8 salt", "part 8 commitment", "part 8 chunk 0 tag", "part 8 chunk 321 ciphertext"}
    names |= {"padding", "table", "summary", "footer"}
    assert names <= WITH_EMPTY_PART.regions().keys()
    assert {"padding", "summary", "footer"} <= BIG_PUT.regions().keys()


# Length


@ALL
def test_cut_at_the_end(sample: Sample) -> None:
    cuts = {0, 1, 15, 16, 56, 72, 200, 215, 216, len(sample.body) - 216, len(sample.body) - 16}
    chunks = {56 + index * SEALED_CHUNK for index in (1, 2, 160, 320)}
    cuts |= chunks | {cut - 1 for cut in chunks} | {cut + 16 for cut in chunks} | {len(sample.body) - 1}
    for cut in cuts:
        if cut < len(sample.body):
            reason = refusal(replace(sample, body=sample.body[:cut]))
            assert reason == ("object is too short" if cut < 216 else "footer differs"), cut


@ALL
def test_cut_before_the_trailer(sample: Sample) -> None:
    start, end = sample.part_span(len(sample.parts) - 1)
    last = sample.parts[-1][1] % CHUNK + 16
    for count in {1, 16, last, end - start}:
        shorter = splice(sample.body, (end - count, end), b"")
        allowed = {"SUMMARY: stored length is not g(P)", "object is too short"}
        assert refusal(replace(sample, body=shorter)) in allowed, count
        # Every byte another: one of a tag may be zero.
        removed = sample.body[end - count : end]
        moved = splice(shorter, (end - count,) * 2, bytes(byte ^ 0xFF for byte in removed))
        assert refusal(replace(sample, body=moved)).startswith(f"part {sample.parts[-1][0]}: "), count


@ALL
def test_trailing_bytes(sample: Sample) -> None:
    for tail, reason in (
        (b"\0", "footer differs"),
        (bytes(16), "footer differs"),
        (bytes(SEALED_CHUNK), "footer differs"),
        (dv1_open.FOOTER, "SUMMARY does not open"),
        (sample.body[-216:], "SUMMARY: stored length is not g(P)"),
    ):
        assert refusal(replace(sample, body=sample.body + tail)) == reason


# Trailers of objects too large to make


class Sparse(Stored):
    """Stored bytes of which only some spans are at hand."""

    def __init__(self, length: int, spans: list[tuple[int, bytes]]) -> None:
        self.length = length
        self.spans = spans

    def read(self, start: int, length: int) -> bytes:
        """Read a range that lies in one span."""
        for at, data in self.spans:
            if at <= start and start + length <= at + len(data):
                return data[start - at : start - at + length]
        raise AssertionError((start, length))


@pytest.mark.parametrize("entry", VECTORS["trailers"], ids=lambda entry: entry["name"])
def test_trailers(entry: dict[str, Any]) -> None:
    headers = [(name.encode(), value.encode()) for name, value in entry["headers"]]
    headers.append((b"x-amz-meta-dv1", entry["x-amz-meta-dv1"].encode()))
    trailer = bytes.fromhex(entry["trailer"])
    large, *small = entry["parts"]
    position, tail = large["length"], b""
    for part in small:
        data = bytes(i % 251 for i in range(position, position + part["length"]))
        position += part["length"]
        context = part_context(bytes.fromhex(entry["oid"]), part["number"])
        tail += seal(bytes.fromhex(entry["dek"]), context, data, bytes.fromhex(part["salt"]))
    length = entry["sealed_length"]
    stored = Sparse(length, [(sealed_len(large["length"]), tail), (length - len(trailer), trailer)])
    object_ = open_object(stored, headers, entry["bucket"], entry["key"], [RECORD], ROOT_KEYS)
    assert object_.summary.etag == entry["etag"]
    assert object_.padding > 0
    shown = [{name: part[name] for name in ("number", "length", "salt")} for part in object_.facts()["parts"]]
    assert shown == entry["parts"]
    plaintext = b"".join(object_.read_range(large["length"], entry["plaintext_length"]))
    assert plaintext == bytes(i % 251 for i in range(large["length"], position))


# Identity


@ALL
def test_another_name(sample: Sample) -> None:
    for key in (sample.key + "x", "/" + sample.key, sample.key.upper(), ""):
        assert refusal(replace(sample, key=key)) == "DEK does not open"
    assert refusal(replace(sample, bucket="vectors2")) == "KEK record: of another bucket"
    renamed = replace(RECORD, bucket=b"vectors2")
    with pytest.raises(Refused, match="KEK does not open"):
        open_object(Recorded(sample.body), sample.headers, "vectors2", sample.key, [renamed], ROOT_KEYS)


def test_swapped_headers_and_bodies() -> None:
    for sample in SAMPLES:
        for other in SAMPLES:
            if other is not sample:
                assert refusal(replace(sample, headers=other.headers)) == "DEK does not open"
                assert refusal(replace(sample, key=other.key)) == "DEK does not open"
            if other.oid != sample.oid:
                assert refusal(replace(sample, body=other.body)) == "SUMMARY does not open"


@ALL
def test_stripped_header(sample: Sample) -> None:
    assert refusal(replace(sample, headers=sample.headers[:-1])) == "header: stripped"
    version2 = flip(sample.body, 8 * (len(sample.body) - 8) + 1)
    assert refusal(replace(sample, headers=(), body=version2)) == "header: stripped"
    assert refusal(replace(sample, headers=(), body=sample.plaintext)) == "not sealed"


# Metadata


@ALL
def test_changed_metadata(sample: Sample) -> None:
    raw = dv1_open.Header.parse(sample.headers[-1][1])
    changes: list[Headers] = [((b"x-amz-meta-new", b"v"), *sample.headers)]
    for index, (name, value) in enumerate(sample.headers[:-1]):
        if name != b"Content-Encoding":
            before, after = sample.headers[:index], sample.headers[index + 1 :]
            changes += [
                (*before, *after),
                (*before, (name, value + b"x"), *after),
                (*before, (name, b""), *after),
            ]
    for headers in changes:
        changed = replace(sample, headers=headers)
        assert refusal(changed) == "metadata was changed", headers
        accepted = opened(changed, accept_changed_metadata=True)
        assert not accepted.metadata_matches
        assert b"".join(accepted.read_all()) == sample.plaintext
    for bit, name in enumerate(dv1_open.SYSTEM_HEADERS):
        added = replace(sample, headers=((name, b"added"), *sample.headers))
        if raw.mask >> bit & 1:
            assert refusal(added) == "metadata was changed"
        else:
            assert read(added) == sample.plaintext


def test_equivalent_metadata() -> None:
    sample = BY_NAME["one byte"]
    for headers in (
        (
            (b"content-type", b" text/plain"),
            (b"x-amz-meta-author-name", "café".encode()),
            (b"x-amz-meta-list", b"a,b ,\tc"),
            (b"x-amz-meta-empty", b""),
            (b"cache-control", b"no-cache"),
        ),
        (
            (b"CACHE-CONTROL", b"no-cache"),
            (b"Content-Type", b"text/plain "),
            (b"X-Amz-Meta-Author_name", b"caf\xe9"),
            (b"x-amz-meta-list", b"a"),
            (b"x-amz-meta-list", b"b, c"),
        ),
    ):
        assert read(replace(sample, headers=(*headers, sample.headers[-1]))) == sample.plaintext


def test_a_word_does_not_hide_a_system_header() -> None:
    sample = BY_NAME["one byte"]
    headers = dict(sample.headers) | {b"Content-Type": b"=?utf-8?b?dGV4dC9wbGFpbg==?=", b"x-amz-meta-list": b"a,b,c"}
    assert refusal(replace(sample, headers=tuple(headers.items()))) == "metadata was changed"
    headers[b"Content-Type"] = b"text/plain"
    assert read(replace(sample, headers=tuple(headers.items()))) == sample.plaintext


@pytest.mark.parametrize("entry", VECTORS["metadata"], ids=lambda entry: entry["name"])
def test_metadata_vectors(entry: dict[str, Any]) -> None:
    headers = [(name.encode(), bytes.fromhex(value)) for name, value in entry["headers"]]
    expected = [(name.encode(), value.encode()) for name, value in entry["canonical"]]
    assert dv1_open.canonical_metadata(headers, entry["mask"]) == expected
    assert dv1_open.metadata_digest(headers, entry["mask"]).hex() == entry["metadata_digest"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"plain", "plain"),
        (b"=?UTF-8?Q?caf=C3=A9?=", "café"),
        (b"=?utf-8?b?5pel?=", "日"),
        (b"=?utf-8?q?a_b=5F?=", "a b_"),
        (b"x =?utf-8?q?a?= \t =?utf-8?q?b?= y", "x ab y"),
        (b"=?utf-8?q?=E6=97?= =?utf-8?q?=A5?=", "日"),
        (b"=?utf-8?q?a?= - =?utf-8?q?b?=", "a - b"),
        (b"=?utf-8?q??=", ""),
        (b"=?utf-8?q?=E9?=", "é"),
        (b"=?utf-8?q?=4?=", "=?utf-8?q?=4?="),
        (b"=?utf-8?b?YQ?=", "=?utf-8?b?YQ?="),
        (b"=?utf-8?b?YR==?=", "=?utf-8?b?YR==?="),
        (b"=?utf-8?q?=?utf-8?q?a?=", "=?utf-8?q?a"),
        (b"=?utf-8?q?a b?=", "=?utf-8?q?a b?="),
        (b"=?iso-8859-1?q?a?=", "=?iso-8859-1?q?a?="),
        ("cafÃ©".encode(), "café"),
        ("Ã\u0083Â©".encode(), "é"),
        ("日Ã©".encode(), "日Ã©"),
        (b"caf\xe9", "café"),
        (b"=?utf-8?q?=3D=3Futf-8=3Fq=3Fa=3F=3D?=", "a"),
    ],
)
def test_canonical_text(value: bytes, text: str) -> None:
    assert dv1_open.canonical_text(value) == text


def test_at_most_four_rounds() -> None:
    word = b"a"
    for _ in range(5):
        word = b"=?utf-8?b?" + base64.b64encode(word) + b"?="
    assert dv1_open.canonical_text(word) == "=?utf-8?b?YQ==?="


def test_content_encoding() -> None:
    headers = (
        (b"Content-Encoding", b"AWS-Chunked, gzip"),
        (b"Content-Encoding", "aws-chun\u212aed".encode()),
    )
    expected = [(b"content-encoding", "gzip,aws-chun\u212aed".encode())]
    assert dv1_open.canonical_metadata(headers, 4) == expected
    assert dv1_open.canonical_metadata(headers, 0) == []


# Parts


def test_reordered_parts() -> None:
    first, last = WITH_EMPTY_PART.part_span(0), WITH_EMPTY_PART.part_span(2)
    body = WITH_EMPTY_PART.body
    swapped = splice(splice(body, first, body[slice(*last)]), last, body[slice(*first)])
    assert refusal(replace(WITH_EMPTY_PART, body=swapped)) == "part 2: not the part that was completed"
    first, last = TWO_PARTS.part_span(0), TWO_PARTS.part_span(1)
    body = TWO_PARTS.body
    swapped = body[slice(*last)] + body[slice(*first)] + body[last[1] :]
    assert refusal(replace(TWO_PARTS, body=swapped)) == "part 1: not the part that was completed"


@ALL
def test_swapped_chunks(sample: Sample) -> None:
    for index, (number, length) in enumerate(sample.parts):
        if length >= 2 * CHUNK:
            start = sample.part_span(index)[0] + 56
            one, two = (start, start + SEALED_CHUNK), (start + SEALED_CHUNK, start + 2 * SEALED_CHUNK)
            body = splice(sample.body, (one[0], two[1]), sample.body[slice(*two)] + sample.body[slice(*one)])
            assert refusal(replace(sample, body=body)) == f"part {number}: chunk 0 does not open"


@ALL
def test_another_attempt_at_a_part(sample: Sample) -> None:
    position = 0
    for index, (number, length) in enumerate(sample.parts):
        span = sample.part_span(index)
        data = sample.plaintext[position : position + length]
        attempt = seal(sample.dek, part_context(sample.oid, number), data)
        replaced = replace(sample, body=splice(sample.body, span, attempt))
        assert refusal(replaced) == f"part {number}: not the part that was completed"
        chunks_only = splice(sample.body, (span[0] + 56, span[1]), attempt[56:])
        assert refusal(replace(sample, body=chunks_only)) == f"part {number}: chunk 0 does not open"
        if length > CHUNK:
            with pytest.raises(Refused, match=f"part {number}: chunk 1 does not open"):
                list(opened(replaced).read_range(position + CHUNK, position + CHUNK + 1))
        position += length


def test_another_attempt_under_another_number() -> None:
    span = TWO_PARTS.part_span(1)
    attempt = seal(TWO_PARTS.dek, part_context(TWO_PARTS.oid, 2), TWO_PARTS.plaintext[-20000:])
    changed = replace(TWO_PARTS, body=splice(TWO_PARTS.body, span, attempt))
    assert refusal(changed) == "part 9: not the part that was completed"


def test_table_of_another_completion() -> None:
    body = WITH_EMPTY_PART.body
    messages = [body[slice(*WITH_EMPTY_PART.part_span(index))] for index in range(4)]
    other = assemble(WITH_EMPTY_PART.parts, messages)
    assert read(replace(WITH_EMPTY_PART, body=other)) == WITH_EMPTY_PART.plaintext
    for mixed in (body[:-216] + other[-216:], other[:-216] + body[-216:]):
        assert refusal(replace(WITH_EMPTY_PART, body=mixed)) == "TABLE does not open"


# Fields that a faithful writer never seals


def put(at: int, data: bytes) -> Callable[[bytearray], None]:
    """A change that writes data at an offset."""

    def change(raw: bytearray) -> None:
        raw[at : at + len(data)] = data

    return change


def grow(raw: bytearray) -> None:
    """Add a row."""
    raw += raw[-128:]


@cache
def bad_fields_base() -> tuple[tuple[tuple[int, int], ...], list[bytes]]:
    """Parts of an object with several of them."""
    body, parts = WITH_EMPTY_PART.body, WITH_EMPTY_PART.parts
    return parts, [body[slice(*WITH_EMPTY_PART.part_span(index))] for index in range(len(parts))]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (put(0, (2**52).to_bytes(8, "big")), "SUMMARY: plaintext length out of range"),
        (put(0, bytes(8)), "SUMMARY: stored length is not g(P)"),
        (put(8, bytes(2)), "SUMMARY: number of parts out of range"),
        (put(8, (10001).to_bytes(2, "big")), "SUMMARY: number of parts out of range"),
        (put(8, b"\0\3"), "TABLE does not open"),
        (put(10, bytes(2)), "SUMMARY: part number out of range"),
        (put(10, (10001).to_bytes(2, "big")), "SUMMARY: part number out of range"),
        (put(10, b"\0\1"), "TABLE: not the SUMMARY's first part"),
        (put(12, b"\0"), "SUMMARY: unknown kind of ETag"),
        (put(12, b"\4"), "SUMMARY: unknown kind of ETag"),
        (put(12, b"\1"), "SUMMARY: ETag of one part, several parts"),
        (put(13, b"\6"), "SUMMARY: unknown checksum algorithm"),
        (put(14, b"\3"), "SUMMARY: unknown kind of checksum"),
        (put(14, b"\1"), "SUMMARY: checksum algorithm and kind disagree"),
        (put(13, b"\5"), "SUMMARY: checksum algorithm and kind disagree"),
        (put(15, b"\1"), "SUMMARY: not zero where zero is written"),
        (put(32, b"\1"), "SUMMARY: not zero where zero is written"),
        (put(13, b"\1\1\0" + bytes(16) + b"abcde"), "SUMMARY: not zero where zero is written"),
        (put(64, b"\0" * 56), "TABLE: not the SUMMARY's first part"),
        (put(127, b"\1"), "SUMMARY: not zero where zero is written"),
    ],
)
def test_bad_summary(change: Callable[[bytearray], None], reason: str) -> None:
    body = assemble(*bad_fields_base(), change_summary=change)
    assert refusal(replace(WITH_EMPTY_PART, body=body)) == reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (put(7, b"\1"), "TABLE: lengths do not add up"),
        (put(8, bytes(2)), "TABLE: part number out of range"),
        (put(8, (10001).to_bytes(2, "big")), "TABLE: part number out of range"),
        (put(8, b"\0\1"), "TABLE: not the SUMMARY's first part"),
        (put(128 + 8, b"\0\2"), "TABLE: part numbers do not ascend"),
        (put(128 + 8, b"\0\7"), "TABLE: part numbers do not ascend"),
        (put(10, b"\6"), "TABLE: unknown checksum algorithm"),
        (put(11, b"\3"), "TABLE: unknown kind of checksum"),
        (put(11, b"\1"), "TABLE: checksum algorithm and kind disagree"),
        (put(10, b"\5"), "TABLE: checksum algorithm and kind disagree"),
        (put(12, b"\1"), "TABLE: not zero where zero is written"),
        (put(15, b"\1"), "TABLE: not zero where zero is written"),
        (put(63, b"\1"), "TABLE: not zero where zero is written"),
        (put(64, b"\0" * 56), "TABLE: not the SUMMARY's first part"),
        (put(120, b"\1"), "TABLE: not zero where zero is written"),
        (put(128 + 64, b"\0" * 56), "part 3: not the part that was completed"),
        (grow, "TABLE does not open"),
    ],
)
def test_bad_table(change: Callable[[bytearray], None], reason: str) -> None:
    body = assemble(*bad_fields_base(), change_table=change)
    assert refusal(replace(WITH_EMPTY_PART, body=body)) == reason


def test_negative_padding() -> None:
    parts = ((1, CHUNK), (2, CHUNK))
    messages = [seal(DEK, part_context(OID, number), bytes(length)) for number, length in parts]
    body = assemble(parts, messages)
    length = stored_len(2 * CHUNK)
    assert length < len(body)
    assert refusal(replace(WITH_EMPTY_PART, body=body[-length:])) == "TABLE: negative padding"


def test_table_longer_than_the_object() -> None:
    message = seal(DEK, part_context(OID, 1), b"abc")
    body = assemble(((1, 3),), [message], change_summary=put(8, b"\0\x0a"))
    assert refusal(replace(WITH_EMPTY_PART, body=body)) == "TABLE does not fit"


def test_prefix_that_does_not_follow_from_the_key() -> None:
    message = seal(DEK, part_context(OID, 1), b"abc")
    message = flip(message, 8 * 24)
    body = assemble(((1, 3),), [message])
    assert refusal(replace(WITH_EMPTY_PART, body=body)) == "part 1: commitment differs"


# Ranges


def ranges(sample: Sample) -> set[tuple[int, int]]:
    """Ranges on and beside every kind of boundary."""
    size = len(sample.plaintext)
    edges, position = {0, size}, 0
    for _, length in sample.parts:
        edges |= {position, position + CHUNK, position + length // CHUNK * CHUNK, position + length}
        position += length
    points = sorted({edge + step for edge in edges for step in (-1, 0, 1) if 0 <= edge + step <= size})
    near = {(a, b) for a in points for b in points if a <= b <= a + 2 * CHUNK}
    return near | {(0, size), (0, size // 2), (size // 2, size)}


@ALL
def test_ranges(sample: Sample) -> None:
    for start, end in ranges(sample):
        object_ = opened(sample)
        assert b"".join(object_.read_range(start, end)) == sample.plaintext[start:end], (start, end)


@ALL
def test_ranges_read_covering_chunks_only(sample: Sample) -> None:
    for start, end in sorted(ranges(sample), key=lambda r: r[1] - r[0])[:40]:
        object_ = opened(sample)
        assert len(object_.rows) == len(sample.parts)
        assert isinstance(object_.stored, Recorded)
        object_.stored.reads.clear()
        assert b"".join(object_.read_range(start, end)) == sample.plaintext[start:end]
        reads = object_.stored.reads
        assert all(a[1] == b[0] for a, b in pairwise(reads)), (start, end)
        if start == end > 0:
            assert not reads
        chunks = (end - 1) // CHUNK - start // CHUNK + 2
        assert sum(b - a for a, b in reads) <= chunks * SEALED_CHUNK + len(sample.parts) * 72


@pytest.mark.parametrize(
    ("start", "end", "span"),
    [
        (0, 1, (0, 56 + SEALED_CHUNK)),
        (CHUNK, CHUNK + 1, (56 + SEALED_CHUNK, 56 + 2 * SEALED_CHUNK)),
        (CHUNK - 1, CHUNK, (0, 56 + SEALED_CHUNK)),
        (MIB5 - 1, MIB5, (56 + 319 * SEALED_CHUNK, 56 + 320 * SEALED_CHUNK + 16)),
        (MIB5 - 1, MIB5 + 1, (56 + 319 * SEALED_CHUNK, 112 + 321 * SEALED_CHUNK + 16)),
        (MIB5, MIB5 + 1, (72 + 320 * SEALED_CHUNK, 128 + 321 * SEALED_CHUNK)),
        (MIB5 + CHUNK, MIB5 + 20000, (128 + 321 * SEALED_CHUNK, 144 + 321 * SEALED_CHUNK + 3616)),
        (MIB5, MIB5, None),
    ],
)
def test_what_a_range_reads(start: int, end: int, span: tuple[int, int] | None) -> None:
    object_ = opened(TWO_PARTS)
    assert len(object_.rows) == 2
    assert isinstance(object_.stored, Recorded)
    object_.stored.reads.clear()
    assert b"".join(object_.read_range(start, end)) == TWO_PARTS.plaintext[start:end]
    reads = object_.stored.reads
    assert (reads[0][0], reads[-1][1]) == span if span else not reads


def test_ranges_refuse_what_they_read() -> None:
    start, end, _ = TWO_PARTS.regions()["part 1 chunk 320 tag"]
    changed = replace(TWO_PARTS, body=flip(TWO_PARTS.body, 8 * start))
    assert list(opened(changed).read_range(0, MIB5 - 1))
    with pytest.raises(Refused, match="part 1: chunk 320 does not open"):
        list(opened(changed).read_range(MIB5 - 1, MIB5))
    with pytest.raises(Refused, match="range lies outside the object"):
        list(opened(TWO_PARTS).read_range(0, len(TWO_PARTS.plaintext) + 1))


def test_empty_object_is_read_for_its_empty_range() -> None:
    empty = BY_NAME["empty"]
    changed = replace(empty, body=flip(empty.body, 8 * 60))
    with pytest.raises(Refused, match="part 1: chunk 0 does not open"):
        list(opened(changed).read_range(0, 0))


# Keyring and KEK record


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("version", 2, "KEK record: unknown version"),
        ("version", True, "KEK record: version has the wrong type"),
        ("kek_id", "b3b1b1b1-b1b1-b1b1-b1b1-b1b1b1b1b1b1", "KEK record is absent"),
        ("kek_id", "b1" * 16, "KEK record: kek_id is not a UUID"),
        ("bucket_uuid", "b3b2b2b2-b2b2-b2b2-b2b2-b2b2b2b2b2b2", "KEK does not open"),
        ("bucket", "vectors2", "KEK record: of another bucket"),
        ("epoch", 2, "KEK does not open"),
        ("epoch", 2**32, "KEK record: epoch out of range"),
        ("epoch", 1.0, "KEK record: epoch has the wrong type"),
        ("created_at_ms", 2**63, "KEK record: created_at_ms out of range"),
        ("root_key_id", "\ud800", "KEK record: root_key_id is not Unicode"),
        ("root_key_id", "r" * 16384, "KEK record: too long"),
        ("root_key_id", "root-2", "KEK record: root key is absent"),
        ("wrapped_key", "AAAA", "KEK record: wrapped_key has the wrong length"),
        ("wrapped_key", "A", "KEK record: wrapped_key is not base64"),
        ("wrapped_key", base64.b64encode(flip(RECORD.wrapped_key, 700)).decode(), "KEK does not open"),
        ("extra", 1, "KEK record: wrong fields"),
    ],
)
def test_bad_kek_record(field: str, value: Any, reason: str) -> None:
    sample = BY_NAME["one byte"]
    text = json.dumps({**VECTORS["kek_record"], field: value}).encode()
    with pytest.raises(Refused) as caught:
        record = KekRecord.parse(text)
        open_object(Recorded(sample.body), sample.headers, sample.bucket, sample.key, [record], ROOT_KEYS)
    assert caught.value.reason == reason


def test_unauthenticated_fields_of_a_kek_record() -> None:
    text = json.dumps({**VECTORS["kek_record"], "retired": True, "created_at_ms": 0}).encode()
    assert KekRecord.parse(text).unwrap(ROOT_KEYS).hex() == VECTORS["kek"]


def test_wrong_root_key() -> None:
    with pytest.raises(Refused, match="KEK does not open"):
        RECORD.unwrap({"root-1": bytes(32)})


KEY = VECTORS["keyring"]["keys"][0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"version": 2}, "keyring: unknown version"),
        ({"active": "root-2"}, "keyring: active key is absent"),
        ({"keys": [KEY, KEY]}, "keyring: repeated id"),
        ({"keys": [{**KEY, "key": "AAAA"}]}, "keyring: key is not 32 bytes"),
        ({"keys": [{**KEY, "extra": 1}]}, "keyring: key: wrong fields"),
        ({"keys": [list(KEY.values())]}, "keyring: key: wrong fields"),
        ({"extra": 1}, "keyring: wrong fields"),
    ],
)
def test_bad_keyring(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused) as caught:
        dv1_open.parse_keyring(json.dumps({**VECTORS["keyring"], **change}).encode())
    assert caught.value.reason == reason


def test_repeated_field() -> None:
    text = json.dumps(VECTORS["kek_record"])
    with pytest.raises(Refused, match="KEK record: repeated field"):
        KekRecord.parse(text.replace("{", '{"epoch": 2, ', 1).encode())


def test_odd_json() -> None:
    text = json.dumps(VECTORS["kek_record"])
    for odd, reason in (
        (text.replace("1700000000000", "-0"), "not an integer"),
        (text.replace("1700000000000", "NaN"), "wrong type"),
        ("\ufeff" + text, "not JSON"),
        (text + "{}", "not JSON"),
        ("[" * 16000, "not JSON"),
    ):
        with pytest.raises(Refused, match=reason):
            KekRecord.parse(odd.encode())


def test_metadata_file() -> None:
    headers = dv1_open.parse_headers('{"a": "é", "b": ["1", "2"]}'.encode())
    assert headers == [(b"a", "é".encode()), (b"b", b"1"), (b"b", b"2")]
    for text in (b"[]", b"{", b'{"a": 1}', b'{"a": [1]}', b'{"a": "\\ud800"}', b"\xff"):
        with pytest.raises(Refused, match="metadata: "):
            dv1_open.parse_headers(text)


# Command line


@pytest.fixture
def arguments(tmp_path: Path) -> Callable[[Sample], list[str]]:
    """Writes the files of a sample and returns the options that name them."""

    def write(sample: Sample) -> list[str]:
        metadata: dict[str, list[str]] = {}
        for name, value in sample.headers:
            metadata.setdefault(name.decode(), []).append(value.decode())
        keyring = tmp_path / "keyring"
        for file, data in (
            ("object", sample.body),
            ("metadata", json.dumps(metadata).encode()),
            ("kek", json.dumps(VECTORS["kek_record"]).encode()),
            ("keyring", json.dumps(VECTORS["keyring"]).encode()),
        ):
            (tmp_path / file).write_bytes(data)
        keyring.chmod(0o600)
        options = ["--metadata", "metadata", "--kek-record", "kek", "--keyring", "keyring"]
        paths = [text if text.startswith("--") else str(tmp_path / text) for text in options]
        return [str(tmp_path / "object"), *paths, "--bucket", sample.bucket, "--key", sample.key]

    return write


@ALL
def test_command_line(
    sample: Sample,
    arguments: Callable[[Sample], list[str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options, output = arguments(sample), tmp_path / "plaintext"
    assert dv1_open.main(["open", *options, "-o", str(output)]) == 0
    assert output.read_bytes() == sample.plaintext
    output.unlink()
    in_range = dv1_open.main(["open", *options, "--range", "1-70000", "-o", str(output)])
    assert in_range == (0 if len(sample.plaintext) > 1 else 1)
    assert not output.exists() or output.read_bytes() == sample.plaintext[1:70001]
    capsys.readouterr()
    assert dv1_open.main(["inspect", *options]) == 0
    facts = capsys.readouterr().out
    assert json.loads(facts)["stored_length"] == len(sample.body)
    assert sample.dek.hex() not in facts


def test_command_line_refuses(
    arguments: Callable[[Sample], list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start, _, reason = BIG_PUT.regions()["padding"]
    options, output = arguments(replace(BIG_PUT, body=flip(BIG_PUT.body, 8 * start))), tmp_path / "plaintext"
    before = set(tmp_path.iterdir())
    assert dv1_open.main(["open", *options, "-o", str(output)]) == 1
    assert capsys.readouterr().err == f"refused: {reason}\n"
    assert set(tmp_path.iterdir()) == before
    (tmp_path / "keyring").chmod(0o620)
    assert dv1_open.main(["inspect", *options]) == 1
    assert capsys.readouterr().err == "refused: keyring: open to others\n"
