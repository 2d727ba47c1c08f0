"""How the runner of s3-tests judges, over made-up outcomes."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from run import DIRECT, GATEWAY, OTHER_OVER_TLS, SECURE, Outcome, Result, Results, compare, judge, summary, table  # noqa: E402

PASSED, SKIPPED, UNCLEAN, FAILED = Outcome


@dataclass
class MadeUp:
    """A side whose first and second outcomes are given."""

    results: Results
    second: Results
    name: str = DIRECT
    asked: list[str] = field(default_factory=list)

    def run(self, tests: list[str], jobs: int | None = None) -> Results:
        assert jobs == 0, "alone"
        self.asked = tests
        return {test: self.second[test] for test in tests}


def side(*outcomes: tuple[Outcome, Outcome]) -> MadeUp:
    first = {f"t{index}": Result(pair[0]) for index, pair in enumerate(outcomes)}
    return MadeUp(first, {f"t{index}": Result(pair[1]) for index, pair in enumerate(outcomes)})


def phase(name: str, outcome: str) -> dict:
    return {"test": "t", "phase": name, "outcome": outcome, "seconds": 1.0, "text": f"E  {name} went wrong"}


@pytest.mark.parametrize(
    ("phases", "outcome"),
    [
        ([("setup", "passed"), ("call", "passed"), ("teardown", "passed")], PASSED),
        ([("setup", "passed"), ("call", "passed"), ("teardown", "failed")], UNCLEAN),
        ([("setup", "passed"), ("call", "failed"), ("teardown", "failed")], FAILED),
        ([("setup", "failed"), ("teardown", "passed")], FAILED),
        ([("setup", "passed"), ("call", "skipped"), ("teardown", "passed")], SKIPPED),
        ([("setup", "passed")], FAILED),
    ],
)
def test_an_outcome_is_of_all_phases(phases: list[tuple[str, str]], outcome: Outcome) -> None:
    assert judge([phase(*one) for one in phases]).outcome == outcome


def test_what_differs_twice_counts() -> None:
    direct = side((PASSED, PASSED), (FAILED, FAILED), (PASSED, PASSED), (PASSED, FAILED), (PASSED, PASSED), (PASSED, PASSED))
    gateway = side((FAILED, FAILED), (PASSED, PASSED), (FAILED, PASSED), (FAILED, FAILED), (PASSED, PASSED), (UNCLEAN, UNCLEAN))
    [compared] = compare(direct, gateway)
    assert direct.asked == gateway.asked == ["t0", "t1", "t2", "t3", "t5"]
    assert compared.regressions == ["t0", "t5"]
    assert compared.gains == ["t1"]
    assert compared.flakes == ["t2", "t3"]


def test_one_that_changes_sides_is_a_flake() -> None:
    [compared] = compare(side((PASSED, FAILED)), side((FAILED, PASSED)))
    assert compared.flakes == ["t0"]
    assert not compared.regressions
    assert not compared.gains


def test_the_direct_side_is_run_again_once_for_both_gateways() -> None:
    direct = side((PASSED, PASSED), (PASSED, PASSED), (FAILED, FAILED), (PASSED, PASSED))
    gateway = side((PASSED, FAILED), (FAILED, FAILED), (PASSED, PASSED), (PASSED, PASSED))
    secure = side((FAILED, FAILED), (PASSED, FAILED), (PASSED, PASSED), (PASSED, PASSED))
    gateway.name, secure.name = GATEWAY, SECURE
    compared = compare(direct, gateway, secure)
    assert (direct.asked, gateway.asked, secure.asked) == (["t0", "t1", "t2"], ["t1", "t2"], ["t0", "t2"])
    assert [found.regressions for found in compared] == [["t1"], ["t0"]]
    assert [found.gains for found in compared] == [["t2"], ["t2"]]
    printed = table(4, [direct, gateway, secure], compared)
    assert "| gateway over TLS | 3 | 0 | 1 |" in printed
    assert "Pass directly and fail through the gateway over TLS: **1**" in printed
    assert printed.count("| `t2` |") == 1, "a gain of both is told once"


def test_without_a_direct_side_the_gateways_are_compared() -> None:
    gateway, secure = side((PASSED, PASSED)), side((FAILED, FAILED))
    gateway.name, secure.name = GATEWAY, SECURE
    assert "Pass through the gateway and fail through the gateway over TLS: **1**" in table(1, [gateway, secure], compare(gateway, secure))
    assert compare(gateway) == []


def test_another_request_over_tls_is_told_and_not_counted() -> None:
    direct, gateway, secure = side((PASSED, PASSED)), side((FAILED, FAILED)), side((FAILED, FAILED))
    gateway.name, secure.name = GATEWAY, SECURE
    other = next(iter(OTHER_OVER_TLS))
    for each in (direct, gateway, secure):
        each.results, each.second = {other: each.results["t0"]}, {other: each.second["t0"]}
    compared = compare(direct, gateway, secure)
    assert [(found.regressions, found.others) for found in compared] == [([other], []), ([], [other])]
    printed = table(1, [direct, gateway, secure], compared)
    assert "gateway over TLS: **0**" in printed
    assert OTHER_OVER_TLS[other] in printed


def test_a_summary_fits_a_table() -> None:
    text = "x\nE   KeyError: `a|b` in t0123456789abcdef-1\nE   more"
    assert summary("t", Result(FAILED, text)) == "KeyError: 'a\\|b' in …-1"
