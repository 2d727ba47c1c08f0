"""Data as people train on it, with values planted in every place that a format has, and what must be left of them: nothing."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from collections.abc import Iterator

import pyarrow as pa

# Of no person: the mail is of a reserved domain, the number of a range that is never given out, the telephone of one kept for films. No other test has these:
# keys and metadata lie in the store as they are.
MAIL = "mary.johnson" + "@example.com"
SSN = "219-09-" + "9997"
NUMBER = int(SSN.replace("-", ""))
PHONE = "+1 202-555-" + "0143"
VALUES = (MAIL, SSN, PHONE, str(NUMBER))
ROWS = 3000


def needles() -> list[bytes]:
    """The values as they stand in files: text, and the number as a column of INT64 has it."""
    return [value.encode() for value in VALUES] + [NUMBER.to_bytes(8, "little")]


def holds(content: bytes) -> list[bytes]:
    """Those of the values that bytes hold."""
    return [needle for needle in needles() if needle in content]


def strings(value) -> Iterator[str]:
    """Every text in a value of JSON or of a table, names too, and what is written as JSON in a text."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield name
            yield from strings(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from strings(one)
    elif isinstance(value, str):
        yield value
        if value.startswith(("{", "[")):
            yield from strings(json.loads(value))
    elif value is not None:
        yield str(value)


def clean(value) -> None:
    """Nothing of what was planted is in a value, however deep."""
    for text in strings(value):
        assert not any(one in text for one in VALUES), text


def table(rows: int = ROWS) -> pa.Table:
    """A table as a data set has it: strings, an INT64 number, lists of structs, a map of keys, arguments of tools as JSON in JSON, metadata."""
    messages = [{"role": "user", "content": f"my mail is {MAIL}"}, {"role": "assistant", "content": None, "arguments": arguments()}]
    return pa.table(
        {
            "id": pa.array(range(rows), pa.int64()),
            "email": pa.array([MAIL if row % 3 else None for row in range(rows)]),
            "ssn": pa.array([NUMBER] * rows, pa.int64()),
            "messages": pa.array([messages if row % 2 else [] for row in range(rows)]),
            "score": pa.array([row / 7 for row in range(rows)], pa.float64()),
            "kind": pa.array(["even" if row % 2 == 0 else "odd" for row in range(rows)]),
        }
    ).replace_schema_metadata({"info": json.dumps({"collected_by": MAIL})})


UNTOUCHED = ("id", "score", "kind")


def arguments() -> str:
    """What a model hands to a tool: JSON in a string, with JSON in a string of it."""
    return json.dumps({"to": MAIL, "body": json.dumps({"ssn": SSN, "say": 'call "me"\n', "phone": PHONE})})


def chats(lines: int = 200) -> list[dict]:
    """Lines of a log of chats."""
    return [
        {
            "id": line,
            "messages": [
                {"role": "user", "content": f"Hi, write to {MAIL} or call {PHONE}."},
                {"role": "assistant", "tool_calls": [{"id": f"call_{line}", "function": {"name": "send", "arguments": arguments()}}]},
            ],
            "user": {"ssn": NUMBER, "contacts": {MAIL: 1, "other": 2}},
            "score": line / 8,
        }
        for line in range(lines)
    ]


def jsonl(rows: list[dict]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def check_chats(stored: bytes, sent: list[dict]) -> None:
    """Line by line what was sent, but for the values."""
    got = [json.loads(line) for line in stored.splitlines()]
    assert len(got) == len(sent)
    clean(got)
    for now, before in zip(got, sent, strict=True):
        assert (now["id"], now["score"], list(now)) == (before["id"], before["score"], list(before))
        assert [message["role"] for message in now["messages"]] == ["user", "assistant"]
        call = now["messages"][1]["tool_calls"][0]
        assert (call["id"], call["function"]["name"]) == (f"call_{before['id']}", "send")
        body = json.loads(json.loads(call["function"]["arguments"])["body"])
        assert (list(body), body["say"]) == (["ssn", "say", "phone"], 'call "me"\n')
        assert now["user"]["ssn"] is None
        assert list(now["user"]["contacts"].values()) == [1, 2]


def export(rows: int = 500) -> bytes:
    """A CSV export: cells in quotes, empty ones, line ends of its own."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow(["id", "email", "ssn", "amount", "note"])
    writer.writerows([row, MAIL, SSN if row % 2 else "", f"{row / 4:.2f}", f'said "yes; {PHONE}"'] for row in range(rows))
    return out.getvalue().encode()


def check_export(stored: bytes, rows: int = 500) -> None:
    got = list(csv.reader(io.StringIO(stored.decode(), newline=""), delimiter=";"))
    assert got[0] == ["id", "email", "ssn", "amount", "note"]
    assert stored.count(b"\r\n") == len(got) == rows + 1
    clean(got)
    assert [(row[0], row[3], len(row)) for row in got[1:]] == [(str(row), f"{row / 4:.2f}", 5) for row in range(rows)]
    assert all(row[4].startswith('said "yes; ') for row in got[1:])


PICTURE = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(range(256)) * 8


def shard(samples: int = 40, seed: int = 0) -> bytes:
    """A shard of WebDataset: of each sample a picture, a text and an object; one is named after somebody."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for sample in range(samples):
            name = MAIL if sample == 7 else f"{seed:03}-{sample:06}"
            members = {"jpg": PICTURE, "txt": f"a picture of {MAIL}".encode(), "json": json.dumps({"ssn": NUMBER, "n": sample}).encode()}
            for kind, content in members.items():
                entry = tarfile.TarInfo(f"{name}.{kind}")
                entry.size, entry.mtime = len(content), 1_700_000_000
                tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def check_shard(stored: bytes, samples: int = 40) -> None:
    with tarfile.open(fileobj=io.BytesIO(stored)) as tar:
        members = [(entry.name, tar.extractfile(entry).read()) for entry in tar]
    assert len({name for name, _ in members}) == len(members) == 3 * samples
    assert [name.rpartition(".")[2] for name, _ in members] == ["jpg", "txt", "json"] * samples
    clean([name for name, _ in members])
    assert all(content == PICTURE for _, content in members[0::3]), "pictures are passed as they are"
    assert {content for _, content in members[1::3]} == {b"a picture of <EMAIL_ADDRESS>"}
    assert [json.loads(content) for _, content in members[2::3]] == [{"ssn": None, "n": sample} for sample in range(samples)]
