"""Whatever differs between two values is shown, and never as two texts that are alike."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from omc.facts.differences import differences, path_text, text_of
from omc.facts.terraform_json import changes
from omc.procedures.definition_changes import changes as definition_changes
from omc.procedures.infrastructure_summary import cut, details

TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["", "nothing", "null", "true", "1", "1.0", "[redacted]", "-", "a  b", " a", "a ", "a\n", "a\nb\nc"]
    ),
    st.sampled_from(["admin", "\u0430dmin", "a\u200bdmin", "adm\u00a0in", "\u202eadmin", "x" * 300, "x" * 300 + "y"]),
)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.sampled_from([10**40, 10**40 + 1, 0.1, 1.0]), TEXTS)
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(TEXTS, inner, max_size=4),
        st.lists(st.fixed_dictionaries({"name": TEXTS, "value": inner}), max_size=4),
        st.lists(st.fixed_dictionaries({"Effect": st.sampled_from(["Allow", "Deny"]), "Action": inner}), max_size=3),
        st.builds(json.dumps, st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3))),
    ),
    max_leaves=12,
)


def edited(value: Any, chance: random.Random) -> Any:
    """The value with something changed in it, somewhere."""
    if isinstance(value, dict) and value and chance.random() < 0.8:
        key = chance.choice(sorted(value))
        return {**value, key: edited(value[key], chance)} if chance.random() < 0.8 else value | {"more": 1}
    if isinstance(value, list) and value and chance.random() < 0.8:
        at = chance.randrange(len(value))
        kept = [*value[:at], *value[at + 1 :]]
        return chance.choice(
            [kept, [*value, value[at]], [value[at], *kept], [*value[:at], edited(value[at], chance), *value[at + 1 :]]]
        )
    return chance.choice([None, "", 0, "0", False, [], {}, "new", ["new"], {"new": "x"}])


def differ(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True)


@settings(max_examples=250, deadline=None)
@given(VALUES, VALUES, st.randoms(use_true_random=False))
def test_what_differs_is_shown_as_two_texts_that_differ(one: Any, other: Any, chance: random.Random) -> None:
    for before, after in ((one, other), (one, edited(one, chance))):
        found = list(differences({"v": before}, {"v": after}))
        assert bool(found) == differ(before, after)
        for _, old, new in found:
            assert old != new
            short = cut(old, new)
            assert short[0] != short[1]
            assert all(text.isprintable() for text in (old, new))


@settings(max_examples=200, deadline=None)
@given(VALUES, st.randoms(use_true_random=False))
def test_a_plan_shows_each_of_them_and_its_document_too(value: Any, chance: random.Random) -> None:
    other = edited(value, chance)
    record = {"actions": ["update"], "before": {"v": value}, "after": {"v": other}, "after_unknown": {}}
    [change] = changes([{"address": "aws_x.y", "mode": "managed", "type": "aws_x", "change": record}])
    for full in (True, False):
        lines = list(details(change, full=full))
        assert bool(lines) == differ(value, other)
        for line in lines:
            old, arrow, new = line.partition(": ")[2].partition(" → ")
            assert arrow
            assert old != new


def scalars(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for item in value.values():
            yield from scalars(item)
    elif isinstance(value, list):
        for item in value:
            yield from scalars(item)
    else:
        yield value


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from("abcd"), st.lists(st.uuids().map(str), min_size=1, max_size=40), max_size=4))
def test_every_leaf_that_comes_or_goes_is_in_the_lines(value: dict[str, Any]) -> None:
    """Nested, in lists, in documents: with --full nothing is left out."""
    nested = {"policy": json.dumps({"Statement": [value]}), "blocks": [{"inner": value}], "plain": value}
    for before, after in (({}, nested), (nested, {})):
        text = "\n".join(f"{path_text(path)}: {old} → {new}" for path, old, new in differences(before, after))
        assert [leaf for leaf in scalars(value) if leaf not in text] == []


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXTS, max_size=5), st.lists(TEXTS, max_size=5), TEXTS, TEXTS)
def test_a_definition_shows_its_words_and_its_variables(one: list[str], other: list[str], old: str, new: str) -> None:
    def body(words: list[str], value: str) -> dict[str, Any]:
        container = {"name": "backend", "command": words, "environment": [{"name": "MODE", "value": value}]}
        return {"family": "f", "containerDefinitions": [container]}

    lines = definition_changes(body(one, old), body(other, new))
    assert bool(lines) == (one != other or old != new)
    for line in lines:
        before, _, after = re.split(r": ", line, maxsplit=1)[1].partition(" → ")
        assert before != after


@given(TEXTS, TEXTS)
def test_no_two_texts_look_alike(one: str, other: str) -> None:
    assert (text_of(one, bare=False) == text_of(other, bare=False)) == (one == other)
    assert not set(text_of(one)) - set(text_of(one).encode("latin-1").decode("latin-1"))
