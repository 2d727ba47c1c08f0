"""Texts without personal data, or nearly: what is found in them is over-redaction."""

from __future__ import annotations

import hashlib
import json
import os
import pydoc_data.topics
import re
import subprocess
import sysconfig
import uuid
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from random import Random

from evaluate import Finding

REPOSITORY = Path(__file__).resolve().parents[2]
NAMES = {"PERSON", "LOCATION", "ORGANIZATION"}
SIZE = 600_000
"""Characters of a corpus."""
PIECE = 20_000
WORD = re.compile(r"\w+")
TRUE = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://\S+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
"""URLs with a scheme and e-mail addresses: what they look like."""


# Characters of a file, at most: one that a machine made must not stand for all.
LONGEST = 50_000


def files(folder: Path, ending: str, seed: int) -> Iterator[str]:
    """Starts of the files of a folder, in an order drawn by a hash of each one's place: it does not change with what else is there."""
    paths = [path for path in folder.rglob(f"*{ending}") if "target" not in path.parts and path.is_file()]
    for path in sorted(paths, key=lambda path: hashlib.sha256(f"{seed} {path.relative_to(folder)}".encode()).digest()):
        yield path.read_text(encoding="utf-8", errors="replace")[:LONGEST]


def descriptions() -> Iterator[str]:
    for distribution in sorted(distributions(), key=lambda d: d.metadata["Name"].lower()):
        text = distribution.metadata.get_payload() or distribution.metadata["Description"] or ""
        if len(text) > 1000:
            yield text


def rust_library() -> Path | None:
    done = subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True, check=False)
    library = Path(done.stdout.strip()) / "lib/rustlib/src/rust/library"
    return library if done.returncode == 0 and library.is_dir() else None


def crates() -> Path | None:
    registry = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo")) / "registry/src"
    return registry if registry.is_dir() else None


def objects(seed: int) -> Iterator[str]:
    """JSON Lines with UUIDs, hashes, counts and times."""
    random = Random(seed)
    while True:
        yield json.dumps({
            "id": str(uuid.UUID(int=random.getrandbits(128), version=4)), "sha256": random.randbytes(32).hex(), "etag": random.randbytes(16).hex(),
            "size": random.randrange(10**9),
            "parent": str(uuid.UUID(int=random.getrandbits(128),
                version=4)), "updated_at": f"2026-0{random.randint(1, 9)}-{random.randint(10, 28)}T10:22:{random.randint(10, 59)}Z",
            "commit": random.randbytes(20).hex(), "ratio": round(random.random(),
                6), "version": f"{random.randint(0, 9)}.{random.randint(0, 30)}.{random.randint(0, 9)}",
        }) + "\n"  # fmt: skip


def numbers(seed: int) -> Iterator[str]:
    """Tables of integers and decimals, with commas, tabs and blanks."""
    random = Random(seed)
    while True:
        sign = random.choice((",", "\t", "  "))
        for _ in range(50):
            cells = [random.choice((str(random.randrange(10 ** random.randint(1, 12))),
                f"{random.uniform(-1000, 1000):.{random.randint(1, 6)}f}")) for _ in range(8)]
            yield sign.join(cells) + "\n"
        yield "\n"


LOGS = (
    "2026-03-{d:02}T{h:02}:{m:02}:{s:02}.{ms:03}Z INFO  [worker-{w}] job {n} finished in {ms} ms, {n2} rows",
    "{h:02}:{m:02}:{s:02} DEBUG cache hit key={hex16} size={n2}",
    "[{n2}.{ms:03}] kernel: usb 1-{w}: new high-speed device number {w}",
    "E{d:02}{m:02} {h:02}:{m:02}:{s:02}.{n2:06} {n2} scheduler.go:{ms}] retry {w} of 5: timeout after {ms}s",
    "   Compiling serde_derive v1.0.{ms}", "ok {n} - returns the same bytes ({ms} ms)",
    'level=warn ts=1772{n2:06} caller=store.go:{ms} msg="slow write" bytes={n} trace_id={hex32}',
    "step {n2}/100000 loss={f:.5f} lr=3.0e-04 tokens/s={n2} mem={ms}MiB", "status installed libssl3:amd64 3.0.{w}-1~deb12u{w}",
)  # fmt: skip


def logs(seed: int) -> Iterator[str]:
    random = Random(seed)
    while True:
        yield random.choice(LOGS).format(
            d=random.randint(1, 28), h=random.randrange(24), m=random.randrange(60), s=random.randrange(60), ms=random.randrange(1000),
            w=random.randint(1, 9), n=random.randrange(10**8),
            n2=random.randrange(10**6), hex16=random.randbytes(8).hex(), hex32=random.randbytes(16).hex(), f=random.random() * 4,
        ) + "\n"  # fmt: skip


def corpora(seed: int) -> Iterator[tuple[str, str, Iterator[str]]]:
    """What it is, what it counts as (`prose`, `machine`), and its texts."""
    yield "prose: reference of Python (`pydoc_data.topics`)", "prose", iter(pydoc_data.topics.topics.values())
    yield "prose: descriptions of the packages installed for this", "prose", descriptions()
    yield "prose: documents of this repository", "prose", files(REPOSITORY / "docs", ".md", seed)
    yield "code: Python's library", "machine", files(Path(sysconfig.get_path("stdlib")), ".py", seed)
    if library := rust_library():
        yield "code: Rust's library", "machine", files(library, ".rs", seed)
    if registry := crates():
        yield "code: crates of the registry", "machine", files(registry, ".rs", seed)
    yield "code: this repository", "machine", files(REPOSITORY / "gateway" / "src", ".rs", seed)
    yield "JSON with UUIDs and hashes (generated)", "machine", objects(seed)
    yield "tables of numbers (generated)", "machine", numbers(seed)
    yield "logs (generated)", "machine", logs(seed)


def pieces(texts: Iterator[str], size: int) -> Iterator[str]:
    """The texts, joined and cut again at ends of lines, up to `size` characters."""
    piece, given = "", 0
    for text in texts:
        for line in text.splitlines(keepends=True):
            piece += line[:PIECE]
            if len(piece) >= PIECE:
                yield piece
                given, piece = given + len(piece), ""
                if given >= size:
                    return
    if piece:
        yield piece


def share(texts: dict[str, str], findings: dict[str, list[Finding]], labelled: dict[str, list[dict]] | None = None) -> dict[str, int]:
    """Words, words that names cover, that other types cover, those of them outside of true URLs and addresses, and by type; words in labelled spans
    are left out."""
    counts = {"words": 0, "names": 0, "others": 0, "untrue": 0, "kinds": {}}
    for identity, text in texts.items():
        kinds: dict[int, set[str]] = {}
        marks = findings.get(identity, [])
        skipped = {at for span in (labelled or {}).get(identity, []) for at in range(span["start"], span["end"])}
        for start, end, kind in marks:
            for at in range(start, end):
                kinds.setdefault(at, set()).add(kind)
        true = {at for match in TRUE.finditer(text) for at in range(*match.span())} if marks else set()
        for word in WORD.finditer(text):
            if skipped and not skipped.isdisjoint(range(*word.span())):
                continue
            found = set().union(*(kinds.get(at, ()) for at in range(*word.span())))
            counts["words"] += 1
            counts["names"] += bool(found & NAMES)
            counts["others"] += bool(found - NAMES)
            counts["untrue"] += bool(found - NAMES) and word.start() not in true
            for kind in found:
                counts["kinds"][kind] = counts["kinds"].get(kind, 0) + 1
    return counts
