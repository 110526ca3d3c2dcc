"""Which log lines report an error: what loggers, servers and log drivers really write, line by line."""

from __future__ import annotations

import json
import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from omc.facts.log_errors import ERROR_PATTERN, error_of
from omc.facts.logs import group_errors
from support.log_lines import ERRORS, HEALTHY

PATTERN = re.compile(ERROR_PATTERN)


def row(message: str, stream: str = "s", at: str = "2026-11-23 12:00:00.000") -> dict[str, str]:
    return {"@timestamp": at, "@message": message, "@logStream": stream, "@log": "1:/ecs/x"}


def counted(line: str) -> int:
    """As the morning check counts: first the query's pattern, then the judgement."""
    return sum(group.count for group in group_errors([row(line)] if PATTERN.search(line) else []))


@pytest.mark.parametrize("line", ERRORS)
def test_an_error_is_counted(line: str) -> None:
    assert counted(line) == 1


@pytest.mark.parametrize("line", HEALTHY)
def test_what_is_no_error_is_not(line: str) -> None:
    assert counted(line) == 0


def test_a_line_cut_in_two_is_one_error() -> None:
    pieces = ['{"level":"error","msg":"' + "x" * 16_000, 'xx","error":"boom","status":500}']
    assert sum(group.count for group in group_errors([row(piece) for piece in pieces])) == 1
    elsewhere = [row(pieces[0]), row(pieces[1], stream="t")]
    assert sum(group.count for group in group_errors(elsewhere)) == 2


def test_what_an_error_says_is_its_message_and_its_errors_last_line() -> None:
    line = json.dumps({"level": "error", "msg": "order failed", "exception": "Traceback:\n  x\nTimeoutError: 3 s"})
    assert error_of(line) == "order failed: TimeoutError: 3 s"
    assert error_of('{"level":"error","msg":"\\ud800 lone"}') is not None


PLAIN = "2026-11-23T12:00:00Z ERROR app: no route to 10.0.0.1"
ESC = "\x1b"


@pytest.mark.parametrize(
    "line",
    [
        f"2026-11-23T12:00:00Z {ESC}[31mERROR{ESC}[0m app: no route to 10.0.0.1",
        f"{ESC}[2m2026-11-23T12:00:00Z{ESC}[0m {ESC}[1;31mERROR{ESC}[0m {ESC}[2mapp{ESC}[0m: no route to 10.0.0.1",
        f"2026-11-23T12:00:00Z {ESC}[38;5;196mERROR{ESC}[39m app: no route to 10.0.0.1{ESC}[K",
        f"2026-11-23T12:00:00Z {ESC}[38;2;255;0;0mERROR{ESC}[m app: no route to 10.0.0.1",
        "2026-11-23T12:00:00Z \x9b31mERROR\x9b0m app: no route to 10.0.0.1",
        f"{ESC}]0;app{chr(7)}2026-11-23T12:00:00Z ERROR app: no route to 10.0.0.1",
        f"2026-11-23T12:00:00Z ERROR app: {ESC}]8;;https://x{ESC}\\no route{ESC}]8;;{ESC}\\ to 10.0.0.1",
        f"{ESC}(B{ESC}[m2026-11-23T12:00:00Z ERROR app: no route to 10.0.0.1",
        f"{ESC}7{ESC}[?25l2026-11-23T12:00:00Z ERROR app: no route to 10.0.0.1{ESC}8",
        "2026-11-23T12:00:00Z \\x1b[31mERROR\\x1b[0m app: no route to 10.0.0.1",
        "2026-11-23T12:00:00Z \\u001b[31mERROR\\u001b[0m app: no route to 10.0.0.1",
        "2026-11-23T12:00:00Z #033[31mERROR#033[0m app: no route to 10.0.0.1",
        "2026-11-23T12:00:00Z ^[[31mERROR^[[0m app: no route to 10.0.0.1",
        "2026-11-23T12:00:00Z \\033[31mERROR\\033[0m app: no route to 10.0.0.1",
    ],
)
def test_colours_make_no_other_error_of_it(line: str) -> None:
    (group,) = group_errors([row(each) for each in (PLAIN, line) if PATTERN.search(each)])
    assert group.count == 2
    assert group.sample == PLAIN
    assert error_of(line) == PLAIN


@pytest.mark.parametrize("word", ["CRITICAL", "FATAL", "PANIC", "SEVERE", "ERROR", "TimeoutException"])
def test_a_coloured_word_is_found_by_the_query(word: str) -> None:
    assert counted(f"12:00:00 {ESC}[1;31m{word}{ESC}[0m it broke") == 1
    assert counted(json.dumps({"msg": f"{ESC}[1;31m{word}{ESC}[0m it broke"})) == 1


KEYS = st.sampled_from(
    ["level", "log", "record", "error", "msg", "status", "method", "severity", "message", "exception"]
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["error", "INFO", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(KEYS | st.text(max_size=5), values, max_size=6), st.integers(0, 200))
def test_no_json_line_whole_or_cut_off_can_stop_the_check(record: dict[str, object], length: int) -> None:
    line = json.dumps(record)
    for piece in (line, line[:length], line[length:]):
        assert error_of(piece) is None or isinstance(error_of(piece), str)


@given(st.text(max_size=200))
@example("\ud800")
@example('{"level":1e999}')
@example('{"level":' + "9" * 5_000 + "}")
def test_no_text_can_stop_the_check(text: str) -> None:
    group_errors([row(text)])


@pytest.mark.parametrize("key", ["level", "severity", "levelno", "severityNumber", "syslog_severity", "status"])
@pytest.mark.parametrize("value", ["1" + "0" * 400, "-1" + "0" * 400, '"²"', '"①"', '"٣"', '"³-x"', "NaN", "-Infinity"])
def test_a_level_that_is_none_is_passed_over(key: str, value: str) -> None:
    assert error_of(f'{{"{key}": {value}, "host": "a", "message": "all is well"}}') is None
    assert error_of(f'{{"{key}": {value}, "message": "ValueError: x"}}') is not None


@pytest.mark.parametrize(
    "part", ["error.", "exception_", "error=", "error ", "/error", "a.", "[error]", "fatal-", "no error "]
)
def test_reading_a_line_takes_time_in_proportion_to_its_length(part: str) -> None:
    def processor_seconds(length: int) -> float:
        text = (part * (length // len(part) + 1))[:length]
        began = time.process_time()
        error_of(text)
        return time.process_time() - began

    small = max(min(processor_seconds(2_000) for _ in range(3)), 0.0005)
    assert processor_seconds(40_000) / small < 150  # 20 in proportion, 400 by the square
