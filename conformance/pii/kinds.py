"""What a kind of personal data is to the generator, and how its values are drawn."""

from __future__ import annotations

import datetime
import string
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from random import Random

from faker import Faker

TRIES = 20_000
"""Draws until a checker accepts a value: the rarest is accepted once in some hundred."""

FILL = {"9": string.digits, "A": string.ascii_uppercase, "a": string.ascii_lowercase, "X": string.ascii_uppercase + string.digits}


@cache
def faker(locale: str) -> Faker:
    return Faker(locale)


class Draw:
    """Random values, the same for the same seed."""

    def __init__(self, seed: str):
        self.random = Random(seed)
        self._seeded: set[str] = set()

    def fill(self, pattern: str) -> str:
        """9 a digit, A a letter, a a small one, X a letter or digit; others stand for themselves."""
        return "".join(self.random.choice(FILL[c]) if c in FILL else c for c in pattern)

    def pick(self, *choices):
        return self.random.choice(choices)

    def number(self, low: int, high: int, width: int = 0) -> str:
        return f"{self.random.randint(low, high):0{width}}"

    def day(self, first: int = 1930, last: int = 2023) -> datetime.date:
        start = datetime.date(first, 1, 1)
        return start + datetime.timedelta(self.random.randrange((datetime.date(last, 12, 31) - start).days))

    def date(self, form: str, first: int = 1930, last: int = 1999) -> str:
        return self.day(first, last).strftime(form)

    def faker(self, *locales: str) -> Faker:
        locale = self.random.choice(locales)
        made = faker(locale)
        if locale not in self._seeded:
            self._seeded.add(locale)
            made.seed_instance(self.random.getrandbits(64))
        return made

    def until(self, accepts: Callable[[str], bool], make: Callable[[Draw], str]) -> str:
        """The first of the made values that is accepted."""
        for _ in range(TRIES):
            if accepts(value := make(self)):
                return value
        raise RuntimeError(f"none of {TRIES} values was accepted, the last was of {len(value)} characters")


@dataclass(frozen=True)
class Kind:
    """A row of the table."""

    name: str
    type: str
    """Entity type of `data-vault scrub --list`."""
    source: str
    """Whose code makes the values, and says which are valid."""
    bar: str
    """`validated`, `secret`, `phone or date`, `name`, `organisation`, or `other`: what the issue asks of it."""
    make: Callable[[Draw], str]
    labels: tuple[str, ...] = ()
    """How documents name it."""
    accepts: Callable[[str], bool] | None = None
    """Whether a value is valid, without its separators."""
    forms: tuple[str, ...] = ()
    """How it is written: `###-##-####`; those with as many signs as the value has characters are used."""
    cased: bool = True
    """Whether its letters are also written small, and in capitals."""
    prose: tuple[str, ...] = ()
    """Sentences with context, where those of all kinds do not fit."""
    bare: tuple[str, ...] = ()
    """Sentences without."""

    def write(self, draw: Draw, value: str) -> str:
        """The value, in one of its forms."""
        fitting = [form for form in self.forms if form.count("#") == len(value)]
        if not fitting:
            return value
        characters = iter(value)
        return "".join(next(characters) if c == "#" else c for c in draw.pick(*fitting))

    def near_misses(self, draw: Draw) -> dict[str, str]:
        """Values that are none: by what is wrong with them."""
        value = self.make(draw)
        digits = [at for at, c in enumerate(value) if c.isdigit()]
        missed = {}
        if any(self.forms) and len(digits) >= 6:
            at = draw.pick(*digits)
            missed["wrong length"] = value[:at] + value[at + 1 :] if draw.random.random() < 0.5 else value + draw.fill("9")
        if self.accepts is not None and digits:
            for _ in range(40):  # A checker that refuses nothing has no near misses.
                at = draw.pick(*digits[-4:])
                wrong = value[:at] + draw.fill("9") + value[at + 1 :]
                if not self.accepts(wrong):
                    missed["wrong check digit"] = self.write(draw, wrong)
                    break
        return missed
