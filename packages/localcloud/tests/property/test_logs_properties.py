"""Invariants of the log store and of Insights: whatever is written is read once, in order, by every path; and what
SQL computes is what plain Python computes."""

from __future__ import annotations

import json
import re
import socket
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from localcloud.core.processes import Supervisor
from localcloud.services.logs.definitions import Group
from localcloud.services.logs.insights.translate import translate
from localcloud.services.logs.pattern_parser import parse_pattern
from localcloud.services.logs.patterns import PatternError
from localcloud.services.logs.reader import Question, read_page
from localcloud.services.logs.store import Event, Segment, Store
from localcloud.services.logs.work import WorkerProcess
from localcloud.services.logs.worker import Worker

TEXTS = some.text(some.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
BATCH = some.lists(some.tuples(some.integers(0, 99), TEXTS), max_size=5)
EVENTS = some.lists(some.tuples(some.integers(0, 40), some.sampled_from("abc"), TEXTS), max_size=40)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerProcess]:
    state = tmp_path_factory.mktemp("state")
    supervisor = Supervisor(state)
    opened = WorkerProcess(state, lambda: supervisor)
    yield opened
    opened.close()
    supervisor.stop()


@settings(max_examples=80, deadline=None)
@given(
    batches=some.lists(EVENTS, min_size=1, max_size=6),
    limit=some.integers(1, 9),
    portion=some.integers(1, 30),
    descending=some.booleans(),
    window=some.tuples(some.integers(0, 40), some.integers(0, 40)),
    streams=some.none() | some.frozensets(some.sampled_from("abc"), min_size=1),
    term=some.none() | some.characters(categories=["Ll", "Lu"]),
)
def test_pages_together_are_every_event_once_in_order(
    workshop: WorkerProcess,
    batches: list[list[tuple[int, str, str]]],
    limit: int,
    portion: int,
    descending: bool,
    window: tuple[int, int],
    streams: frozenset[str] | None,
    term: str | None,
) -> None:
    """The batches but the last are sealed into segments; the last stays in the tail."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        group = Group("g", "g", 0)
        held = store.open("g")
        written: list[Event] = []
        for number, batch in enumerate(batches):
            for at, stream, message in batch:
                sequence = held.append(stream, [(at, message)])
                written.append(Event(at, sequence, stream, message))
            if number < len(batches) - 1:
                for tail in held.rotate():
                    path = held.segment_path(tail)
                    workshop.ask({"do": "seal", "tail": str(tail.path), "bytes": tail.written, "segment": str(path)})
                    held.sealed(tail, Segment.at(path))
        start, end = min(window), max(window)
        pattern = "" if term is None else json.dumps(term, ensure_ascii=False)

        read: list[Event] = []
        after = None
        while True:
            question = Question(start, end, after, limit, descending, streams, "", pattern)
            page = read_page(store, workshop, group, question, portion_size=portion)
            read.extend(page.events)
            assert len(page.events) <= limit
            if page.reached is None:
                break
            assert after is None or (page.reached < after if descending else page.reached > after)
            after = page.reached

        wanted = [
            event
            for event in written
            if start <= event.at <= end
            and (streams is None or event.stream in streams)
            and (term is None or term in event.message)
        ]
        assert read == sorted(wanted, key=lambda event: event[:2], reverse=descending)
        store.close()


@settings(max_examples=40, deadline=None)
@given(
    batches=some.lists(some.lists(some.tuples(some.integers(0, 99), TEXTS), max_size=5), max_size=5),
    cut=some.integers(0, 60),
)
def test_a_store_opened_anew_has_all_whole_lines_and_goes_on(batches: list[list[tuple[int, str]]], cut: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        written: list[Event] = []
        for batch in batches:
            first = store.open("g").append("s", batch)
            written.extend(Event(at, first + place, "s", message) for place, (at, message) in enumerate(batch))
        store.close()
        (path,) = Path(folder).glob("g/tail_*.jsonl") if batches else [None]
        if path is not None and path.stat().st_size:
            data = path.read_bytes()
            path.write_bytes(data[: len(data) - min(cut, len(data))])
            whole = path.read_bytes().count(b"\n")
            written = written[:whole]

        again = Store(Path(folder))
        sequence = again.open("g").append("s", [(7, "more")])
        assert list(again.open("g").view(0, 100).events) == [*written, Event(7, sequence, "s", "more")]
        again.close()
        third = Store(Path(folder))
        assert list(third.open("g").view(0, 100).events) == [*written, Event(7, sequence, "s", "more")]
        third.close()


@given(pattern=some.text('abE $.=&|{}[](),"%?-*<>01', max_size=14), message=TEXTS)
def test_any_text_is_a_pattern_or_refused(pattern: str, message: str) -> None:
    try:
        parsed = parse_pattern(pattern)
    except PatternError:
        return
    extracted = parsed.extract(message)
    if extracted is not None:
        assert all(text in message for text in parsed.literals())


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Worker(theirs, tmp_path_factory.mktemp("spill"))


NUMBERS = some.integers(-1000, 1000) | some.decimals(-1000, 1000, places=3).map(float)
RECORDS = some.lists(
    some.fixed_dictionaries({}, optional={"k": some.sampled_from(["a", "b", "c", "it's"]), "v": NUMBERS, "w": NUMBERS}),
    max_size=30,
)


def insights(worker: Worker, query: str, messages: Sequence[Any]) -> list[dict[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        tail, results = Path(folder) / "tail", Path(folder) / "results"
        tail.write_text("".join(json.dumps([n, n + 1, "s", text]) + "\n" for n, text in enumerate(messages)))
        statement = translate(query)
        source = {"log": "g", "segments": [], "tails": [[str(tail), tail.stat().st_size]], "start": 0, "end": 2**62}
        cursor = worker._database.cursor()
        request = {"sources": [{**source, "hidden": {}}], "rows": statement.rows, "matched": statement.matched}
        worker._query(cursor, {**request, "kinds": statement.kinds, "results": str(results)})
        cursor.close()
        found = json.loads(results.read_text())
    names = statement.columns
    return [{name: value for name, value in zip(names, row, strict=False) if value is not None} for row in found]


@settings(max_examples=60, deadline=None)
@given(records=RECORDS)
def test_stats_are_what_python_computes(worker: Worker, records: list[dict[str, Any]]) -> None:
    found = insights(
        worker, "stats count(*) as n, count(v) as c, sum(v) as s, avg(v) as a, min(v) as l, max(v) as h by k", records
    )
    wanted: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        wanted[record.get("k")].append(record)
    assert [row.get("k") for row in found] == sorted(wanted, key=lambda key: (key is not None, key))
    for row in found:
        members = wanted[row.get("k")]
        values = [record["v"] for record in members if "v" in record]
        assert int(row["n"]) == len(members)
        assert int(row["c"]) == len(values)
        if values:
            assert float(row["s"]) == pytest.approx(sum(values), abs=1e-6)
            assert float(row["a"]) == pytest.approx(sum(values) / len(values), abs=1e-6)
            assert (float(row["l"]), float(row["h"])) == (min(values), max(values))
        else:
            assert not {"s", "a", "l", "h"} & set(row)


CONDITIONS = some.recursive(
    some.tuples(some.sampled_from(["=", "!=", "<", "<=", ">", ">="]), some.sampled_from("vw"), some.integers(-50, 50))
    | some.tuples(some.just("k"), some.sampled_from(["=", "!=", "like"]), some.sampled_from(["a", "b", "it's"])),
    lambda inner: some.tuples(some.sampled_from(["and", "or"]), inner, inner) | some.tuples(some.just("not"), inner),
    max_leaves=5,
)


def text_of(condition: Any) -> str:
    match condition:
        case ("and" | "or" as word, left, right):
            return f"({text_of(left)} {word} {text_of(right)})"
        case ("not", inner):
            return f"not ({text_of(inner)})"
        case ("k", operator, text):
            return f'k {operator} "{text}"'
        case (operator, name, number):
            return f"{name} {operator} {number}"
    raise AssertionError(condition)


def truth_of(condition: Any, record: dict[str, Any]) -> bool:
    match condition:
        case ("and", left, right):
            return truth_of(left, record) and truth_of(right, record)
        case ("or", left, right):
            return truth_of(left, record) or truth_of(right, record)
        case ("not", inner):
            return not truth_of(inner, record)
        case ("k", "like", text):
            return text in record.get("k", "")
        case ("k", operator, text):
            return bool((record.get("k") == text) == (operator == "="))
        case ("!=", name, number):
            return bool(record.get(name) != number)
        case (operator, name, number):
            if name not in record:
                return False
            value = record[name]
            answers = {"=": value == number, "<": value < number, "<=": value <= number, ">": value > number}
            return bool(answers.get(operator, value >= number))
    raise AssertionError(condition)


@settings(max_examples=120, deadline=None)
@given(records=RECORDS, condition=CONDITIONS)
def test_filters_choose_what_python_chooses(worker: Worker, records: list[dict[str, Any]], condition: Any) -> None:
    found = insights(
        worker,
        f"fields @message | filter {text_of(condition)} | sort @timestamp asc",
        [json.dumps(each) for each in records],
    )
    wanted = [json.dumps(record) for record in records if truth_of(condition, record)]
    assert [row["@message"] for row in found] == wanted


@settings(max_examples=60, deadline=None)
@given(records=some.lists(some.tuples(TEXTS, TEXTS), max_size=10), glob=some.tuples(TEXTS, TEXTS))
def test_globs_take_what_a_regular_expression_takes(
    worker: Worker, records: list[tuple[str, str]], glob: tuple[str, str]
) -> None:
    first, second = (part.replace("*", "") or "-" for part in glob)
    quoted = '"' + f"{first}*{second}*".replace("\\", "\\\\").replace('"', '\\"') + '"'
    messages = [f"x{first}{a}{second}{b}" for a, b in records]
    expression = re.compile(f"(?s){re.escape(first)}(.*?){re.escape(second)}(.*)")
    found = insights(worker, f"parse @message {quoted} as a, b | display a, b | sort @timestamp asc", messages)
    for row, message in zip(found, messages, strict=True):
        match = expression.search(message)
        assert match is not None
        assert (row["a"], row["b"]) == match.groups()
