"""The worker process of the log store: seals tails into Parquet segments, scans segments, runs Insights' SQL.

A process of its own, so that a heavy query takes neither the server's interpreter lock nor its memory: DuckDB gets a
memory limit and spills to disk beyond it, and the whole process runs at a lower priority. It speaks JSON lines over
the socket that it was given as its standard output, knows nothing of AWS, and ends when that socket closes, so that no
orphan is left when the server is killed.

Requests carry ``id`` and ``do`` (``seal``, ``scan``, ``query``, ``interrupt``); each is answered once with the same
``id`` and either a result or ``error``.
"""

# ruff: noqa: S608 - making SQL is this module's work; every text in it goes through quote()
from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcloud.services.logs.insights.values import MACROS, quote
from localcloud.services.logs.pattern_parser import parse_pattern

if TYPE_CHECKING:
    import duckdb  # imported at run time only in the worker: the server must not carry it

MEMORY_LIMIT = "512MB"
THREADS = 2
QUERIES_AT_ONCE = 4
SCANS_AT_ONCE = 4
NICENESS = 5
SCAN_ROWS = 50_000
"""Rows that one scan looks at: a page of FilterLogEvents may be partly full, and the caller asks on."""

COLUMNS = "moment, sequence, stream, message, size"


def main() -> None:
    """Serve the socket on file descriptor 1 until it closes. Arguments: a log file, a folder for spilled data."""
    channel = socket.socket(fileno=os.dup(1))
    output = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.nice(NICENESS)
    Worker(channel, Path(sys.argv[2])).serve()
    os._exit(0)  # a query in progress must not keep a process whose server is gone


class Worker:
    def __init__(self, channel: socket.socket, spill: Path) -> None:
        import duckdb

        self._channel = channel
        self._spill = spill
        spill.mkdir(parents=True, exist_ok=True)
        self._database = duckdb.connect(":memory:")
        self._database.execute(f"SET memory_limit='{MEMORY_LIMIT}'; SET threads={THREADS}")
        self._database.execute(f"SET temp_directory={quote(str(spill))}")
        # Nothing is fetched from the network: what the queries need (json, parquet) is built in.
        self._database.execute("SET autoinstall_known_extensions=false; SET autoload_known_extensions=false")
        self._database.execute(MACROS)
        self._sending = threading.Lock()
        self._running: dict[int, duckdb.DuckDBPyConnection] = {}
        self._queries = ThreadPoolExecutor(QUERIES_AT_ONCE)
        self._scans = ThreadPoolExecutor(SCANS_AT_ONCE)

    def serve(self) -> None:
        with self._channel.makefile("rb") as lines:
            for line in lines:
                request = json.loads(line)
                if request["do"] == "interrupt":
                    self._interrupt(request["of"])
                elif request["do"] == "query":
                    self._queries.submit(self._answer, request, self._query)
                else:
                    self._scans.submit(self._answer, request, self._seal if request["do"] == "seal" else self._scan)

    def _interrupt(self, request: int) -> None:
        running = self._running.get(request)
        if running is not None:
            running.interrupt()

    def _answer(self, request: Mapping[str, Any], perform: Callable[..., dict[str, Any]]) -> None:
        cursor = self._database.cursor()
        self._running[request["id"]] = cursor
        try:
            result = perform(cursor, request)
        except Exception as error:  # noqa: BLE001 - whatever it is, the server is waiting for an answer
            result = {"error": f"{type(error).__name__}: {error}"}
        finally:
            self._running.pop(request["id"], None)
            cursor.close()
        data = json.dumps({"id": request["id"], **result}).encode() + b"\n"
        with self._sending, contextlib.suppress(OSError):
            self._channel.sendall(data)

    def _seal(self, cursor: duckdb.DuckDBPyConnection, request: Mapping[str, Any]) -> dict[str, Any]:
        """Write a tail's first bytes as a segment; the file has its name only when it is whole."""
        fresh = Path(request["segment"]).with_suffix(".new")
        with self._whole_lines(Path(request["tail"]), request["bytes"]) as path:
            cursor.execute(
                f"COPY (SELECT * FROM {tail_table(path)} ORDER BY moment, sequence) TO {quote(str(fresh))} "
                "(FORMAT parquet, COMPRESSION zstd)"
            )
        fresh.replace(request["segment"])
        return {}

    def _scan(self, cursor: duckdb.DuckDBPyConnection, request: Mapping[str, Any]) -> dict[str, Any]:
        """The next events of some segments in order of time that match a filter pattern.

        ``reached`` is where the next scan goes on, or null where nothing is left.
        """
        pattern = parse_pattern(request["pattern"])
        descending = request["descending"]
        wheres = [f"moment BETWEEN {request['start']:d} AND {request['end']:d}", *hidden_conditions(request["hidden"])]
        if request["after"] is not None:
            at, sequence = request["after"]
            wheres.append(f"(moment, sequence) {'<' if descending else '>'} ({at:d}, {sequence:d})")
        if request["streams"] is not None:
            wheres.append(f"stream IN ({', '.join(quote(name) for name in request['streams'])})")
        if request["prefix"]:
            wheres.append(f"starts_with(stream, {quote(request['prefix'])})")
        wheres.extend(f"contains(message, {quote(text)})" for text in pattern.literals())
        rows_at_most = SCAN_ROWS if request["pattern"] else min(SCAN_ROWS, request["limit"])
        direction = "DESC" if descending else "ASC"
        cursor.execute(
            f"SELECT moment, sequence, stream, message FROM {segments_table(request['segments'])} "
            f"WHERE {' AND '.join(wheres)} ORDER BY moment {direction}, sequence {direction} LIMIT {rows_at_most:d}"
        )
        events: list[Sequence[Any]] = []
        seen = 0
        while rows := cursor.fetchmany(2_000):
            for row in rows:
                seen += 1
                if pattern.extract(row[3]) is not None:
                    events.append(row)
                    if len(events) >= request["limit"]:
                        return {"events": events, "reached": row[:2]}
        return {"events": events, "reached": row[:2] if seen >= rows_at_most else None}

    def _query(self, cursor: duckdb.DuckDBPyConnection, request: Mapping[str, Any]) -> dict[str, Any]:
        """Run Insights' SQL over a view ``events``; the rows go to a file, the statistics into the answer."""
        with contextlib.ExitStack() as files:
            parts: list[str] = []
            for place, source in enumerate(request["sources"]):
                tables = []
                if source["segments"]:
                    tables.append(f"(SELECT {COLUMNS} FROM {segments_table(source['segments'])})")
                for number, (path, size) in enumerate(source["tails"]):
                    copy = files.enter_context(self._whole_lines(Path(path), size))
                    name = f"tail_{place}_{number}"
                    cursor.execute(f"CREATE TEMP TABLE {name} AS SELECT {COLUMNS} FROM {tail_table(copy)}")
                    tables.append(name)
                wheres = [
                    f"moment BETWEEN {source['start']:d} AND {source['end']:d}",
                    *hidden_conditions(source["hidden"]),
                ]
                parts.extend(
                    f"SELECT {COLUMNS}, {place} AS source, {quote(source['log'])} AS log FROM {table} "
                    f"WHERE {' AND '.join(wheres)}"
                    for table in tables
                )
            nothing = (
                "SELECT 0::BIGINT AS moment, 0::BIGINT AS sequence, '' AS stream, '' AS message, 0 AS size, "
                "0 AS source, '' AS log WHERE false"
            )
            cursor.execute(f"CREATE TEMP VIEW events AS {' UNION ALL '.join(parts) or nothing}")
            scanned, size = cursor.execute("SELECT count(*), coalesce(sum(size), 0) FROM events").fetchall()[0]
            rows = cursor.execute(request["rows"]).fetchall()
            matched = scanned
            if request["matched"]:
                matched = cursor.execute(request["matched"]).fetchall()[0][0]
        kinds = request["kinds"]
        shown = [[show(value, kind) for value, kind in zip(row, kinds, strict=True)] for row in rows]
        fresh = Path(request["results"]).with_suffix(".new")
        fresh.write_text(json.dumps(shown))
        fresh.replace(request["results"])
        return {"scanned": scanned, "bytes": int(size), "matched": int(matched or 0), "count": len(shown)}

    @contextlib.contextmanager
    def _whole_lines(self, path: Path, size: int) -> Any:
        """A copy of a tail's first bytes: its file grows while we read, and its last line may be half there."""
        with tempfile.NamedTemporaryFile(dir=self._spill, suffix=".jsonl") as copy, path.open("rb") as tail:
            left = size
            while left and (block := tail.read(min(left, 1 << 20))):
                copy.write(block)
                left -= len(block)
            copy.flush()
            yield Path(copy.name)


def tail_table(path: Path) -> str:
    """SQL: the events of a file of JSON lines."""
    return (
        "(SELECT line[1]::BIGINT AS moment, line[2]::BIGINT AS sequence, line[3]->>'$' AS stream, "
        "line[4]->>'$' AS message, strlen(line[4]->>'$')::INTEGER AS size FROM (SELECT json::JSON[] AS line FROM "
        f"read_json({quote(str(path))}, format='newline_delimited', records=false, columns={{json: 'JSON'}}, "
        "maximum_object_size=33554432)))"
    )


def segments_table(paths: Sequence[str]) -> str:
    """SQL: the events of segments."""
    return f"read_parquet([{', '.join(quote(path) for path in paths)}])"


def hidden_conditions(hidden: Mapping[str, int]) -> list[str]:
    """SQL: not the events that a stream had when it was deleted."""
    return [f"NOT (stream = {quote(stream)} AND sequence <= {until:d})" for stream, until in hidden.items()]


def show(value: object, kind: str) -> str | int | None:
    """A value as Insights shows it: times to the millisecond, whole numbers without a fraction, booleans as 1 and 0.

    ``kind`` ``raw`` is for our own columns, which stay as they are.
    """
    if value is None or kind == "raw":
        return value  # type: ignore[return-value]
    if kind == "time" and isinstance(value, int | float):
        return show_time(int(value))
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float | Decimal):
        number = float(value)
        return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(round(number, 10))
    return str(value)


def show_time(at: int) -> str:
    """Milliseconds since the epoch as ``2026-11-23 12:01:02.123``, UTC."""
    return f"{datetime.fromtimestamp(at // 1000, UTC):%Y-%m-%d %H:%M:%S}.{at % 1000:03d}"


if __name__ == "__main__":
    main()
