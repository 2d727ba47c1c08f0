"""The runner's side inside pytest: a bucket prefix of its own for every test, and a line of JSON for every outcome.

Loaded with `-p plugin` into a run of ceph/s3-tests, whose package it changes from outside; the tree itself stays as it is.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

RESULTS = "S3TESTS_RESULTS"
AUTHORITY = "S3TESTS_CA"
"""The certificate authority of an endpoint under TLS, a PEM file."""
PACKAGE = "s3tests.functional"


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef, request: pytest.FixtureRequest) -> Iterator[Any]:
    """`configfile` reads the configuration. `setup_teardown` runs around every test, after it; buckets are named and cleaned by prefix."""
    if fixturedef.argname == "setup_teardown":
        package = sys.modules[PACKAGE]
        package.prefix = f"t{secrets.token_hex(8)}-"
        # A prefix nobody had before has no buckets to remove first.
        package.setup = lambda: None
    made = yield
    if fixturedef.argname == "configfile" and AUTHORITY in os.environ:
        # Every client of s3-tests is made with `verify=` this; its configuration file can say only yes, for the system's authorities, or no.
        made.default_ssl_verify = os.environ[AUTHORITY]
    return made


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """One line a phase. Under xdist only the controller writes."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    line = {
        "test": report.nodeid,
        "phase": report.when,
        "outcome": report.outcome,
        "seconds": round(report.duration, 3),
        "text": "" if report.passed else report.longreprtext[-8000:],
    }
    with Path(os.environ[RESULTS]).open("a") as file:
        file.write(json.dumps(line) + "\n")
