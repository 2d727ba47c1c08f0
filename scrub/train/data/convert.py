#!/usr/bin/env python3
"""Writes the corpora of this folder again in one format, a sentence a line: tokens apart by spaces, an entity as `⟨P Mary Ann⟩`
(P person, L place, O organisation). `natural` files keep the text as it is written.

    convert.py BTC WNUT17 SEC-filings EUROPEANA WIKIGOLD.jsonl

NOTICE.md of ../../gazetteer names origin and licence of each.
"""

import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
btc, wnut, sec, europeana, wikigold = (pathlib.Path(p) for p in sys.argv[1:6])
KIND = {"PER": "P", "PERSON": "P", "LOC": "L", "LOCATION": "L", "ORG": "O", "CORPORATION": "O", "GROUP": "O", "ORGANIZATION": "O"}


def safe(token):
    return token.replace("⟨", "(").replace("⟩", ")")


def sentences(path):
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        parts = line.split()
        if len(parts) < 2 or line.startswith("-DOCSTART-"):
            if rows:
                yield rows
            rows = []
        else:
            rows.append((safe(parts[0]), parts[-1]))
    if rows:
        yield rows


def line_of(rows):
    out, open_kind = [], None
    for token, tag in rows:
        kind = KIND.get(tag[2:].upper()) if tag != "O" else None
        if open_kind and (kind != open_kind or tag.startswith("B-")):
            out[-1] += "⟩"
            open_kind = None
        if kind and not open_kind:
            out.append(f"⟨{kind}")
            open_kind = kind
        out.append(token)
    if open_kind:
        out[-1] += "⟩"
    return " ".join(out)


def write(name, lines):
    lines = list(dict.fromkeys(lines))
    (HERE / name).write_text("".join(l + "\n" for l in lines), encoding="utf-8")
    print(name, len(lines), sum(l.count("⟨") for l in lines))


def pieces(rows, most=60):
    """Newspapers come as articles without sentence ends: cut after a full stop or at `most` tokens outside of an entity."""
    part = []
    for token, tag in rows:
        if part and tag == "O" and (len(part) >= most or part[-1][0] in (".", "!", "?") and len(part) >= 8):
            yield part
            part = []
        part.append((token, tag))
    if part:
        yield part


write("btc.txt", (line_of(r) for f in "abefgh" for r in sentences(btc / f"{f}.conll")))
write("wnut17.txt", (line_of(r) for f in ("train/wnut17train.conll", "dev/emerging.dev.conll") for r in sentences(wnut / f)))
write("sec.txt", (line_of(r) for r in sentences(sec / "train/FIN5.txt")))
for language, files in (("de", ("lft", "onb", "sbb")), ("fr", ("bnf",)), ("nl", ("kb",))):
    found = []
    for f in files:
        name = f"enp_{language.upper()}.{f}.bio"
        for rows in sentences(europeana / name / name):
            found += [line_of(p) for p in pieces(rows)]
    write(f"europeana_{language}.txt", (l for l in found if "⟨" in l))
lines = []
for raw in wikigold.read_text(encoding="utf-8").splitlines():
    record = json.loads(raw)
    text, out, at = record["text"], "", 0
    for span in sorted(record["spans"], key=lambda s: s["start"]):
        kind = KIND.get(span["type"])
        if kind and span["start"] >= at:
            out += safe(text[at : span["start"]]) + f"⟨{kind} " + safe(text[span["start"] : span["end"]]) + "⟩"
            at = span["end"]
    lines.append(re.sub(r"\s+", " ", out + safe(text[at:])))
write("wikigold.natural.txt", lines)
