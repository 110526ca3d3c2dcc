"""Patterns of AWS's models: none takes longer than there is time for, whatever text it is held against."""

from __future__ import annotations

import itertools
import re
import time

import pytest

from localcloud.front.constraints import pattern

DIVIDED = (
    (r"^[a-z0-9*](?:[._\-/a-z0-9*]?[a-z0-9*]+)*$", "a*.-A"),  # ecr ScanningRepositoryFilterValue
    (r"[a-zA-Z](?:-?[a-zA-Z0-9]+)*", "aZ1-."),  # rds BlueGreenDeploymentName, DBProxyEndpointName
    (r"[a-z](?:-?[a-z0-9]+){0,15}", "a1-A"),  # rds DBCapacityReservationIdentifier
    (r"^[ \t]*[^\x00-\x1F:\x7F]+([ \t]+[^\x00-\x1F:\x7F]+)*[ \t]*$", "a \t:"),  # events AuthHeaderParameters
    (r"^[ \t]*[\x20-\x7E]+([ \t]+[\x20-\x7E]+)*[ \t]*$", "a \t\n"),  # events HeaderValue
    (r"(?:_?[a-z]+)+", "ab_1"),
    (r"(?:\.?[a-z]+)*$", "ab.1"),
    (r"x(?:[/.]?[a-z/]+){1,}", "xa/1"),
)


@pytest.mark.parametrize(("java", "letters"), DIVIDED)
def test_a_pattern_of_runs_matches_what_it_did(java: str, letters: str) -> None:
    before, now = re.compile(java, re.ASCII), pattern(java)
    assert now is not None
    for length in range(7):
        for word in map("".join, itertools.product(letters, repeat=length)):
            assert bool(now.fullmatch(word)) == bool(before.fullmatch(word)), word


@pytest.mark.parametrize(("java", "letters"), DIVIDED)
@pytest.mark.parametrize("part", ["a", "ab", "a1", "aa-", "aa.", "aa/", "aa_", "a ", " ", "\t "])
def test_a_text_that_does_not_match_is_known_not_to_soon(java: str, letters: str, part: str) -> None:
    now = pattern(java)
    assert now is not None
    began = time.process_time()
    now.fullmatch((part * 30)[:30] + "\x01")  # 2 to the power of 30 ways to divide it
    assert time.process_time() - began < 0.5, letters
