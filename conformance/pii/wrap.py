"""Texts around a value: prose, JSON, CSV, a line of a log; with what names it, or without."""

from __future__ import annotations

import csv
import io
import json
import re

from kinds import Draw, Kind

PROSE = (
    "{label}: {value}", "My {label} is {value}.", "The {label} on file was {value}, as she said.", "Please check {label} {value} again.",
    "{value} ({label})", "{label} {value}",
    "Your {label} ({value}) has changed.", "{label} = {value}", "We have {value} as your {label}.", "{label} no. {value}",
)  # fmt: skip
BARE = ("It was {value} then.", "Please look at {value} again.", "He wrote {value} on the wall.", "{value} came first.", "Then: {value}",
    "Both said {value}, and left.")
LOG_WITH = (
    "2026-03-02T10:22:33Z INFO update {key}={value} done", "[warn] rejected {label}: {value}", 'level=info msg="saved" {key}="{value}" took=3ms',
    "10:22:33.120 DEBUG form {key}: {value}",
)  # fmt: skip
LOG_WITHOUT = ("2026-03-02T10:22:33Z INFO processed {value} in 41 ms", "[warn] skipped {value}", "worker-3: got {value} (attempt 2)")
NEUTRAL = ("value", "data", "item", "field7", "x")
WRAPS = ("prose", "prose", "json", "csv", "log")
"""Prose twice as often as the others."""


STYLES = {
    "snake_case": lambda words: "_".join(words).lower(),
    "camelCase": lambda words: words[0].lower() + "".join(word.title() for word in words[1:]),
    "UPPER_CASE": lambda words: "_".join(words).upper(),
    "words": " ".join,
}
"""How the name of a field is written."""


def key_of(draw: Draw, label: str) -> tuple[str, str]:
    """The label, as the name of a field, and the style."""
    words = re.split(r"[\s()'’/-]+", label.replace(".", "").replace("'s", "s"))  # C.F. is CF there.
    styles = ("snake_case", "words") if label.lower() == label.upper() else tuple(STYLES)  # Some scripts have no capitals.
    style = draw.pick(*styles)
    return STYLES[style](words), style


def cased(draw: Draw, text: str, title: bool) -> tuple[str, str]:
    """The text as it is, in small letters, in capitals, or (names only) each Word with one; and which."""
    case = draw.random.choices(("as it is", "lower", "UPPER", "Title" if title else "as it is"), (70, 12, 12, 6))[0]
    changed = {"lower": text.lower(), "UPPER": text.upper(), "Title": text.title()}.get(case, text)
    return (changed, case) if changed != text else (text, "as it is")


def record(kind: Kind, draw: Draw, value: str, context: bool, identity: str, miss: str | None = None) -> dict:
    """A labelled text. A value with line ends goes into prose only."""
    wrap = "prose" if "\n" in value else draw.pick(*WRAPS)
    if kind.type == "SECRET":
        wrap = "prose"
    case = "as it is"
    if kind.cased and miss is None:
        value, case = cased(draw, value, kind.bar in ("name", "organisation"))
    spelled = draw.random.choices((str, str.lower, str.upper, str.title), (55, 15, 15, 15))[0]
    label = spelled(draw.pick(*kind.labels)) if kind.labels else ""
    key, style = key_of(draw, label) if context else (draw.pick(*NEUTRAL), "")
    text = WRITERS[wrap](kind, draw, label, key, value, context)
    start = text.index("\0")
    text = text.replace("\0", value)
    spans = [] if miss else [{"start": start, "end": start + len(value), "type": kind.type}]
    field = wrap in ("json", "csv") or wrap == "log" and key in text
    meta = {
        "row": kind.name, "context": context, "wrap": wrap, "case": case, "label": label if context else "",
        "key": style if field and " " in label else "", "miss": miss,
    }  # fmt: skip
    return {"id": identity, "text": text, "spans": spans, "meta": meta}


def prose(kind: Kind, draw: Draw, label: str, _key: str, _value: str, context: bool) -> str:
    sentence = draw.pick(*((kind.prose or PROSE) if context else (kind.bare or BARE)))
    return sentence.replace("{label}", label).replace("{value}", "\0")


def as_json(_kind: Kind, draw: Draw, _label: str, key: str, value: str, _context: bool) -> str:
    fields = {"n": draw.random.randrange(100), key: "\0", "status": draw.pick("ok", "new", "done")}
    text = json.dumps(fields, ensure_ascii=False, indent=draw.pick(None, 2)).replace('"\\u0000"', '"\0"')
    return text if json.dumps(value, ensure_ascii=False) == f'"{value}"' else text.replace('"', "'")


def as_csv(_kind: Kind, draw: Draw, _label: str, key: str, value: str, _context: bool) -> str:
    out = io.StringIO()
    rows = csv.writer(out, delimiter=draw.pick(",", ",", ";", "\t"), lineterminator="\n")
    rows.writerow(["n", key, "status"])
    for _ in range(draw.random.randrange(3)):
        rows.writerow([draw.random.randrange(100), "", "new"])
    rows.writerow([draw.random.randrange(100), "\0", "ok"])
    quote = '"' if set(value) & set(",;\t") else ""
    return out.getvalue().replace("\0", f"{quote}\0{quote}")


def log(_kind: Kind, draw: Draw, label: str, key: str, _value: str, context: bool) -> str:
    line = draw.pick(*(LOG_WITH if context else LOG_WITHOUT))
    return line.replace("{key}", key).replace("{label}", label).replace("{value}", "\0")


WRITERS = {"prose": prose, "json": as_json, "csv": as_csv, "log": log}
