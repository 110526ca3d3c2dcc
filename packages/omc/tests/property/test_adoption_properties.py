"""Whatever AWS lets things be called: the omc.toml that omc init writes loads, and says the same names again."""

from __future__ import annotations

import tomllib
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from omc.adoption import draft as drafts
from omc.adoption.editing import amended
from omc.adoption.grouping import group
from omc.adoption.judgement import Value, judge
from omc.adoption.proposal import propose
from omc.adoption.toml_text import comment, key, literal, table
from omc.config import parse
from support.adopted import ACCOUNT, REGION, Service, answers, found

FILE = Path("/nowhere/omc.toml")
LETTERS = "abcxyzABCXYZ0189"
ECS_NAME = st.text(f"{LETTERS}-_", min_size=1, max_size=255)
"""Clusters, services, families and containers, as ECS takes them."""
ELB_NAME = st.from_regex(r"(?!internal-)[a-zA-Z0-9]([a-zA-Z0-9-]{0,30}[a-zA-Z0-9])?", fullmatch=True)
LOG_GROUP = st.text(f"{LETTERS}_./#-", min_size=1, max_size=512)
WORDED = st.tuples(
    st.sampled_from(["acme", "shop", "a"]), st.sampled_from(["prod", "staging", "qa"]), st.sampled_from(["api", "web"])
).map("-".join)
ANYTHING = st.text(max_size=60)


@st.composite
def services(draw: st.DrawFn) -> list[Service]:
    clusters = draw(st.lists(st.one_of(ECS_NAME, st.sampled_from(["acme", "acme-prod"])), min_size=1, max_size=3))
    count = draw(st.integers(1, 6))
    made: dict[tuple[str, str], Service] = {}
    groups = draw(st.lists(ELB_NAME, min_size=12, max_size=12, unique=True))
    for number in range(count):
        port = draw(st.one_of(st.none(), st.integers(1, 65_535)))
        limits = draw(
            st.one_of(
                st.none(), st.tuples(st.just(1), st.integers(1, 9), st.floats(1, 100), st.none() | st.floats(1, 100))
            )
        )
        one = Service(
            draw(st.one_of(ECS_NAME, WORDED)),
            draw(st.sampled_from(clusters)),
            family=draw(ECS_NAME),
            container=draw(ECS_NAME),
            port=port,
            groups=groups[2 * number : 2 * number + draw(st.integers(0, 2))] if port else (),
            balancer=draw(st.sampled_from(["lb", "acme-prod"])),
            log_group=draw(LOG_GROUP),
            limits=limits,
            tags=draw(st.dictionaries(st.sampled_from(["Environment", "App", "x"]), ANYTHING, max_size=2)),
            variables=draw(st.dictionaries(ANYTHING, ANYTHING, max_size=2)),
        )
        made[one.cluster, one.name] = one
    return list(made.values())


@settings(max_examples=25, deadline=None)
@given(
    services(),
    st.lists(st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True), max_size=3, unique=True),
    st.dictionaries(ANYTHING, st.just({"ServiceName": "nobody's"}), max_size=3),
)
def test_the_file_of_any_stack_reads_back_as_what_was_found_and_nothing_differs_from_it(
    some: list[Service], databases: list[str], alarms: dict[str, dict[str, str]]
) -> None:
    here = found(answers(some, databases=databases, alarms=alarms))
    groups = group(here)
    assert sorted((one.cluster, one.name) for each in groups for one in each.services.values()) == sorted(
        (one.cluster, one.name) for one in some
    )
    for stack_name in {each.stack for each in groups}:
        own = [each for each in groups if each.stack == stack_name]
        judged = [judge(here, each, [one for one in groups if one is not each]) for each in own]
        beside = {"region": Value(REGION), "account": Value(ACCOUNT)}
        made = drafts.draft(stack_name, Value("UTC"), judged, {each.environment: beside for each in own})
        text = drafts.text(made, FILE)
        stack = parse(text, FILE)
        for each in own:
            there = {one.name: one for one in stack.environments[each.environment].services}
            assert set(there) == set(each.services)
            for name, service in each.services.items():
                one = there[name]
                assert (one.ecs_service, one.cluster, one.family) == (service.name, service.cluster, service.family)
                assert service.serving is not None
                assert (one.container, one.port) == (service.serving.name, service.port)
                assert one.log_group == service.serving.log_group
                assert len(one.target_groups) == len(service.targets)
        proposal = propose(stack, text, FILE, here, own, is_local=False)
        assert [one for each in proposal.compared for one in each.differences] == []
        assert proposal.text == text


@given(ANYTHING)
def test_any_text_comes_back_from_a_value_and_stays_within_a_comment(text: str) -> None:
    assert tomllib.loads(f"x = {literal(text)}")["x"] == text
    assert tomllib.loads(f"{key(text)} = 1  {comment(text)}") == {text: 1}
    lines = table((text, "y"), {text: (text, text), "b": ([text, text], text)})
    assert tomllib.loads("\n".join(lines)) == {text: {"y": {text: text, "b": [text, text]}}}
    assert len("\n".join(lines).splitlines()) == len(lines)


PATHS = st.sampled_from(
    [
        ("services", "api", "port"),
        ("services", "api", "note"),
        ("environments", "prod", "services", "api", "x"),
        ("name",),
    ]
)


@given(PATHS, st.one_of(ANYTHING, st.integers(), st.booleans(), st.lists(ANYTHING, max_size=3)), ANYTHING)
def test_a_change_to_a_file_changes_that_key_and_no_other_line(
    path: tuple[str, ...], value: str | int | list[str], note: str
) -> None:
    text = """# mine
name = "acme"  # the "name" # of it

[services.api]
port = 8080  # 8080 # for "us"
# note = "later"
words = [
  "a", # one
]

[environments.prod]
region = "eu-central-1"
"""
    changed = amended(text, path, value, note)
    assert changed is not None
    here: object = tomllib.loads(changed)
    for name in path:
        assert isinstance(here, dict)
        here = here[name]
    assert here == value
    kept = set(text.splitlines()) - {line for line in text.splitlines() if line.startswith(path[-1])}
    assert kept <= set(changed.splitlines())
    if path[-1] == "port":
        assert '# 8080 # for "us"' in changed
