"""What omc has in a quicker form than botocore says the same as botocore's own."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore import useragent
from botocore.handlers import BUILTIN_HANDLERS, REGISTER_FIRST, REGISTER_LAST
from botocore.hooks import EVENT_ALIASES, EventAliaser, HierarchicalEmitter
from botocore.utils import parse_timestamp
from hypothesis import given
from hypothesis import strategies as st

from omc.aws.botocore_parts import Events, alias_of, events, moment
from omc.aws.trimmed_models import operations

KINDS = ("before-call", "before-parameter-build", "needs-retry", "creating-client-class", "getattr", "request-created")
PARTS = sorted({part for old, new in EVENT_ALIASES.items() for part in (*old.split("."), *new.split("."))})


def theirs(name: str) -> str:
    aliaser: Any = EventAliaser(HierarchicalEmitter())
    return str(aliaser._alias_event_name(name))


@pytest.mark.parametrize("kind", KINDS)
def test_each_old_name_of_a_service_has_its_present_one(kind: str) -> None:
    names = [kind, *(name for old in EVENT_ALIASES for name in (old, f"{kind}.{old}", f"{kind}.{old}.Do", f"{old}.x"))]
    names += [f"{kind}.{service}.{name}" for service, some in operations().items() for name in some]
    names += [event[0] for event in BUILTIN_HANDLERS]
    assert [alias_of(name) for name in names] == [theirs(name) for name in names]


@given(st.lists(st.sampled_from([*PARTS, *KINDS, "s3", "x"]), min_size=1, max_size=5).map(".".join))
def test_any_event_has_the_name_that_botocore_gives_it(name: str) -> None:
    assert alias_of(name) == theirs(name)


def test_every_handler_of_botocore_hears_what_it_heard_but_those_of_its_documentation() -> None:
    whole: Any = EventAliaser(HierarchicalEmitter())
    for name, handler, *when in BUILTIN_HANDLERS:
        register = {REGISTER_FIRST: whole.register_first, REGISTER_LAST: whole.register_last}
        register.get(when[0] if when else None, whole.register)(name, handler)
    assert isinstance(events(), Events)
    ours: Any = copy.copy(events())
    for name in {event[0] for event in BUILTIN_HANDLERS if not event[0].startswith("docs.")}:
        for event in (name, f"{name}.x"):
            handlers = list(whole._emitter._handlers.prefix_search(whole._alias_event_name(event)))
            assert list(ours._emitter._handlers.prefix_search(alias_of(event))) == handlers


def test_what_one_client_registers_no_other_hears() -> None:
    first = events()
    second = copy.copy(first)
    names: list[str] = []
    second.register("omc-said.ecs", lambda **response: names.append(response["event_name"]))
    first.emit("omc-said.ecs.ListTasks")
    assert names == []
    second.emit("omc-said.ecs.ListTasks")
    assert names == ["omc-said.ecs.ListTasks"]


@pytest.mark.parametrize(
    "value",
    [
        *(0, 1, 1.5, 1764468000, 1764468000.123, -1, 4102444800, 253402300799, "1764468000", "1764468000.5"),
        *("2026-11-30T02:00:00Z", "2026-11-30T02:00:00.123Z", "2026-11-30T13:00:00+11:00"),
        *("Mon, 30 Nov 2026 02:00:00 GMT", "20261130T020000Z"),
    ],
)
def test_a_moment_is_the_one_that_botocore_reads(value: Any) -> None:
    assert moment(value) == parse_timestamp(value)
    assert moment(value).utcoffset() is not None


def test_seconds_are_read_in_utc_and_nonsense_is_refused() -> None:
    assert moment(1764468000).utcoffset() == timedelta(0)
    assert moment(1764468000) == datetime.fromtimestamp(1764468000, UTC)
    with pytest.raises(ValueError, match="nonsense"):
        moment("nonsense")


@pytest.mark.parametrize("name", ["botocore", "md/x y", "a#b", "", "Ω", "omc/1.2.3", "+1", "x" * 300])
@pytest.mark.parametrize("allow_hash", [True, False])
def test_a_name_in_the_user_agent_is_botocores(name: str, allow_hash: bool) -> None:
    remembered: Any = useragent.sanitize_user_agent_string_component
    for _ in range(2):
        assert remembered(name, allow_hash=allow_hash) == remembered.__wrapped__(name, allow_hash=allow_hash)
