"""The filter pattern language, mostly by the examples of AWS's user guide."""

from __future__ import annotations

import json

import pytest

from localcloud.services.logs.pattern_parser import parse_pattern, parse_selector
from localcloud.services.logs.patterns import PatternError

TRAIL = json.dumps(
    {
        "eventType": "UpdateTrail",
        "sourceIPAddress": "111.111.111.111",
        "arrayKey": ["value", "another value"],
        "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}],
        "SomeObject": None,
        "ThisFlag": True,
        "latency": 500.5,
    }
)
USERS = json.dumps(
    {
        "user": {"id": 1, "email": "John.Stiles@example.com"},
        "users": [{"id": 2, "email": "John.Doe@example.com"}, {"id": 3, "email": "Jane.Doe@example.com"}],
        "actions": ["GET", "PUT", "DELETE"],
        "coordinates": [[0, 1, 2], [4, 5, 6], [7, 8, 9]],
    }
)
ACCESS = '127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'


def matches(pattern: str, message: str) -> bool:
    return parse_pattern(pattern).extract(message) is not None


@pytest.mark.parametrize(
    ("pattern", "message", "matched"),
    [
        ("", "anything", True),
        ("ERROR", "[ERROR 400] BAD REQUEST", True),
        ("ERROR", "Exiting with ERRORCODE: -1", True),
        ("ERROR", "error", False),
        ("ERROR ARGUMENTS", "[ERROR 419] MISSING ARGUMENTS", True),
        ("ERROR ARGUMENTS", "[ERROR 400] BAD REQUEST", False),
        ("?ERROR ?ARGUMENTS", "[ERROR 400] BAD REQUEST", True),
        ("?ERROR ?ARGUMENTS", "[INFO] ARGUMENTS", True),
        ("?ERROR ?ARGUMENTS", "[INFO] fine", False),
        ('"INTERNAL SERVER ERROR"', "[ERROR 500] INTERNAL SERVER ERROR", True),
        ('"INTERNAL SERVER ERROR"', "INTERNAL ERROR SERVER", False),
        ("ERROR -ARGUMENTS", "[ERROR 400] BAD REQUEST", True),
        ("ERROR -ARGUMENTS", "[ERROR 419] MISSING ARGUMENTS", False),
        ('ERROR - "Exiting"', "Exiting with ERRORCODE: -1", False),
        ("-ERROR", "fine", True),
        ("-ERROR", "ERROR", False),
        ("?ERROR ?WARN INFO", "INFO only", True),
        ("?ERROR ?WARN INFO", "WARN only", False),
        ("%AUTHORIZED%", "[ERROR 401] UNAUTHORIZED REQUEST", True),
        ("%^ERROR%", "an ERROR", False),
        (r"%\d{3}% -%5\d\d%", "status 404", True),
        (r"%\d{3}% -%5\d\d%", "status 503", False),
        (r"?%5\d\d% ?timeout", "a timeout", True),
        (r'"say \"hi\""', 'they say "hi"', True),
    ],
)
def test_terms(pattern: str, message: str, matched: bool) -> None:
    assert matches(pattern, message) is matched


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ('{ $.eventType = "UpdateTrail" }', True),
        ("{ $.eventType = UpdateTrail }", True),
        ("{ $.eventType = Update* }", True),
        ('{ $.eventType = "*Trail" }', True),
        ("{ $.eventType = *dateT* }", True),
        ("{ $.eventType = Up*il }", False),
        ("{ $.eventType = * }", True),
        ("{ $.nothing = * }", False),
        ("{ $.sourceIPAddress != 123.123.* }", True),
        ("{ $.sourceIPAddress != 111.* }", False),
        ('{ $.arrayKey[0] = "value" }', True),
        ('{ $.arrayKey[2] = "value" }', False),
        ("{ $.objectList[1].id = 2 }", True),
        ("{ $.objectList[0].id = 2 }", False),
        ("{ $.SomeObject IS NULL }", True),
        ("{ $.SomeOtherObject IS NULL }", False),
        ("{ $.SomeOtherObject NOT EXISTS }", True),
        ("{ $.eventType NOT EXISTS }", False),
        ("{ $.ThisFlag IS TRUE }", True),
        ("{ $.ThisFlag IS FALSE }", False),
        ("{ $.latency >= 500 }", True),
        ("{ $.latency > +1000 }", False),
        ("{ $.latency < 10e3 }", True),
        ("{ $.latency < 10e-3 }", False),
        ("{ $.latency = 500.50 }", True),
        ("{ $.latency != 500 }", True),
        ("{ $.arrayKey = 1 }", False),
        ("{ $.arrayKey != 1 }", False),
        ("{ $.nothing != 1 }", False),
        (r"{ $.sourceIPAddress = %^111\.% }", True),
        (r"{ $.eventType != %Delete% && $.eventType = %Trail$% }", True),
        ("{$.eventType=UpdateTrail&&$.latency>1}", True),
        ("{ $['eventType'] = UpdateTrail }", True),
    ],
)
def test_json_properties(pattern: str, matched: bool) -> None:
    assert matches(pattern, TRAIL) is matched
    assert not matches(pattern, "no JSON at all")
    assert not matches(pattern, '{"broken": ')


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ('{ ($.user.id = 1) && ($.users[0].email = "John.Doe@example.com") }', True),
        ('{ ($.user.id = 2 && $.users[0].email = "nonmatch") || $.actions[2] = "GET" }', False),
        (
            '{ $.user.email = "John.*" || $.coordinates[0][1] = nonmatch && $.actions[2] = nomatch }',
            True,
        ),
        (
            '{ ($.user.email = "John.*" || $.coordinates[0][1] = nonmatch) && $.actions[2] = nomatch }',
            False,
        ),
        ("{ $.coordinates[1][2] = 6 }", True),
    ],
)
def test_compound_conditions(pattern: str, matched: bool) -> None:
    assert matches(pattern, USERS) is matched


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("[ip, user, username, timestamp, request, status_code, bytes]", True),
        ("[ip, user, username, timestamp, request, status_code]", False),
        ("[ip, user, username, timestamp, request, status_code, bytes, more]", False),
        ("[..., status_code, bytes]", True),
        ("[ip, user, ..., status_code, bytes]", True),
        ("[ip, user, ...]", True),
        ("[ip, user, username, timestamp, request, status_code, bytes, ..., more]", False),
        ("[ip, user, username, timestamp, request, status_code, bytes > 1000]", True),
        ("[ip, user, username, timestamp, request, status_code = 200, bytes]", False),
        ("[ip, user, username, timestamp, request, status_code = 4*, bytes]", True),
        ("[ip, user, username, timestamp, request = *html*, status_code = 4*, bytes]", True),
        ("[ip, user, username, timestamp, request, status_code = 4* && bytes > 1000]", False),
        ("[..., status_code = 4* && status_code != 404, bytes]", False),
        ("[..., status_code = 403 || status_code = 404, bytes]", True),
        (r"[ip=%127\.0\.0\.[1-9]%, ...]", True),
        ("[ip != 127.0.0.1, ...]", False),
    ],
)
def test_space_delimited_fields(pattern: str, matched: bool) -> None:
    assert matches(pattern, ACCESS) is matched


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("[w1=ERROR, w2]", ["ERROR message"]),
        ("[w1=ERROR || w1=WARN, w2]", ["ERROR message", "WARN message"]),
        ("[w1!=ERROR&&w1!=WARN, w2]", []),
        ("[w1=ERROR, w2, w3]", ["ERROR WARN message"]),
    ],
)
def test_words_by_place(pattern: str, matched: list[str]) -> None:
    messages = ["ERROR WARN message", "ERROR message", "WARN message"]
    assert [message for message in messages if matches(pattern, message)] == matched


def test_extracted_fields_have_their_names_or_places() -> None:
    extracted = parse_pattern("[..., request=*.html*, status_code=4*,]").extract(ACCESS)
    assert extracted == {
        "$1": "127.0.0.1",
        "$2": "Prod",
        "$3": "frank",
        "$4": "10/Oct/2000:13:25:15 -0700",
        "$request": "GET /index.html HTTP/1.0",
        "$status_code": "404",
        "$7": "1534",
    }


@pytest.mark.parametrize(
    "pattern",
    [
        "foo-bar",
        "a:b",
        '"open',
        "%open",
        "%a b%",
        "%(a)%",
        "%a!%",
        "%[a%",
        "{ $.a }",
        "{ $.a = }",
        "{ a = 1 }",
        "{ $.a = 1",
        "{ $.a = 1 } x",
        "{ $.a > text }",
        "{ $.a IS EMPTY }",
        "{ ($.a = 1 }",
        "{ $.a = 1 && }",
        "{ $.a > %1% }",
        "{ $.a = %1% && $.b = %2% && $.c = %3% }",
        "[a, b",
        "[a b]",
        "[..., a, ...]",
        "[a > b]",
    ],
)
def test_wrong_patterns_are_refused_with_a_reason(pattern: str) -> None:
    with pytest.raises(PatternError, match=r"Invalid filter pattern: ."):
        parse_pattern(pattern)


def test_selectors_are_paths() -> None:
    assert parse_selector("$.users[0].id") == ("users", 0, "id")
    with pytest.raises(PatternError):
        parse_selector("$.a b")
