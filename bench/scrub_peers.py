"""MB/s of the peers on one file, in their own environment: a line `name<TAB>MB/s` each. Models load before the clock starts."""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "conformance" / "pii"))
import engines  # noqa: E402

logging.disable(logging.WARNING)
MB = 1_000_000


def rate(text: str, work) -> float:
    # A model's limit, and how they are used: a paragraph or some lines at a time.
    pieces, lines = [], text.splitlines(keepends=True)
    while lines:
        piece = ""
        while lines and len(piece) < 2000:
            piece += lines.pop(0)
        pieces.append(piece)
    work(pieces[0])
    start = time.process_time()
    for piece in pieces:
        work(piece)
    return len(text.encode()) / MB / (time.process_time() - start)


def presidio():
    analyzer = engines.analyzer()
    return f"Presidio, {engines.MODEL}", lambda text: analyzer.analyze(text, language="en")


def scrubadub():
    import scrubadub

    scrubber = scrubadub.Scrubber()
    return "scrubadub", scrubber.clean


def main() -> None:
    text = Path(sys.argv[1]).read_text(errors="replace")
    for peer in (presidio, scrubadub):
        name, work = peer()
        print(f"{name}\t{rate(text, work)}")


if __name__ == "__main__":
    main()
