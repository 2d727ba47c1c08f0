#!/usr/bin/env python3
"""Writes `own.natural.txt`: blocks of lines from this repository's own sources and documents, as examples of text that names
nobody. A block a line, `⏎` for a line break. Made once from the tree before the tagger; run at another commit it gives another file,
and then another model."""

import pathlib
import subprocess
import zlib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
KINDS = (".rs", ".py", ".sh", ".toml", ".md", ".js", ".java", ".go", ".xml", ".yml", ".json", ".sql", "Makefile", "LICENSE")
blocks = []
for name in subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split():
    if not name.endswith(KINDS) or name.startswith(("scrub/", "docs/tagger")):
        continue
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    size = 3 if name.endswith((".md", "LICENSE")) else 8
    share = 1 if name.endswith((".md", "LICENSE")) else 2
    for at in range(0, len(lines), size):
        block = "\n".join(lines[at : at + size]).strip()
        if len(block) > 40 and zlib.crc32(block.encode()) % share == 0 and not any(t in block for t in ("AKIA", "BEGIN ", "⟨")):
            blocks.append(block.replace("\n", "⏎"))
(HERE / "own.natural.txt").write_text("".join(b + "\n" for b in blocks), encoding="utf-8")
print(len(blocks), sum(map(len, blocks)))
