#!/usr/bin/env python3
"""Independent opener of the object format dv1.

Written from docs/format.md alone, on Python >= 3.10 and `cryptography` >= 50. Section and step
numbers in comments are those of that document.

    dv1_open.py open OBJECT --metadata M.json --bucket B --key K \\
        --kek-record KEK.json --keyring KEYRING.json [--range a-b] -o PLAINTEXT
    dv1_open.py inspect OBJECT --metadata ... (the same options)

M.json maps header names to values (a string, or a list of strings for a repeated header). The
values are encoded as UTF-8. `--range` takes the first and the last byte, as HTTP does.
Exit codes: 0 opened, 1 refused, 2 a file or an argument was unusable.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import json
import os
import re
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from hmac import compare_digest
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from cryptography.cobblestone import Cobblestone256Decryptor
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

CHUNK = 16384
TAG = 16
PREFIX = 56
STEP = 5242880
MAX_PARTS = 10000
MAX_PLAINTEXT = 2**52 - 1
HEADER_NAME = b"x-amz-meta-dv1"
HEADER_LEN = 171
META_PREFIX = b"x-amz-meta-"
SUMMARY_LEN = 200
ROW_LEN = 128
FOOTER_MAGIC = bytes.fromhex("8944560d0a1a0a00")
FOOTER = FOOTER_MAGIC + bytes([1, 1]) + bytes(6)
TRAILER_LEN = SUMMARY_LEN + len(FOOTER)
COBBLESTONE_INFO = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0"
SYSTEM_HEADERS = (
    b"cache-control",
    b"content-disposition",
    b"content-encoding",
    b"content-language",
    b"content-type",
    b"expires",
)
ETAG_KINDS = {1: "md5", 2: "md5 of part md5s", 3: "opaque"}
CHECKSUM_ALGORITHMS = {
    0: ("none", 0),
    1: ("CRC-32", 4),
    2: ("CRC-32C", 4),
    3: ("CRC-64/NVME", 8),
    4: ("SHA-1", 20),
    5: ("SHA-256", 32),
}
CHECKSUM_KINDS = {0: "none", 1: "full object", 2: "composite"}

MAX_RECORD = 16 << 10
MAX_KEYRING = 1 << 20

Headers = Sequence[tuple[bytes, bytes]]


class Refused(Exception):
    """The input is not a faithful dv1 object; `reason` says where it failed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def require(condition: bool, reason: str) -> None:
    """Refuse unless the condition holds."""
    if not condition:
        raise Refused(reason)


def b64(text: str, reason: str) -> bytes:
    """Decode padded, canonical base64."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise Refused(reason) from None
    require(base64.b64encode(raw).decode() == text, reason)
    return raw


def utf8(text: str, reason: str) -> bytes:
    """Encode as UTF-8; lone surrogates are refused."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise Refused(reason) from None


def sized(text: bytes) -> bytes:
    """Precede a text by its length in four bytes."""
    return len(text).to_bytes(4, "big") + text


# Section 1: sealed messages


def sealed_len(plaintext_len: int) -> int:
    """Length of a sealed message."""
    return PREFIX + plaintext_len + TAG * (plaintext_len // CHUNK + 1)


def unseal(key: bytes, context: bytes, message: bytes, reason: str) -> bytes:
    """Open a whole message."""
    decryptor = Cobblestone256Decryptor(key, context=context)
    try:
        return decryptor.update(message) + decryptor.finalize()
    except InvalidTag:
        raise Refused(reason) from None


class ChunkOpener:
    """Opens single chunks of a message whose salt and commitment are known."""

    def __init__(self, key: bytes, context: bytes, prefix: bytes, reason: str) -> None:
        salt, commitment = prefix[:24], prefix[24:]
        okm = HKDFExpand(SHA512(), 76, COBBLESTONE_INFO + salt + context).derive(key)
        require(compare_digest(okm[44:], commitment), f"{reason}: commitment differs")
        self._aead = AESGCM(okm[:32])
        self._base_nonce = int.from_bytes(okm[32:44], "big")
        self._reason = reason

    def chunk(self, index: int, sealed: bytes) -> bytes:
        """Open the chunk with this index."""
        nonce = (self._base_nonce ^ index).to_bytes(12, "big")
        try:
            return self._aead.decrypt(nonce, sealed, None)
        except InvalidTag:
            raise Refused(f"{self._reason}: chunk {index} does not open") from None


# Sections 2 and 3: keyring and KEK record


def load_json(text: bytes, what: str) -> Any:
    """Parse JSON; a repeated field is refused."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        require(len(fields) == len(pairs), f"{what}: repeated field")
        return fields

    def integer(digits: str) -> int:
        require(digits != "-0", f"{what}: not an integer")
        return int(digits)

    try:
        return json.loads(text.decode(), object_pairs_hook=unique, parse_int=integer)
    except (ValueError, RecursionError):
        raise Refused(f"{what}: not JSON") from None


def check_fields(value: Any, types: Mapping[str, type], what: str) -> None:
    """Require exactly these fields, each of its type: text is Unicode, integers fit 64 bits with a sign."""
    require(type(value) is dict and value.keys() == types.keys(), f"{what}: wrong fields")
    for name, expected in types.items():
        require(type(value[name]) is expected, f"{what}: {name} has the wrong type")
        if expected is str:
            utf8(value[name], f"{what}: {name} is not Unicode")
        if expected is int:
            require(-(2**63) <= value[name] < 2**63, f"{what}: {name} out of range")


def parse_uuid(text: str, what: str) -> bytes:
    """The 16 bytes of a hyphenated UUID."""
    require(bool(re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text)), what)
    return UUID(text).bytes


def parse_keyring(text: bytes) -> dict[str, bytes]:
    """Root keys by id."""
    require(len(text) <= MAX_KEYRING, "keyring: too long")
    ring = load_json(text, "keyring")
    check_fields(ring, {"version": int, "active": str, "keys": list}, "keyring")
    require(ring["version"] == 1, "keyring: unknown version")
    keys: dict[str, bytes] = {}
    for entry in ring["keys"]:
        check_fields(entry, {"id": str, "key": str, "created_at_ms": int}, "keyring: key")
        require(entry["id"] not in keys, "keyring: repeated id")
        keys[entry["id"]] = b64(entry["key"], "keyring: key is not base64")
        require(len(keys[entry["id"]]) == 32, "keyring: key is not 32 bytes")
    require(ring["active"] in keys, "keyring: active key is absent")
    return keys


def read_keyring(path: Path) -> dict[str, bytes]:
    """Read a keyring file; one that group or others have any right to is refused."""
    with path.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        require(not mode & (stat.S_IRWXG | stat.S_IRWXO), "keyring: open to others")
        return parse_keyring(file.read(MAX_KEYRING + 1))


@dataclass(frozen=True)
class KekRecord:
    """A KEK record; `retired` and `created_at_ms` do not matter for opening."""

    kek_id: bytes
    bucket_uuid: bytes
    bucket: bytes
    epoch: int
    root_key_id: str
    wrapped_key: bytes

    @classmethod
    def parse(cls, text: bytes) -> KekRecord:
        """Parse the JSON of a record."""
        what = "KEK record"
        require(len(text) <= MAX_RECORD, f"{what}: too long")
        record = load_json(text, what)
        types: dict[str, type] = {
            "version": int,
            "kek_id": str,
            "bucket_uuid": str,
            "bucket": str,
            "epoch": int,
            "root_key_id": str,
            "wrapped_key": str,
            "created_at_ms": int,
            "retired": bool,
        }
        check_fields(record, types, what)
        require(record["version"] == 1, f"{what}: unknown version")
        require(0 <= record["epoch"] < 2**32, f"{what}: epoch out of range")
        return cls(
            parse_uuid(record["kek_id"], f"{what}: kek_id is not a UUID"),
            parse_uuid(record["bucket_uuid"], f"{what}: bucket_uuid is not a UUID"),
            utf8(record["bucket"], f"{what}: bucket is not Unicode"),
            record["epoch"],
            record["root_key_id"],
            b64(record["wrapped_key"], f"{what}: wrapped_key is not base64"),
        )

    def unwrap(self, root_keys: Mapping[str, bytes]) -> bytes:
        """Open the KEK under its root key."""
        require(self.root_key_id in root_keys, "KEK record: root key is absent")
        require(len(self.wrapped_key) == sealed_len(32), "KEK record: wrapped_key has the wrong length")
        context = (
            b"dv1/kek" + self.kek_id + self.bucket_uuid + self.epoch.to_bytes(4, "big") + sized(self.bucket)
        )
        return unseal(root_keys[self.root_key_id], context, self.wrapped_key, "KEK does not open")


# Section 4: the header


@dataclass(frozen=True)
class Header:
    """The decoded header x-amz-meta-dv1."""

    mask: int
    kek_id: bytes
    oid: bytes
    digest: bytes
    sealed_dek: bytes

    @classmethod
    def parse(cls, value: bytes) -> Header:
        """Decode the header's value."""
        text = value.strip(b" \t\r\n").decode("latin-1")
        raw = b64(text, "header: not base64")
        require(raw[:1] == b"\x01", "header: unknown version")
        require(len(raw) == HEADER_LEN, "header: wrong length")
        require(raw[1] == 1, "header: unknown suite")
        require(raw[2] < 64, "header: unknown bit in the mask")
        return cls(raw[2], raw[3:19], raw[19:35], raw[35:67], raw[67:])


# Section 5: the metadata digest

WHITE = " \t\r\n"
ENCODED_WORD = re.compile(r"=\?[Uu][Tt][Ff]-8\?([BbQq])\?([!->@-~]*)\?=")
Q_TEXT = re.compile(r"(?:[^=]|=[0-9A-Fa-f]{2})*")


def to_text(raw: bytes) -> str:
    """Step 2: UTF-8, or else ISO 8859-1."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def decode_word(encoding: str, text: str) -> bytes | None:
    """The bytes of an encoded word, or None if it is not one."""
    if encoding in "Bb":
        try:
            return b64(text, "")
        except Refused:
            return None
    if not Q_TEXT.fullmatch(text):
        return None
    spaced = text.replace("_", " ")
    return re.sub(r"=(..)", lambda m: chr(int(m[1], 16)), spaced).encode("latin-1")


def decode_words(text: str, of_user: bool) -> str:
    """Step 3.1: replace runs of encoded words by their text; in system headers only what is beyond ASCII."""
    out: list[str] = []
    run = b""
    run_open = False
    begin = done = search = 0

    def close() -> str:
        decoded = to_text(run)
        return text[begin:done] if decoded.isascii() and not of_user else decoded

    while match := ENCODED_WORD.search(text, search):
        word = decode_word(match[1], match[2])
        if word is None:
            search = match.start() + 1
            continue
        gap = text[done : match.start()]
        if not (run_open and not gap.strip(WHITE)):
            out += [close(), gap]
            run = b""
            begin = match.start()
        run += word
        run_open = True
        done = search = match.end()
    return "".join(out) + close() + text[done:]


def undo_mojibake(text: str) -> str:
    """Step 3.2: undo UTF-8 taken for ISO 8859-1."""
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


def canonical_text(raw: bytes, of_user: bool = True) -> str:
    """Steps 2 and 3: the text of a value."""
    text = to_text(raw)
    for _ in range(4):
        before = text
        text = undo_mojibake(decode_words(text, of_user))
        if text == before:
            break
    return text


def canonical_metadata(headers: Headers, mask: int) -> list[tuple[bytes, bytes]]:
    """Covered headers in canonical form, sorted by name."""
    system = {name for bit, name in enumerate(SYSTEM_HEADERS) if mask >> bit & 1}
    named: list[tuple[bytes, list[bytes]]] = []
    for raw_name, raw_value in headers:
        name = raw_name.lower()
        of_user = name.startswith(META_PREFIX)
        if name == HEADER_NAME or not (of_user or name in system):
            continue
        split = [piece.strip(WHITE).encode() for piece in canonical_text(raw_value, of_user).split(",")]
        if name == b"content-encoding":
            split = [piece for piece in split if piece.lower() != b"aws-chunked"]
        named.append((name, split))
    pieces: dict[bytes, list[bytes]] = {}
    # Stable: headers of one name keep their order.
    for name, split in sorted(named, key=lambda pair: pair[0]):
        if name.startswith(META_PREFIX):
            name = name.replace(b"_", b"-")
        pieces.setdefault(name, []).extend(split)
    joined = ((name, b",".join(values)) for name, values in sorted(pieces.items()))
    return [(name, value) for name, value in joined if value]


def metadata_digest(headers: Headers, mask: int) -> bytes:
    """Digest of the metadata under a mask."""
    pairs = canonical_metadata(headers, mask)
    fields = b"".join(sized(name) + sized(value) for name, value in pairs)
    return sha256(b"dv1/metadata" + bytes([mask]) + len(pairs).to_bytes(4, "big") + fields).digest()


# Section 6: the stored body


def stored_len(plaintext_len: int) -> int:
    """g(P)."""
    steps = min(plaintext_len // STEP, 9998)
    return plaintext_len + 16 * (plaintext_len // CHUNK) + 288 + 400 * steps


@dataclass(frozen=True)
class Checksum:
    """Checksum of an object or a part."""

    algorithm: int
    kind: int
    value: bytes

    @classmethod
    def parse(cls, algorithm: int, kind: int, raw: bytes, what: str) -> Checksum:
        """Check codes and zeros."""
        require(algorithm in CHECKSUM_ALGORITHMS, f"{what}: unknown checksum algorithm")
        require(kind in CHECKSUM_KINDS, f"{what}: unknown kind of checksum")
        require((algorithm == 0) == (kind == 0), f"{what}: checksum algorithm and kind disagree")
        length = CHECKSUM_ALGORITHMS[algorithm][1]
        require(not any(raw[length:]), f"{what}: not zero where zero is written")
        return cls(algorithm, kind, raw[:length])

    def facts(self) -> dict[str, str]:
        """Readable form."""
        return {
            "algorithm": CHECKSUM_ALGORITHMS[self.algorithm][0],
            "kind": CHECKSUM_KINDS[self.kind],
            "value": self.value.hex(),
        }


@dataclass(frozen=True)
class Summary:
    """The opened SUMMARY."""

    plaintext_len: int
    parts: int
    first_number: int
    etag_kind: int
    etag_bytes: bytes
    checksum: Checksum
    first_prefix: bytes

    @classmethod
    def parse(cls, raw: bytes, length: int) -> Summary:
        """Check the fields of a SUMMARY against the stored length."""
        what = "SUMMARY"
        plaintext_len = int.from_bytes(raw[:8], "big")
        parts = int.from_bytes(raw[8:10], "big")
        first_number = int.from_bytes(raw[10:12], "big")
        require(plaintext_len <= MAX_PLAINTEXT, f"{what}: plaintext length out of range")
        require(stored_len(plaintext_len) == length, f"{what}: stored length is not g(P)")
        require(1 <= parts <= MAX_PARTS, f"{what}: number of parts out of range")
        require(1 <= first_number <= MAX_PARTS, f"{what}: part number out of range")
        require(raw[12] in ETAG_KINDS, f"{what}: unknown kind of ETag")
        require(raw[12] != 1 or parts == 1, f"{what}: ETag of one part, several parts")
        require(raw[15] == 0 and not any(raw[120:]), f"{what}: not zero where zero is written")
        checksum = Checksum.parse(raw[13], raw[14], raw[32:64], what)
        return cls(plaintext_len, parts, first_number, raw[12], raw[16:32], checksum, raw[64:120])

    @property
    def etag(self) -> str:
        """The ETag that clients see, without quotes."""
        return self.etag_bytes.hex() + ("" if self.etag_kind == 1 else f"-{self.parts}")


@dataclass(frozen=True)
class Row:
    """One part: a row of TABLE, or what SUMMARY says of the only part."""

    length: int
    number: int
    prefix: bytes
    checksum: Checksum | None = None
    md5: bytes | None = None

    @classmethod
    def parse(cls, raw: bytes) -> Row:
        """Check the fields of a row."""
        what = "TABLE"
        number = int.from_bytes(raw[8:10], "big")
        require(1 <= number <= MAX_PARTS, f"{what}: part number out of range")
        require(not any(raw[12:16]) and not any(raw[120:]), f"{what}: not zero where zero is written")
        checksum = Checksum.parse(raw[10], raw[11], raw[32:64], what)
        return cls(int.from_bytes(raw[:8], "big"), number, raw[64:120], checksum, raw[16:32])


class Stored:
    """Stored bytes, read by ranges."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.length = file.seek(0, os.SEEK_END)

    def read(self, start: int, length: int) -> bytes:
        """Read exactly this range."""
        self._file.seek(start)
        data = self._file.read(length)
        require(len(data) == length, "object ended early")
        return data

    def has_magic(self) -> bool:
        """Whether the object ends in a footer."""
        if self.length < len(FOOTER):
            return False
        return self.read(self.length - len(FOOTER), len(FOOTER_MAGIC)) == FOOTER_MAGIC


@dataclass
class SealedObject:
    """An object of which steps 1 to 5 of section 7 have passed."""

    stored: Stored
    header: Header
    summary: Summary
    metadata_matches: bool
    _dek: bytes = field(repr=False)

    @property
    def _table_len(self) -> int:
        return sealed_len(ROW_LEN * self.summary.parts) if self.summary.parts > 1 else 0

    @cached_property
    def rows(self) -> list[Row]:
        """Step 6: the parts, from TABLE if there are several."""
        summary = self.summary
        if summary.parts == 1:
            return [Row(summary.plaintext_len, summary.first_number, summary.first_prefix)]
        tail = self._table_len + TRAILER_LEN
        require(tail <= self.stored.length, "TABLE does not fit")
        raw = self.stored.read(self.stored.length - tail, tail)
        summary_prefix = raw[self._table_len :][:PREFIX]
        context = b"dv1/table" + self.header.oid + summary_prefix
        table = unseal(self._dek, context, raw[: self._table_len], "TABLE does not open")
        rows = [Row.parse(table[at : at + ROW_LEN]) for at in range(0, len(table), ROW_LEN)]
        require(len(rows) == summary.parts, "TABLE: wrong number of rows")
        ascending = all(a.number < b.number for a, b in pairwise(rows))
        require(ascending, "TABLE: part numbers do not ascend")
        total = sum(row.length for row in rows)
        require(total == summary.plaintext_len, "TABLE: lengths do not add up")
        first = (rows[0].number, rows[0].prefix)
        require(first == (summary.first_number, summary.first_prefix), "TABLE: not the SUMMARY's first part")
        require(self._padding_len(rows) >= 0, "TABLE: negative padding")
        return rows

    def _padding_len(self, rows: Sequence[Row]) -> int:
        parts = sum(sealed_len(row.length) for row in rows)
        return self.stored.length - parts - self._table_len - TRAILER_LEN

    @property
    def padding(self) -> int:
        """Bytes of padding."""
        return self._padding_len(self.rows)

    def read_range(self, start: int, end: int) -> Iterator[bytes]:
        """Plaintext bytes [start, end), chunk by chunk: step 7 and section 8."""
        size = self.summary.plaintext_len
        require(0 <= start <= end <= size, "range lies outside the object")
        rows = self.rows
        if start == end and size > 0:
            return
        position = offset = 0
        for row in rows:
            part_end = position + row.length
            if row.length == 0:
                wanted = start < position < end or position == start == 0 or position == end == size
            else:
                wanted = position < end and start < part_end
            if wanted:
                first = max(start - position, 0) // CHUNK
                last = row.length // CHUNK if end >= part_end else (end - 1 - position) // CHUNK
                yield from self._read_chunks(row, offset, position, first, last, start, end)
            position = part_end
            offset += sealed_len(row.length)

    def _read_chunks(
        self, row: Row, offset: int, position: int, first: int, last: int, start: int, end: int
    ) -> Iterator[bytes]:
        """Chunks first to last of the part stored at offset, cut to [start, end)."""
        what = f"part {row.number}"
        if first == 0:
            prefix = self.stored.read(offset, PREFIX)
            require(compare_digest(prefix, row.prefix), f"{what}: not the part that was completed")
        context = b"dv1/part" + self.header.oid + row.number.to_bytes(2, "big")
        opener = ChunkOpener(self._dek, context, row.prefix, what)
        for index in range(first, last + 1):
            length = min(CHUNK, row.length - index * CHUNK)
            at = offset + PREFIX + index * (CHUNK + TAG)
            plaintext = opener.chunk(index, self.stored.read(at, length + TAG))
            chunk_position = position + index * CHUNK
            yield plaintext[max(start - chunk_position, 0) : end - chunk_position]

    def read_all(self) -> Iterator[bytes]:
        """The whole plaintext: steps 7 and 8."""
        yield from self.read_range(0, self.summary.plaintext_len)
        at = self.stored.length - TRAILER_LEN - self._table_len - self.padding
        require(not any(self.stored.read(at, self.padding)), "padding is not zero")

    def facts(self) -> dict[str, Any]:
        """What is known of the object, without plaintext and keys."""
        mask = self.header.mask
        parts = []
        offset = 0
        for row in self.rows:
            part: dict[str, Any] = {
                "number": row.number,
                "length": row.length,
                "stored_offset": offset,
                "salt": row.prefix[:24].hex(),
            }
            if row.md5 is not None and self.summary.etag_kind != 3:
                part["md5"] = row.md5.hex()
            if row.checksum is not None:
                part["checksum"] = row.checksum.facts()
            parts.append(part)
            offset += sealed_len(row.length)
        return {
            "kek_id": str(UUID(bytes=self.header.kek_id)),
            "oid": self.header.oid.hex(),
            "covered_system_headers": [n.decode() for b, n in enumerate(SYSTEM_HEADERS) if mask >> b & 1],
            "metadata_digest": self.header.digest.hex(),
            "metadata_matches": self.metadata_matches,
            "stored_length": self.stored.length,
            "plaintext_length": self.summary.plaintext_len,
            "padding": self.padding,
            "etag": self.summary.etag,
            "etag_kind": ETAG_KINDS[self.summary.etag_kind],
            "checksum": self.summary.checksum.facts(),
            "parts": parts,
        }


def open_object(
    stored: Stored,
    headers: Headers,
    bucket: str,
    key: str,
    records: Iterable[KekRecord],
    root_keys: Mapping[str, bytes],
    accept_changed_metadata: bool = False,
) -> SealedObject:
    """Steps 1 to 5 of section 7."""
    # 1
    values = [value for name, value in headers if name.lower() == HEADER_NAME]
    if not values:
        raise Refused("header: stripped" if stored.has_magic() else "not sealed")
    require(len(values) == 1, "header: repeated")
    header = Header.parse(values[0])
    # 2
    record = next((record for record in records if record.kek_id == header.kek_id), None)
    if record is None:
        raise Refused("KEK record is absent")
    require(record.bucket == utf8(bucket, "bucket is not Unicode"), "KEK record: of another bucket")
    kek = record.unwrap(root_keys)
    # 3
    key_field = sized(utf8(key, "key is not Unicode"))
    context = b"dv1/dek" + record.bucket_uuid + key_field + header.oid + header.digest
    dek = unseal(kek, context, header.sealed_dek, "DEK does not open")
    # 4
    matches = compare_digest(metadata_digest(headers, header.mask), header.digest)
    require(matches or accept_changed_metadata, "metadata was changed")
    # 5
    require(stored.length >= TRAILER_LEN, "object is too short")
    trailer = stored.read(stored.length - TRAILER_LEN, TRAILER_LEN)
    require(trailer[SUMMARY_LEN:] == FOOTER, "footer differs")
    raw = unseal(dek, b"dv1/summary" + header.oid, trailer[:SUMMARY_LEN], "SUMMARY does not open")
    return SealedObject(stored, header, Summary.parse(raw, stored.length), matches, dek)


# Command line


def parse_headers(text: bytes) -> list[tuple[bytes, bytes]]:
    """Headers from a JSON map of names to a string or a list of strings."""
    fields = load_json(text, "metadata")
    require(type(fields) is dict, "metadata: not a map")
    headers = []
    for name, value in fields.items():
        values = value if type(value) is list else [value]
        require(all(type(item) is str for item in values), f"metadata: {name} is not text")
        headers += [(utf8(name, "metadata: not Unicode"), utf8(v, "metadata: not Unicode")) for v in values]
    return headers


def parse_range(text: str) -> tuple[int, int]:
    """First and last byte, as HTTP writes them, as a half-open range."""
    match = re.fullmatch(r"([0-9]+)-([0-9]+)", text)
    if not match or int(match[1]) > int(match[2]):
        raise argparse.ArgumentTypeError("expected FIRST-LAST")
    return int(match[1]), int(match[2]) + 1


def write_plaintext(chunks: Iterable[bytes], output: Path) -> None:
    """Write a file that appears only once everything has passed."""
    with tempfile.NamedTemporaryFile(dir=output.parent, delete=False) as file:
        try:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.replace(file.name, output)
        except BaseException:
            os.unlink(file.name)
            raise


def run(args: argparse.Namespace) -> None:
    """Open or inspect as the arguments say."""
    records = [KekRecord.parse(path.read_bytes()) for path in args.kek_record]
    headers = parse_headers(args.metadata.read_bytes())
    root_keys = read_keyring(args.keyring)
    with args.object.open("rb") as file:
        opened = open_object(
            Stored(file), headers, args.bucket, args.key, records, root_keys, args.accept_changed_metadata
        )
        if args.command == "inspect":
            print(json.dumps(opened.facts(), indent=2))
        elif args.range is None:
            write_plaintext(opened.read_all(), args.output)
        else:
            start, end = args.range
            size = opened.summary.plaintext_len
            require(start < size, "range lies outside the object")
            write_plaintext(opened.read_range(start, min(end, size)), args.output)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("object", type=Path, help="stored bytes")
    common.add_argument("--metadata", type=Path, required=True, help="JSON map of stored headers")
    common.add_argument("--bucket", required=True)
    common.add_argument("--key", required=True)
    common.add_argument("--kek-record", type=Path, required=True, action="append", help="may be repeated")
    common.add_argument("--keyring", type=Path, required=True)
    common.add_argument(
        "--accept-changed-metadata", action="store_true", help="go on if only the metadata was changed"
    )
    parser = argparse.ArgumentParser(description="Open objects of the format dv1.")
    commands = parser.add_subparsers(dest="command", required=True)
    opening = commands.add_parser("open", parents=[common], help="verify and write the plaintext")
    opening.add_argument("--range", type=parse_range, help="FIRST-LAST, both included")
    opening.add_argument("-o", "--output", type=Path, required=True)
    commands.add_parser("inspect", parents=[common], help="verify all but the parts and print facts")
    args = parser.parse_args(argv)
    try:
        run(args)
    except Refused as refused:
        print(f"refused: {refused.reason}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
