"""Labelled texts of every kind, the same for the same seed: `{id, text, spans, meta}`, the form of the evaluator."""

from __future__ import annotations

from collections.abc import Iterator

from contacts import CONTACTS
from identifiers import NUMBERS
from kinds import Draw, Kind
from own import OTHERS
from people import PEOPLE
from secret_forms import SECRETS
from wrap import record

KINDS: list[Kind] = [*CONTACTS, *PEOPLE, *NUMBERS, *OTHERS, *SECRETS]
HALVES = ("a", "b")
"""Both are reported. Misses may be read of `a` alone, so that `b` stays a measurement."""


def positives(seed: int, count: int, kinds: list[Kind] | None = None) -> Iterator[dict]:
    """`count` texts of a kind, of an issuer's secrets a fifth: in both halves, with context and without."""
    for kind in kinds or KINDS:
        for half in HALVES:
            draw = Draw(f"{seed}/{half}/{kind.name}")
            for at in range(-(-(count // 5 if kind.type == "SECRET" else count) // 2)):
                context = at % 2 == 0 or not kind.bare and kind.type == "SECRET"
                made = record(kind, draw, kind.write(draw, kind.make(draw)), context, f"{kind.name}/{half}/{at}")
                yield made | {"meta": made["meta"] | {"half": half}}


def near_misses(seed: int, count: int, kinds: list[Kind] | None = None) -> Iterator[dict]:
    """Up to `count` texts of a kind and of what is wrong with the value, half of them with context."""
    for kind in kinds or KINDS:
        draw = Draw(f"{seed}/misses/{kind.name}")
        for at in range(count):
            for what, value in kind.near_misses(draw).items():
                made = record(kind, draw, value, at % 2 == 0, f"{kind.name}/{what}/{at}", what)
                yield made | {"meta": made["meta"] | {"half": HALVES[at // 2 % 2]}}
