"""What the security review finds of events that others labelled, where a folder with them is at hand."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "cloudtrail.py"
FOLDER = os.environ.get("OMC_PUBLIC_CLOUDTRAIL", "")


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_cloudtrail", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_a_rule_is_applied_or_left_out_and_never_both(bench: ModuleType) -> None:
    left_out = [name for names in bench.LEFT_OUT.values() for name in names.split()]
    assert len(left_out) == len(set(left_out))
    assert not set(left_out) & set(bench.APPLY)


@pytest.mark.skipif(not FOLDER, reason="OMC_PUBLIC_CLOUDTRAIL names no folder with the labelled events")
def test_recall_and_precision_are_those_of_the_page(bench: ModuleType) -> None:
    every = list(bench.scores(Path(FOLDER)))
    found, missed = sum(one.found for one in every), sum(len(one.missed) for one in every)
    wrong = sum(len(one.wrong) for one in every)
    assert found / (found + missed) >= 0.95
    assert found / (found + wrong) >= 0.92
    attacks = [one for one in bench.attacks(Path(FOLDER)) if one[0] not in bench.ATTACKS_LEFT_OUT]
    assert [name for name, _, count in attacks if not count] == []
