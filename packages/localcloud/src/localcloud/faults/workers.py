"""The programs that are the cause of a fault: they leak connections, hold locks, fill tables, send requests.

Each is bounded in rate, connections and memory, tries again by itself when its server is away, and ends at SIGTERM.
Run as ``python -m localcloud.faults.workers NAME --setting VALUE …``, by the supervisor only; what must not be seen in
a process list comes by environment variables (``PG…``, ``REDIS_…``, ``AWS_…``).
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import itertools
import os
import random
import select
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from localcloud.backends.valkey import ValkeyError, encode, read_reply

RETRY_DELAY = 1.0
"""Seconds before something that failed is tried again."""
MIB = 1 << 20
REPORT_TABLE = "report_trades"
REPORT_ROWS = 40_000
REPORT_ROWS_MADE = f"""
CREATE TABLE {REPORT_TABLE} AS SELECT n AS id, (ARRAY['BTC','ETH','SOL','XRP','ADA','DOGE'])[1 + n % 6] AS symbol,
  now() - n * interval '1 second' AS traded_at, (random() * 1000)::numeric(18, 8) AS price
FROM generate_series(1, {REPORT_ROWS}) n
"""  # noqa: S608 - constants
REPORT = f"""
SELECT later.symbol, count(*), avg(earlier.price) FROM {REPORT_TABLE} later
JOIN {REPORT_TABLE} earlier ON earlier.symbol = later.symbol AND earlier.traded_at < later.traded_at
WHERE later.id <= %s GROUP BY later.symbol
"""  # noqa: S608 - constants
AUDIT_TABLE = "audit_events"
ARCHIVE_TABLE = "price_archive"
QUEUE_TABLE = "job_queue"
QUEUE_ROWS = 50
KEY_PREFIX = "catalogue:"
CALLS = (
    ("sts", "POST", "/", "Action=GetCallerIdentity&Version=2011-06-15", ""),
    ("iam", "POST", "/", "Action=ListUsers&Version=2010-05-08", ""),
    ("secretsmanager", "POST", "/", '{"MaxResults": 100}', "secretsmanager.ListSecrets"),
    ("rds", "POST", "/", "Action=DescribeDBInstances&Version=2014-10-31", ""),
    ("s3", "GET", "/", "", ""),
    ("iam", "POST", "/", "Action=CreateAccessKey&UserName=admin&Version=2010-05-08", ""),
)
"""What somebody with a found key tries: who am I, who else is there, what is there to take. Service, method, path, body
and target of each; the first is allowed to everybody."""


class RateLimiter:
    """Lets so many things happen a second, however many threads ask; never catches up after a stall."""

    def __init__(self, per_second: float) -> None:
        self._every = 1 / per_second
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self) -> None:
        with self._lock:
            now = time.monotonic()
            self._next = max(self._next, now) + self._every
            pause = self._next - now - self._every
        if pause > 0:
            time.sleep(pause)


def run_in_parallel(count: int, work: Callable[[int], None]) -> None:
    """``work(number)`` again and again in so many threads; one that fails tries again, since servers come back."""

    def run(number: int) -> None:
        while True:
            try:
                work(number)
            except (psycopg.Error, OSError, ValkeyError, http.client.HTTPException) as problem:
                print(f"{type(problem).__name__}: {problem}".strip(), flush=True)
                time.sleep(RETRY_DELAY)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# -- the database: connected as libpq's environment variables say ---------------------------------------------------


def queries(provided: argparse.Namespace) -> None:
    """A report that compares every trade with every earlier one, over and over; no index could help it."""
    with contextlib.suppress(psycopg.Error), psycopg.connect("", autocommit=True) as connection:
        connection.execute(REPORT_ROWS_MADE)

    def work(_: int) -> None:
        rows = 100
        with psycopg.connect("", autocommit=True, prepare_threshold=None) as connection:
            while True:
                began = time.monotonic()
                connection.execute(REPORT, [rows]).fetchall()
                # The statement's length is set by how much it reads, so that a slow and a fast machine see the same.
                took = max(0.01, time.monotonic() - began)
                rows = int(min(REPORT_ROWS, max(50, rows * min(4, provided.seconds / took))))
                time.sleep(0.1)

    run_in_parallel(provided.sessions, work)


def connections(provided: argparse.Namespace) -> None:
    """Opens connections and forgets to close them. Where no more are to be had, it goes on asking."""
    held: list[psycopg.Connection[Any]] = []
    pace = RateLimiter(provided.per_second)
    while True:
        pace.wait()
        gone, _, _ = select.select(held, [], [], 0)  # readable without having asked: the server closed it
        for connection in gone:
            connection.close()
            held.remove(connection)
        if len(held) >= provided.most:
            time.sleep(RETRY_DELAY)
            continue
        try:
            connection = psycopg.connect("", autocommit=True, connect_timeout=5)
            connection.execute("SELECT 1")
            held.append(connection)
        except (psycopg.Error, OSError) as problem:
            print(f"with {len(held)} open: {problem}".strip(), flush=True)
            time.sleep(RETRY_DELAY)


def lock(provided: argparse.Namespace) -> None:
    """Takes a table's lock in a transaction that is never ended."""
    statement = sql.SQL("LOCK TABLE {} IN {} MODE").format(
        sql.Identifier(*provided.table.split(".")), sql.SQL(provided.mode)
    )

    def work(_: int) -> None:
        with psycopg.connect("") as connection:
            connection.execute(statement)
            print(f"holds the lock of {provided.table}", flush=True)
            select.select([connection], [], [])  # until the server ends it

    run_in_parallel(1, work)


def fill(provided: argparse.Namespace) -> None:
    """Writes an audit table that nobody ever prunes, a mebibyte at a time, up to its bound."""
    pace = RateLimiter(provided.per_second)

    def work(_: int) -> None:
        with psycopg.connect("", autocommit=True) as connection:
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS {AUDIT_TABLE} (at timestamptz DEFAULT now(), detail text STORAGE EXTERNAL)"
            )
            while True:
                row = connection.execute("SELECT pg_total_relation_size(%s::regclass)", [AUDIT_TABLE]).fetchone()
                if row and row[0] < provided.mebibytes * MIB:
                    pace.wait()
                    statement = (
                        f"INSERT INTO {AUDIT_TABLE} (detail) SELECT repeat('x', 8000) FROM generate_series(1, 128)"  # noqa: S608 - constants
                    )
                    connection.execute(statement)
                else:
                    time.sleep(RETRY_DELAY)

    run_in_parallel(1, work)


def archive(provided: argparse.Namespace) -> None:
    """Writes a copy of much data anew, over and over, at a rate."""
    pace = RateLimiter(provided.megabytes)
    statement = f"INSERT INTO {ARCHIVE_TABLE} SELECT repeat('x', 8000) FROM generate_series(1, 128)"  # noqa: S608

    def work(_: int) -> None:
        with psycopg.connect("", autocommit=True) as connection:
            connection.execute(f"CREATE UNLOGGED TABLE IF NOT EXISTS {ARCHIVE_TABLE} (detail text STORAGE EXTERNAL)")
            while True:
                connection.execute(f"TRUNCATE {ARCHIVE_TABLE}")
                for _ in range(100):
                    pace.wait()
                    connection.execute(statement)

    run_in_parallel(1, work)


def transaction(provided: argparse.Namespace) -> None:
    """A transaction that nobody ends keeps its snapshot, while a queue's rows are updated: none of the versions that
    are replaced can be vacuumed away, and each update takes a transaction id."""
    pace = RateLimiter(provided.per_second)

    def work(_: int) -> None:
        with psycopg.connect("", autocommit=True) as writer, psycopg.connect("") as reader:
            writer.execute(f"CREATE TABLE IF NOT EXISTS {QUEUE_TABLE} (id int PRIMARY KEY, tries int NOT NULL)")
            writer.execute(
                f"INSERT INTO {QUEUE_TABLE} SELECT n, 0 FROM generate_series(1, {QUEUE_ROWS}) n ON CONFLICT DO NOTHING"  # noqa: S608
            )
            reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            reader.execute(f"SELECT sum(tries) FROM {QUEUE_TABLE}").fetchone()  # noqa: S608
            for turn in itertools.count():
                pace.wait()
                writer.execute(f"UPDATE {QUEUE_TABLE} SET tries = tries + 1 WHERE id = %s", [1 + turn % QUEUE_ROWS])  # noqa: S608
                if select.select([reader], [], [], 0)[0]:
                    return  # somebody ended the transaction: begin another

    run_in_parallel(1, work)


# -- the cache ------------------------------------------------------------------------------------------------------


def keys(provided: argparse.Namespace) -> None:
    """Reads through the cache what is far more than it holds: a miss, a write, and something else must go."""
    pace = RateLimiter(provided.per_second / 10)
    chance = random.Random(0)  # noqa: S311 - no secret
    value = "x" * provided.bytes

    def work(_: int) -> None:
        with _cache(provided) as stream:

            def ask(several: Sequence[Sequence[str]]) -> list[Any]:
                stream.write(b"".join(encode(words) for words in several))
                stream.flush()
                return [read_reply(stream) for _ in several]

            if password := os.environ.get("REDIS_PASSWORD"):
                ask([["AUTH", password]])
            while True:
                pace.wait()
                wanted = [f"{KEY_PREFIX}{chance.randrange(provided.keys)}" for _ in range(10)]
                found = ask([["GET", key] for key in wanted])
                missing = [key for key, reply in zip(wanted, found, strict=True) if reply is None]
                ask([["SET", key, value, "EX", "600"] for key in missing])

    run_in_parallel(1, work)


@contextlib.contextmanager
def _cache(provided: argparse.Namespace) -> Iterator[Any]:
    with contextlib.ExitStack() as stack:
        connection: socket.socket = stack.enter_context(socket.create_connection((provided.host, provided.port), 5))
        if provided.authorities:
            context = ssl.create_default_context(cafile=provided.authorities)
            connection = stack.enter_context(context.wrap_socket(connection, server_hostname=provided.host))
        yield stack.enter_context(connection.makefile("rwb"))


# -- clients --------------------------------------------------------------------------------------------------------


def requests(provided: argparse.Namespace) -> None:
    """One client that asks for the same page as often as it may."""
    pace = RateLimiter(provided.per_second)
    url = urlsplit(provided.url)

    def work(_: int) -> None:
        connection = http.client.HTTPConnection(
            str(url.hostname), url.port, timeout=15, source_address=(provided.address, 0)
        )
        if url.scheme == "https":
            connection = http.client.HTTPSConnection(
                str(url.hostname),
                url.port,
                timeout=15,
                source_address=(provided.address, 0),
                context=ssl.create_default_context(cafile=provided.authorities),
            )
        with contextlib.closing(connection):
            while True:
                pace.wait()
                connection.request("GET", url.path or "/", headers={"User-Agent": "price-scraper/0.3"})
                connection.getresponse().read()

    run_in_parallel(provided.connections, work)


def calls(provided: argparse.Namespace) -> None:
    """Signed calls to the AWS endpoint, some with a key that exists and may do nothing, some with one that doesn't."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    unknown = Credentials("AKIA" + "Q" * 16, "x" * 40)
    known = unknown
    if key := os.environ.get("AWS_ACCESS_KEY_ID"):
        known = Credentials(key, os.environ["AWS_SECRET_ACCESS_KEY"])
    url = urlsplit(provided.endpoint)
    pace = RateLimiter(provided.per_second)
    turns = itertools.count()
    chosen = {"rights": [known], "key": [unknown], "both": [known, known, unknown]}[provided.lacks]

    def work(_: int) -> None:
        while True:
            pace.wait()
            turn = next(turns)
            service, method, path, body, target = CALLS[turn % len(CALLS)]
            kind = "application/x-amz-json-1.1" if target else "application/x-www-form-urlencoded; charset=utf-8"
            headers = {"Content-Type": kind, "User-Agent": "Boto3/1.40.0 md/Botocore#1.40.0 os/linux"}
            if target:
                headers["X-Amz-Target"] = target
            request = AWSRequest(method=method, url=provided.endpoint + path, data=body, headers=headers)
            # Each of the calls with each of the keys, in turn.
            SigV4Auth(chosen[(turn + turn // len(CALLS)) % len(chosen)], service, provided.region).add_auth(request)
            connection = http.client.HTTPConnection(
                str(url.hostname), url.port, timeout=15, source_address=(provided.address, 0)
            )
            with contextlib.closing(connection):
                connection.request(method, path, body=body.encode(), headers=dict(request.headers.items()))
                connection.getresponse().read()

    run_in_parallel(1, work)


# -- the program ----------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser("localcloud.faults.workers")
    kinds = parser.add_subparsers(dest="kind", required=True)
    settings: dict[Callable[[argparse.Namespace], None], dict[str, Any]] = {
        queries: {"sessions": int, "seconds": float},
        connections: {"most": int, "per-second": float},
        lock: {"table": str, "mode": str},
        fill: {"mebibytes": int, "per-second": float},
        archive: {"megabytes": float},
        transaction: {"per-second": float},
        keys: {"host": str, "port": int, "authorities": str, "per-second": float, "keys": int, "bytes": int},
        requests: {"url": str, "address": str, "authorities": str, "per-second": float, "connections": int},
        calls: {"endpoint": str, "region": str, "address": str, "per-second": float, "lacks": str},
    }
    for function, names in settings.items():
        kind = kinds.add_parser(function.__name__)
        kind.set_defaults(function=function)
        for name, type_ in names.items():
            kind.add_argument(f"--{name}", type=type_, required=True)
    provided = parser.parse_args(arguments)
    # At once: threads wait in servers' answers, and there is nothing to put away.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    provided.function(provided)


if __name__ == "__main__":
    main(sys.argv[1:])
