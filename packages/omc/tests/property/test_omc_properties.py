"""What holds for every input, of the pure parts of omc."""

from __future__ import annotations

import json
import re
import string
from datetime import UTC, datetime, time, timedelta, timezone
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from omc.aws.batches import batches
from omc.aws.calls import Call
from omc.aws.command_lines import command_line
from omc.aws.reads import is_read
from omc.checks.finding import Finding, Level, worst
from omc.config.toml_lines import line_of
from omc.config.windows import DAYS, MaintenanceWindow
from omc.facts.log_errors import error_of
from omc.facts.log_shapes import MAX_LENGTH, fingerprint
from omc.output import terminal
from omc.output.document import Document, Row, Table
from omc.times import ago, format_duration, format_time, shortened
from support.shell import words_of

WORD = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)
words = st.text(string.ascii_letters + " :=()[]/_-", max_size=40)
names = st.text(string.ascii_lowercase, min_size=1, max_size=8)


@given(st.text(max_size=200))
def test_the_shape_of_a_shape_is_itself(message: str) -> None:
    shape = fingerprint(message)
    assert fingerprint(shape) == shape
    assert len(shape) <= MAX_LENGTH
    assert "\n" not in shape


@given(words, st.integers(0, 10**12), st.integers(0, 10**12), words)
def test_numbers_do_not_change_a_shape(before: str, one: int, other: int, after: str) -> None:
    assert fingerprint(f"{before} {one} {after}") == fingerprint(f"{before} {other} {after}")


@given(st.uuids(), st.uuids(), words)
def test_ids_do_not_change_a_shape(one: object, other: object, after: str) -> None:
    assert fingerprint(f"request {one} {after}") == fingerprint(f"request {other} {after}")


@given(st.text(max_size=100).map(lambda text: re.sub(r"[\x1b\x9b\x9d\\\\#^\u241b]", "", text)))
def test_a_json_lines_own_level_decides(message: str) -> None:
    assert error_of(json.dumps({"level": "info", "message": f"ERROR {message}"})) is None
    text = error_of(json.dumps({"level": "error", "message": f"x{message}x"}))
    assert text == f"x{message}x"


@given(st.lists(st.integers(), max_size=50), st.integers(1, 12))
def test_batches_are_the_items_in_order(items: list[int], size: int) -> None:
    some = list(batches(items, size))
    assert [item for batch in some for item in batch] == items
    assert all(len(batch) == size for batch in some[:-1])
    assert all(batch for batch in some)


@settings(max_examples=30, deadline=None)
@given(st.lists(WORD, min_size=1, max_size=5), WORD)
def test_a_command_is_one_shell_line_that_loses_nothing(services: list[str], cluster: str) -> None:
    parameters: dict[str, Any] = {"cluster": cluster, "services": services}
    line = command_line(Call("ecs", "DescribeServices", parameters, datetime.now(UTC), 0, 1, None, False))
    words = words_of(line)
    assert words[:3] == ["aws", "ecs", "describe-services"]
    rest = words[3:]
    given_cluster = rest[0].partition("=")[2] if rest[0].startswith("--cluster=") else rest[1]
    assert given_cluster == cluster
    listed = rest[rest.index("--services") + 1 :]
    assert listed == services or json.loads(listed[0]) == services


@given(st.text(max_size=30), st.text(max_size=30))
def test_what_does_not_begin_with_a_reading_verb_is_no_read(service: str, operation: str) -> None:
    if is_read(service, operation):
        assert operation.startswith(("Describe", "Get", "List", "Lookup", "Filter", "BatchGet", "Head"))


@given(st.lists(st.sampled_from(Level)))
def test_a_verdict_is_never_better_than_any_finding(levels: list[Level]) -> None:
    order = list(Level)
    verdict = worst(Finding("check", level, "subject", "Sentence.") for level in levels)
    assert all(order.index(verdict) >= order.index(level) for level in levels)
    assert levels or verdict is Level.UNKNOWN


@given(
    st.lists(st.tuples(words, words, words), min_size=1, max_size=6),
    st.integers(40, 200),
)
def test_a_tables_columns_stand_below_each_other(rows: list[tuple[str, str, str]], width: int) -> None:
    table = Table(("", "", ""), tuple(map(Row, rows)))
    lines = terminal.render(Document("", (table,)), width=width).split("\n")
    start = max(len(row[0]) for row in rows) + 2 + max(len(row[1]) for row in rows) + 2
    assert len(lines) >= len(rows)
    for line in lines:
        assert line == line.rstrip()
        assert line[: start - 2].ljust(start) == line[:start].ljust(start), "the gutter is blank"


@given(
    st.sampled_from(DAYS),
    st.times(),
    st.times(),
    st.integers(-12, 14),
    st.integers(0, 10**9).map(lambda seconds: datetime.fromtimestamp(1_600_000_000 + seconds, UTC)),
)
def test_a_window_is_open_or_comes_within_a_week(day: str, start: time, end: time, zone: int, now: datetime) -> None:
    start, end = start.replace(second=0, microsecond=0), end.replace(second=0, microsecond=0)
    window = MaintenanceWindow(day, start, end, timezone(timedelta(hours=zone)), "x")
    begin, finish = window.next_after(now)
    assert finish > now, "one that is over is not the next"
    assert begin - now <= timedelta(days=7)
    assert timedelta(0) < finish - begin <= timedelta(days=1)
    assert f"{begin.astimezone(window.zone):%A}".lower() == day
    assert len(window.aws) == (len("sat:16:00-sat:18:00") if window.length >= timedelta(hours=1) else 0)


@given(st.timedeltas(timedelta(0), timedelta(days=999)))
def test_a_length_of_time_never_says_more_than_it_is(length: timedelta) -> None:
    units = {"s": 1, "min": 60, "h": 3600, "d": 86400}
    parts = format_duration(length).split()
    reported = sum(int(number) * units[unit] for number, unit in zip(parts[::2], parts[1::2], strict=True))
    assert reported <= length.total_seconds()
    assert len(parts) <= 4


@given(st.lists(st.tuples(names, st.lists(names, min_size=1, max_size=4, unique=True)), max_size=5))
def test_every_key_of_a_toml_file_has_the_line_it_stands_on(tables: list[tuple[str, list[str]]]) -> None:
    """Tables of a list, one after another, as ``[[name]]`` with their keys below."""
    lines = ["# a comment with a = sign", 'text = """', "[[decoy]]", "decoy = 1", '"""']
    expected: list[tuple[tuple[str | int, ...], int]] = []
    counts: dict[str, int] = {}
    for name, keys in tables:
        lines.append(f"[[{name}]]")
        number = counts.get(name, -1) + 1
        counts[name] = number
        for key in keys:
            lines.append(f"  {key} = 1  # {key} = 2")
            expected.append(((name, number, key), len(lines)))
    text = "\n".join(lines)
    for path, line in expected:
        assert line_of(text, path) == line


MOMENTS = st.integers(1_600_000_000, 1_900_000_000).map(lambda second: datetime.fromtimestamp(second, UTC))


@given(MOMENTS, st.timedeltas(timedelta(0), timedelta(days=3)), st.sampled_from(["Australia/Sydney", "UTC"]))
def test_a_moment_within_a_text_is_shortened_whatever_its_day_and_zone(
    now: datetime, age: timedelta, zone: str
) -> None:
    at = now - age
    text = shortened(f"task x stopped {format_time(at, zone)}: it ended.", now, zone)
    assert "UTC" not in text
    hour = ago(at, now, zone).rpartition(" ")[2]
    assert text.startswith("task x stopped ")
    assert text.endswith(f"{hour}: it ended.")
    assert len(text) <= len("task x stopped Mon 24 Nov 09:02: it ended.")


def test_times_are_relative_first_with_the_day_where_it_is_another() -> None:
    now = datetime(2026, 11, 24, 22, 14, tzinfo=UTC)  # Wed 25 Nov 09:14 in Sydney
    messages = [
        ago(now - timedelta(**age), now, "Australia/Sydney") for age in ({"minutes": 12}, {"hours": 10}, {"days": 9})
    ]
    assert messages == ["12 min ago, 09:02", "10 h ago, Tue 23:14", "9 d ago, 16 Nov 09:14"]
