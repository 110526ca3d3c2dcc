"""What `make bench-conformance` takes for worse than what is known."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "conformance"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("conformance_run", FOLDER / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def result(name: str, kind: str = "", outcome: str = "") -> dict[str, Any]:
    return {"test": f"tests/{name}", "kind": kind, "outcome": outcome or ("failed" if kind else "passed")}


def test_tests_are_counted_by_how_they_ended_without_what_moto_skips(bench: ModuleType) -> None:
    results = [result("a"), result("b"), result("c", "refused"), result("d", "5xx"), result("e", outcome="skipped")]
    counts = bench.summary(results)
    assert (counts["passed"], counts["refused"], counts["5xx"], sum(counts.values())) == (2, 1, 1, 4)
    assert bench.failing(results) == {"refused": ["c"], "5xx": ["d"]}


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        ({}, []),
        ({"differs": ["known"]}, []),
        ({"refused": ["known"]}, []),
        ({"differs": ["known", "new"]}, ["differs: new"]),
        ({"internal": ["new"]}, ["internal: new"]),
        ({"slow": ["new"]}, []),
        ({"5xx": ["new"]}, ["5xx: new"]),
        ({"5xx": ["known"]}, ["5xx: known"]),
    ],
)
def test_worse_is_a_new_failure_and_any_500(
    bench: ModuleType, measured: dict[str, list[str]], expected: list[str]
) -> None:
    known = {"failing": {"sqs": {"differs": ["known"]}}}
    assert bench.worse("sqs", measured, known) == expected


def test_nothing_that_is_known_is_an_error_of_the_server() -> None:
    known = json.loads((FOLDER / "known.json").read_text())
    for kind in ("5xx", "internal"):
        assert all(counts[kind] == 0 for counts in known["counts"].values())
        assert {service for service, kinds in known["failing"].items() if kind in kinds} == set()
