"""docs/benchmarks-scrub.md: how fast `data-vault scrub` is on one core, beside Presidio and scrubadub on the same bytes in the same run.

    make bench-scrub                               # five rounds; the streams of 1 and 10 GB take their time
    python bench/scrub.py --rounds 1 --quick       # a first look: small texts, prints and writes no file

Speed is bytes over CPU seconds (user and system, from `wait4`) of the whole process, its start left out: that is measured with a text of no bytes. Matching
alone is timed in process, by `scrub/examples/matching.rs`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import corpora
from machine import machine

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target") / "release"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "llm-data-vault"
PEERS = CACHE / "pii-venv" / "bin" / "python"
MB = 1_000_000

# The bars of the project, in MB/s.
MATCHING = {"prose": 300, "logs": 130}
PIPELINE = 20
SPREAD = 5

NAMES = {"PERSON", "LOCATION", "ORGANIZATION", "NRP", "TITLE", "POSTCODE"}
"""Types that the tagger finds."""

MATCHED = {"email", "url", "url_credentials", "iban", "connection"}
"""Finders in code that start from a literal or from a run of digits, as patterns and shapes do."""


def without(name: str, types: set[str]) -> str:
    """A policy that leaves types out."""
    return f'id = "bench-{name}"\nversion = 1\n' + "".join(f"[types.{kind}]\nenabled = false\n" for kind in sorted(types))


def not_matched() -> set[str]:
    """Types without a detector that is a pattern, shapes of digits and letters, or one of `MATCHED`."""
    detectors = [
        detector for file in (ROOT / "scrub" / "src" / "builtin").glob("*.toml") for detector in tomllib.loads(file.read_text())["detector"]
    ]
    matched = {
        detector["type"] for detector in detectors if detector.keys() & {"pattern", "shapes"} or detector.get("code") in MATCHED
    }
    return {detector["type"] for detector in detectors} - matched


@dataclass
class Spent:
    """What a process took: CPU seconds, and its largest resident set in MiB."""

    seconds: float
    peak: float


def spend(command: list[str], feed: tuple[str, int] | None = None) -> Spent:
    """Runs a command on one core; `feed`: the text and bytes of its standard input."""
    process = subprocess.Popen(
        ["taskset", "-c", "0", *command], stdin=subprocess.PIPE if feed else subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    if feed:
        name, size = feed
        corpora.write(name, size, process.stdin)
        process.stdin.close()
    error = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: {error.decode()}")
    return Spent(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


class Bench:
    def __init__(self, root: Path, options: argparse.Namespace) -> None:
        self.root, self.options = root, options
        self.identifiers, self.nameless = root / "identifiers.toml", root / "nameless.toml"
        self.identifiers.write_text(without("identifiers", not_matched()))
        self.nameless.write_text(without("nameless", NAMES))

    def text(self, name: str, size: int) -> Path:
        """A file with the first bytes of a text."""
        path = self.root / f"{name.strip('`')}-{size}".replace(" ", "-").replace("@", "at").replace(".", "dot")
        if not path.exists():
            with path.open("wb") as out:
                corpora.write(name, size, out)
        return path

    def ours(self, *arguments: str) -> list[str]:
        return [str(TARGET / "data-vault"), "scrub", "--quiet", "--jobs", "1", *arguments]

    def speed(self, name: str, size: int, *arguments: str, rounds: int | None = None) -> float:
        """MB/s of CPU time, the median of the rounds."""
        nothing = self.root / "nothing"
        nothing.touch()
        rates = []
        for _ in range(rounds or self.options.rounds):
            start = spend(self.ours(*arguments, str(nothing))).seconds
            whole = spend(self.ours(*arguments, str(self.text(name, size)))).seconds
            rates.append(size / MB / max(whole - start, 1e-3))
        return statistics.median(rates)

    def matching(self, name: str, size: int) -> tuple[float, str]:
        """MB/s of matching alone, the median of the rounds, and what takes the literals."""
        command = ["taskset", "-c", "0", str(TARGET / "examples" / "matching"), str(self.text(name, size))]
        rounds = [subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\t") for _ in range(self.options.rounds)]
        return statistics.median(float(rate) for rate, *_ in rounds), rounds[0][2].strip()

    def peers(self) -> dict[str, dict[str, float]]:
        """MB/s of Presidio and scrubadub on the start of each normal text. They are slow, so it is short."""
        if not PEERS.exists():
            raise SystemExit("run conformance/peers.sh pii first: the peers are not installed")
        found: dict[str, dict[str, float]] = {}
        for name in corpora.NORMAL:
            size = (20 if self.options.quick else 200) * 1000
            rounds = []
            for _ in range(self.options.rounds):
                done = subprocess.run(
                    ["taskset", "-c", "0", str(PEERS), str(ROOT / "bench" / "scrub_peers.py"), str(self.text(name, size))],
                    capture_output=True, text=True, check=False,
                )  # fmt: skip
                if done.returncode:
                    raise SystemExit(f"scrub_peers.py: {done.stderr}")
                rounds.append(dict(line.split("\t") for line in done.stdout.splitlines()))
            found[name] = {peer: statistics.median(float(row[peer]) for row in rounds) for peer in rounds[0]}
        return found


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    return ["| " + " | ".join(head) + " |", "|---" + "|--:" * (len(head) - 1) + "|", *("| " + " | ".join(row) + " |" for row in rows)]


def figure(value: float, bar: float | None = None) -> str:
    text = f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
    return text if bar is None else f"{text} ({'bar' if value >= bar else '**below the bar**'} {bar:,})"


def report(bench: Bench) -> str:
    quick = bench.options.quick
    size = (4 if quick else 64) * MB
    peers = bench.peers()
    names = list(next(iter(peers.values())))
    rows, pipeline = [], {}
    for name in corpora.NORMAL:
        pipeline[name] = bench.speed(name, size)
        nameless = bench.speed(name, size, "--policy", str(bench.nameless))
        identifiers = bench.speed(name, size, "--policy", str(bench.identifiers))
        matching, literals = bench.matching(name, size)
        rows.append(
            [
                name,
                figure(pipeline[name], PIPELINE),
                figure(nameless),
                figure(identifiers),
                figure(matching, MATCHING.get(name)),
                *(figure(peers[name][peer]) for peer in names),
            ]
        )
    hard, slowest = [], min(pipeline.values())
    for name in corpora.HARD:
        rate = bench.speed(name, (4 if quick else 1000) * MB, rounds=None if quick else 1)
        bench.text(name, (4 if quick else 1000) * MB).unlink()
        factor = slowest / rate
        hard.append([name, figure(rate), f"{factor:.1f}" + ("" if factor <= SPREAD else " **over the bar**")])
    memory = []
    for million in (1, 10, 100) if quick else (1, 100, 1_000, 10_000):
        spent = spend(bench.ours("-"), ("personal data", million * MB))
        memory.append([f"{million:,} MB", f"{spent.peak:.0f}"])
    return "\n".join(
        [
            "# Benchmarks of scrubbing",
            "",
            "Written by `bench/scrub.py` (`make bench-scrub`); do not edit. One core, medians of "
            f"{bench.options.rounds}, MB/s of CPU time without the start of the process. *Pipeline* is `data-vault scrub` with",
            "the default policy, all in all; *without names* leaves out the types of the tagger, *identifiers* all types but those that are found from a literal or a run of",
            f"digits (e-mail, URLs, secrets, numbers with check digits). *Matching* finds and validates these alone: no decoding, scoring, merging or writing; literals by {literals}.",
            "The texts are made by `bench/corpora.py`, the same bytes for all; the peers get the first 200 kB.",
            "Presidio has the recognizers and the model that `make pii` gives it. Texts made against us are of " + ("4 MB." if quick else "1 GB, each scrubbed once."),
            "",
            f"{datetime.now(UTC):%Y-%m-%d}, {machine()}.",
            "",
            "## Texts as people have them, MB/s",
            "",
            *table(["text", "pipeline", "without names", "identifiers", "matching", *names], rows),
            "",
            f"## Texts made against us, MB/s; times slower than the slowest text above (bar {SPREAD})",
            "",
            *table(["text", "pipeline", "times slower"], hard),
            "",
            "## Memory: a stream of personal data through a pipe",
            "",
            *table(["length", "peak RSS, MiB"], memory),
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="small texts; prints and writes no file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vault-bench-") as root:
        text = report(Bench(Path(root), options))
    if options.quick:
        print(text)
    else:
        (ROOT / "docs" / "benchmarks-scrub.md").write_text(text)
        print("docs/benchmarks-scrub.md is written", file=sys.stderr)


if __name__ == "__main__":
    main()
