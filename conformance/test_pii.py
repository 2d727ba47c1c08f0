"""What `data-vault scrub` finds of values that others drew (`pii/`): a small part of `make pii`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from servers import CACHE, gateway_binary

pytestmark = [pytest.mark.gateway, pytest.mark.timeout(600)]

PYTHON = CACHE / "pii-venv/bin/python"
RUN = Path(__file__).parent / "pii" / "run.py"
FLOORS = ("--floor", "92", "--row-floor", "30")
"""Percent of all texts of validated types and of secrets, and of those of one type. Thirty texts a type show no 99.5 %: this catches a detector that
broke. `make pii` measures."""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    if not PYTHON.exists():
        pytest.skip("no venv of conformance/peers.sh pii, whose packages draw the values")
    line = [str(PYTHON), str(RUN), *arguments]
    return subprocess.run(line, capture_output=True, text=True, timeout=600, check=False)


def test_texts_are_generated_for_every_type():
    drawn = run("types")
    assert drawn.returncode == 0, drawn.stderr
    listed = subprocess.run([gateway_binary(), "scrub", "--list"], capture_output=True, text=True, timeout=60, check=True)
    types = {line.split(" (")[0] for line in listed.stdout.splitlines() if not line.startswith(" ")}
    assert types == set(drawn.stdout.split())


def test_validated_types_and_secrets_are_found(tmp_path):
    here = ("--binary", str(gateway_binary()), "--results", str(tmp_path))
    done = run("measure", "data-vault", *here, "--part", "types", "--count", "30", "--bar", "validated", "--bar", "secret", *FLOORS)
    assert done.returncode == 0, done.stderr
