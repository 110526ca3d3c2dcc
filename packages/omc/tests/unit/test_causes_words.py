"""What a line of a log says went wrong: a table of wordings of clients and servers, and of lines that say nothing."""

from __future__ import annotations

import json

import pytest

from omc.checks.causes.heard import is_about
from omc.checks.causes.words import Kind, last_error, most_telling, reported_error
from omc.facts.followup.data_stores import Store

LINES = [
    ("failed to resolve host 'db.internal': [Errno -2] Name or service not known", Kind.HOST, "db.internal"),
    ('could not translate host name "dbx" to address: Name or service not known', Kind.HOST, "dbx"),
    ("curl: (6) Could not resolve host: exchnage.internal", Kind.HOST, "exchnage.internal"),
    ("Error: getaddrinfo ENOTFOUND cash.internal", Kind.HOST, "cash.internal"),
    ("dial tcp: lookup db.prod on 10.0.0.2:53: no such host", Kind.HOST, "db.prod"),
    ("java.net.UnknownHostException: orders.internal: Name or service not known", Kind.HOST, "orders.internal"),
    ("Error -2 connecting to cash.internal:6379. Name or service not known.", Kind.HOST, "cash.internal"),
    ("[Errno -3] Temporary failure in name resolution", Kind.HOST, ""),
    ('FATAL: too many connections for role "app_a"', Kind.LIMIT, 'role "app_a"'),
    ('FATAL: too many connections for database "shop"', Kind.LIMIT, 'database "shop"'),
    ("FATAL: sorry, too many clients already", Kind.CONNECTIONS, ""),
    ("FATAL: remaining connection slots are reserved for roles with the SUPERUSER attribute", Kind.CONNECTIONS, ""),
    ("redis: ERR max number of clients reached", Kind.CONNECTIONS, ""),
    ('FATAL:  password authentication failed for user "ohmycoins_app_a"', Kind.PASSWORD, "ohmycoins_app_a"),
    ("WRONGPASS invalid username-password pair or user is disabled.", Kind.PASSWORD, ""),
    ('FATAL: role "app" does not exist', Kind.PASSWORD, "app"),
    ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate", Kind.CERTIFICATE, ""),
    ("x509: certificate signed by unknown authority", Kind.CERTIFICATE, ""),
    ("FATAL: the database system is starting up", Kind.STARTING, ""),
    ("LOADING Redis is loading the dataset in memory", Kind.STARTING, ""),
    ("cannot execute INSERT in a read-only transaction", Kind.READ_ONLY, ""),
    ("READONLY You can't write against a read only replica.", Kind.READ_ONLY, ""),
    ("canceling statement due to statement timeout", Kind.LOCK, ""),
    ("ERROR: deadlock detected", Kind.LOCK, ""),
    ("OOM command not allowed when used memory > 'maxmemory'.", Kind.FULL, ""),
    ('could not extend file "base/1/2": No space left on device', Kind.DISK, ""),
    ("FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory", Kind.MEMORY, ""),
    ('FATAL:  database "ohmycoin" does not exist', Kind.NAME, "ohmycoin"),
    ('relation "prices" does not exist', Kind.SCHEMA, "prices"),
    ("permission denied for table prices", Kind.PERMISSION, "prices"),
    ("SECRET_KEY is not set; the backend can't start without it", Kind.SETTINGS, "SECRET_KEY"),
    ("KeyError: 'DATABASE_URL'", Kind.SETTINGS, "DATABASE_URL"),
    ("ModuleNotFoundError: No module named 'fastapi'", Kind.MODULE, "fastapi"),
    ("Error: listen EADDRINUSE: address already in use :::8000", Kind.PORT, ""),
    ("connect ECONNREFUSED 10.0.21.5:5432", Kind.REFUSED, ""),
    ("couldn't get a connection after 3.00 sec", Kind.POOL, ""),
    ("the pool 'pool-1' has already 60 requests waiting", Kind.POOL, ""),
    ("connection failed: connection timeout expired", Kind.TIMEOUT, ""),
    ("server closed the connection unexpectedly", Kind.RESET, ""),
]


@pytest.mark.parametrize(("line", "kind", "what"), LINES)
def test_a_line_says_what_went_wrong(line: str, kind: Kind, what: str) -> None:
    for written in (
        line,
        json.dumps({"level": "ERROR", "message": f"not ready: {line}"}),
        f"\x1b[31mERROR {line}\x1b[0m",
    ):
        found = reported_error(written)
        assert found is not None, written
        assert (found.kind, found.what) == (kind, what), written
        assert "\x1b" not in found.line


@pytest.mark.parametrize(
    "line",
    [
        "",
        "GET /api/v1/prices 200",
        '{"level": "INFO", "message": "the schema is as wanted"}',
        "listening on 0.0.0.0:8000",
        "worker 3 started, pool of 5",
        "cache available again",
        "resolved db.internal to 10.0.21.5",
    ],
)
def test_a_line_may_say_nothing(line: str) -> None:
    assert reported_error(line) is None


@pytest.mark.parametrize(
    ("line", "host", "port"),
    [
        ('connection to server at "10.0.21.5", port 5432 failed: Connection refused', "10.0.21.5", 5432),
        ('connection to server at "db.internal" (10.0.21.5), port 5433 failed: timeout expired', "db.internal", 5433),
        ("Error 111 connecting to 10.0.22.9:6379. Connection refused.", "10.0.22.9", 6379),
        ("dial tcp 10.0.21.5:5432: i/o timeout", "10.0.21.5", 5432),
        ("getaddrinfo ENOTFOUND cash.internal", "cash.internal", 0),
        ("timed out", "", 0),
    ],
)
def test_a_line_names_its_server(line: str, host: str, port: int) -> None:
    found = reported_error(line)
    assert found is not None
    assert (found.host, found.port) == (host, port)


def test_a_port_without_end_is_no_port() -> None:
    found = reported_error(f'connection to server at "db", port {"9" * 5000} failed: timeout expired')
    assert found is not None
    assert (found.kind, found.port) == (Kind.TIMEOUT, 0)


def test_of_many_lines_the_most_telling_counts_and_of_alike_ones_the_newest() -> None:
    lines = [
        "connection timeout expired",
        "could not resolve host: a.internal",
        "could not resolve host: b.internal",
        "timed out",
    ]
    found = most_telling(lines)
    assert found is not None
    assert found.what == "b.internal"
    assert most_telling(["all is well"]) is None


@pytest.mark.parametrize(
    "harmless",
    [
        "WARN: SENTRY_DSN is not set",
        "INFO LOG_LEVEL is not set, using INFO",
        '{"level": "info", "message": "FEATURE_FLAGS is not set"}',
        '{"level": 30, "msg": "could not resolve host metrics.example.com, going on without"}',
    ],
)
def test_what_calls_itself_a_warning_is_not_what_a_task_failed_of(harmless: str) -> None:
    found = most_telling([harmless, "Error: connect ECONNREFUSED 10.0.0.1:5432"])
    assert found is not None
    assert found.kind is Kind.REFUSED
    alone = most_telling([harmless])
    assert alone is not None, "where nothing else tells anything it counts"


def test_the_last_error_or_else_the_last_line() -> None:
    error = json.dumps({"level": "ERROR", "message": "licence has run out"})
    assert last_error([error, '{"level": "INFO", "message": "bye"}']) == "licence has run out"
    assert last_error(["\x1b[1mgood bye\x1b[0m", ""]) == "good bye"
    assert last_error([]) == ""


DATABASE, CACHE = Store("shop", True, "", "10.0.21.5", 5432), Store("shop-redis", True, "", "10.0.22.9", 6379)
WHOSE = [
    ("connection timeout expired", "database"),
    ("connection failed: timeout expired", "database"),
    ("server closed the connection unexpectedly", "database"),
    ("terminating connection due to administrator command", "database"),
    ('connection to server at "10.0.21.5", port 5432 failed: Connection refused', "database"),
    ('connection to server at "10.9.9.9", port 5432 failed: Connection refused', "database"),
    ("Error 111 connecting to 10.0.22.9:6379. Connection refused.", "cache"),
    ("Error 110 connecting to 10.9.9.9:6379. Connection timed out.", "cache"),
    ("Timeout connecting to server: timed out", "cache"),
    ("Timeout reading from socket: timed out", "cache"),
    ("psycopg.OperationalError: connection refused", "database"),
    ('FATAL: too many connections for role "app"', "database"),
    ("exchange: connection timeout expired", ""),
    ("https://prices.example.com: connection timeout expired", ""),
    ("HTTPSConnectionPool(host='prices.example.com', port=443): Read timed out. (read timeout=3)", ""),
    ("HTTPSConnectionPool: Max retries exceeded: connection refused", ""),
    ("the mail server timed out", ""),
    ("dial tcp 10.0.9.9:8443: i/o timeout", ""),
]


@pytest.mark.parametrize(("line", "whose"), WHOSE)
@pytest.mark.parametrize("is_read", [True, False])
def test_whose_trouble_a_line_tells_of(line: str, whose: str, *, is_read: bool) -> None:
    found = reported_error(line)
    assert found is not None
    for kind, store in (("database", DATABASE), ("cache", CACHE)):
        known = store if is_read else Store(store.name, True)
        assert is_about(known, kind, found) is (kind == whose), kind


MISSING = 'psycopg.errors.UndefinedTable: relation "prices" does not exist'
BELOW = [
    "",
    "\nLINE 3: CROSS JOIN prices\n                   ^",
    "\nLINE 1: SELECT ?\n        ^\n",
    "\nLINE 12: SELECT a, b FROM prices WHERE sy...\n    ^^^^^",
    "\n        ~~~~~^^^",
    "\n",
]


@pytest.mark.parametrize("below", BELOW)
def test_where_in_a_statement_it_was_is_not_what_went_wrong(below: str) -> None:
    line = json.dumps({"level": "ERROR", "message": "unhandled", "exception": f"Traceback\n{MISSING}{below}"})
    assert last_error([line]) == f"unhandled: {MISSING}"
    quoted = json.dumps({"level": "ERROR", "message": f"it failed with Missing({f'{MISSING}{below}'!r})"})
    response = reported_error(quoted)
    assert response is not None
    assert "LINE" not in response.line
    assert MISSING in response.line
