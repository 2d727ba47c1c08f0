"""Texts to scrub, of any length: each made the same way at every call, of what the Python that runs this ships, or drawn by a seed."""

from __future__ import annotations

import json
import random
import sysconfig
import uuid
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from pydoc_data import topics

NAMES = ("Maria Gonzalez", "John Smith", "Aiko Tanaka", "Piotr Nowak", "Fatima Al-Sayed", "Lars Eriksen", "Chloe Dubois", "Ravi Patel")
TOWNS = ("Lisbon", "Springfield", "Osaka", "Krakow", "Lyon", "Pune", "Bergen", "Leeds")


def prose() -> Iterator[str]:
    """English paragraphs: the language reference that Python ships for its `help()`, again and again in another order."""
    paragraphs = [block + "\n\n" for text in topics.topics.values() for block in text.split("\n\n") if len(block) > 200]
    dice = random.Random(1)
    while True:
        dice.shuffle(paragraphs)
        yield from paragraphs


def code() -> Iterator[str]:
    """Modules of Python's library."""
    files = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))
    while True:
        yield from (file.read_text(encoding="utf-8", errors="replace") for file in files)


def logs() -> Iterator[str]:
    """Lines of an access log: times, addresses, numbers, request ids."""
    dice = random.Random(2)
    for number in count():
        address = ".".join(str(dice.randrange(1, 255)) for _ in range(4))
        yield (
            f'{address} - - [{dice.randrange(1, 29):02}/Mar/2026:{dice.randrange(24):02}:{dice.randrange(60):02}:{dice.randrange(60):02} +0000] "GET /v1/items/{dice.randrange(10**8)}'
            f'?page={number % 97} HTTP/1.1" 200 {dice.randrange(10**6)} {dice.random() * 3:.6f} {dice.randbytes(16).hex()}\n'
        )


def records() -> Iterator[str]:
    """Lines of JSON: UUIDs, hashes, counts, no personal data."""
    dice = random.Random(3)
    while True:
        yield json.dumps(
            {
                "id": str(uuid.UUID(int=dice.getrandbits(128), version=4)),
                "sha256": dice.randbytes(32).hex(),
                "count": dice.randrange(10**9),
                "share": dice.random(),
                "state": dice.choice(["open", "closed", "failed"]),
            }
        ) + "\n"


def personal() -> Iterator[str]:
    """Support tickets: a finding in every line."""
    dice = random.Random(4)
    for number in count():
        name = dice.choice(NAMES)
        user = name.lower().replace(" ", ".")
        yield (
            f"Ticket {number}: {name} from {dice.choice(TOWNS)} wrote from {user}{number % 1000}@example.com, asks to be called back at "
            f"+1 217-555-01{dice.randrange(100):02}, and says that the order has not arrived.\n"
        )


def same(unit: str) -> Callable[[], Iterator[str]]:
    """One text again and again, without an end of line unless it has one."""

    def repeat() -> Iterator[str]:
        while True:
            yield unit * (65536 // len(unit))

    return repeat


NORMAL: dict[str, Callable[[], Iterator[str]]] = {"prose": prose, "code": code, "logs": logs, "JSON records": records, "personal data": personal}
"""What people have."""

HARD: dict[str, Callable[[], Iterator[str]]] = {
    "`a`": same("a"),
    "`@`": same("@"),
    "`.`": same("."),
    "digits": same("1234567890"),
    "digits and dashes": same("4-1-"),
    "prose in one line": lambda: (text.replace("\n", " ") for text in prose()),
    "nested escapes": same("\\\\u005cu0040%2540&amp;#64;"),
    "base64 of base64": same("WVhOa1ptRnpaR1poYzJSbVlYTmtabUZ6WkdaaGMyUm1ZWE5rWm1GelpHWT0="),
    "open brackets": same('{"a":['),
}
"""What could be made against us."""


def write(name: str, size: int, out) -> None:
    """The first `size` bytes of a text to a binary file."""
    for text in (NORMAL | HARD)[name]():
        data = text.encode()[:size]
        out.write(data)
        size -= len(data)
        if not size:
            return
