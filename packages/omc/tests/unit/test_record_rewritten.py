"""A record written anew, its hashes fitting: whatever stands in its events, verifying it ends with an answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from omc.facts.record_heads import heads_in_log_group
from omc.store import audit
from omc.store.models import AuditEvent, Run

AT = datetime(2026, 11, 29, 20, 0, tzinfo=UTC)
EVENT = {"table": "runs", "key": ["x"], "changes": {"state": "ended"}, "number": 1}
FORGED = (
    "",
    "no JSON",
    "[]",
    "5",
    "null",
    "{}",
    '"runs"',
    "[" * 100_000,
    json.dumps({**EVENT, "key": 5}),
    json.dumps({**EVENT, "key": None}),
    json.dumps({**EVENT, "key": [float("nan")]}),
    json.dumps({**EVENT, "changes": ["state"]}),
    json.dumps({**EVENT, "changes": "state"}),
    json.dumps({**EVENT, "table": ["runs"]}),
    json.dumps({name: value for name, value in EVENT.items() if name != "changes"}),
)


class _Record:
    """Answers as a session whose only rows are these events."""

    def __init__(self, *events: object) -> None:
        self._events = events

    def execute(self, query: Any) -> Any:
        kind = query.column_descriptions[0]["entity"]
        return SimpleNamespace(scalars=lambda: list(self._events) if kind is AuditEvent else [])


def event_of(body: str) -> Any:
    mark = audit.hash_of(audit.BEGINNING, body)
    return SimpleNamespace(
        number=1, at=AT, kind="run.ready", environment="prod", run="x", body=body, previous=audit.BEGINNING, hash=mark
    )


@pytest.mark.parametrize("body", FORGED)
def test_an_event_that_omc_did_not_write_is_a_problem_and_no_exception(body: str) -> None:
    proof = audit.verify(cast("Any", _Record(event_of(body))))
    assert proof.problems == ["Event 1 can't be read."]


@pytest.mark.parametrize("body", FORGED)
def test_a_run_with_such_an_event_is_refused(body: str) -> None:
    assert audit.altered([], [event_of(body)], Run) == "event 1"


def test_a_column_that_the_hashed_text_lacks_is_reported() -> None:
    problems = audit.verify(cast("Any", _Record(event_of(json.dumps(EVENT))))).problems
    assert "Event 1: its kind was changed; the hashed text says None." in problems
    assert "runs x is in the record but was deleted." in problems


def heads_read(messages: list[str]) -> list[audit.Head]:
    logs = SimpleNamespace(
        get_paginator=lambda _: SimpleNamespace(paginate=lambda **_: [{"logStreams": [{"logStreamName": "s"}]}]),
        get_log_events=lambda **_: {"events": [{"message": message} for message in messages]},
    )
    aws = SimpleNamespace(client=lambda _: logs, environment=SimpleNamespace(record_log_group="/omc/record"))
    return heads_in_log_group(cast("Any", aws))


def head_message(number: int, at: str, **more: Any) -> str:
    return json.dumps(
        {"place": "p", "store": "s", "first": "f", "event": number, "hash": f"h{number}", "at": at, **more}
    )


@pytest.mark.parametrize(
    ("messages", "numbers"),
    [
        ([], []),
        ([head_message(1, "10:00")], [1]),
        ([head_message(1, "10:00"), head_message(1, "10:01")], [1]),  # by the run, and by the worker a minute later
        ([head_message(1, "10:00"), head_message(1, "10:00"), head_message(1, "10:00")], [1]),
        ([head_message(1, "10:00"), head_message(2, "10:01"), head_message(1, "10:02")], [1, 2]),
        ([head_message(2, "10:00"), head_message(1, "10:01"), head_message(2, "10:02")], [2, 1]),
        ([head_message(1, "10:00"), head_message(1, "10:01", store="another name of the same place")], [1]),
        ([head_message(1, "10:00"), head_message(1, "10:01", hash="forged")], [1, 1]),
        ([head_message(1, "10:00"), head_message(1, "10:01", first="another record")], [1, 1]),
        ([head_message(1, "10:00"), head_message(1, "10:01", place="elsewhere")], [1, 1]),
        ([head_message(1, "10:00"), "somebody's own line", "{}", "[" * 100_000, head_message(1, "10:03")], [1]),
    ],
)
def test_a_head_that_a_run_and_the_worker_wrote_is_one_head(messages: list[str], numbers: list[int]) -> None:
    assert [head.number for head in heads_read(messages)] == numbers
