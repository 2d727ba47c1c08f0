"""MB/s of the peers on one file, in their own environment: a line `name<TAB>MB/s` each. Models load before the clock starts."""

from __future__ import annotations

import importlib.util
import logging
import sys
import time
from pathlib import Path

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
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    model = next((m for m in ("en_core_web_lg", "en_core_web_md", "en_core_web_sm") if importlib.util.find_spec(m)), None)
    if model:
        engine = NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": model}]}).create_engine()
        analyzer = AnalyzerEngine(nlp_engine=engine)
        return f"Presidio, {model}", lambda text: analyzer.analyze(text, language="en")
    from presidio_analyzer import RecognizerRegistry
    from presidio_analyzer.nlp_engine import NlpArtifacts

    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    recognizers = [r for r in registry.recognizers if hasattr(r, "patterns")]
    nothing = NlpArtifacts([], [], [], [], None, "en")
    return "Presidio, patterns only", lambda text: [r.analyze(text, r.supported_entities, nothing) for r in recognizers]


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
