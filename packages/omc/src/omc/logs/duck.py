"""Flow logs and access logs in files, as the tables ``flow`` and ``requests`` of a DuckDB in memory.

DuckDB comes with the extra ``logs`` and is loaded here alone, when files are asked about. Its memory is bounded; what
doesn't fit is spilled to a folder that goes with the process. Lines that aren't what they should be are left out and
counted.
"""

# ruff: noqa: S608 - making SQL is this module's work; every text in it goes through quoted()
from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from omc.distribution import install_line
from omc.errors import WrongUse
from omc.logs.files import Kind, LogFile
from omc.logs.portable import FOR_EVER, quoted

MEMORY: Final = "300MB"
"""DuckDB's own; the process as a whole stays below 400 MiB (make bench-logs)."""
THREADS: Final = 2
LONGEST_LINE: Final = 512 * 1024
"""Bytes; a longer line is rejected. It bounds what DuckDB holds of a file, too."""
REJECTED_LINES: Final = 100_000
"""Lines that are counted as unreadable, at most."""
FLOW_COLUMNS: Final = {
    "interface_id": "VARCHAR",
    "srcaddr": "VARCHAR",
    "dstaddr": "VARCHAR",
    "srcport": "INTEGER",
    "dstport": "INTEGER",
    "protocol": "INTEGER",
    "packets": "BIGINT",
    "bytes": "BIGINT",
    "start": "BIGINT",
    "end": "BIGINT",
    "action": "VARCHAR",
}
"""What the queries use, by the names of the fields with "_" for "-"."""
OTHER_TIME: Final = {"start": ("end", 0), "end": ("start", FOR_EVER - 1)}
"""What stands for a time that a format lacks: the other one, else all the time."""
REQUEST_COLUMNS: Final = (
    *("type", "time", "elb", "client", "target", "request_processing_time", "target_processing_time"),
    *("response_processing_time", "elb_status_code", "target_status_code", "received_bytes", "sent_bytes", "request"),
    *("user_agent", "ssl_cipher", "ssl_protocol", "target_group_arn", "trace_id", "domain_name", "chosen_cert_arn"),
    *("matched_rule_priority", "request_creation_time", "actions_executed", "redirect_url", "error_reason"),
    *("target_list", "target_status_code_list", "classification", "classification_reason", "conn_trace_id"),
    *("transformed_host", "transformed_uri", "request_transform_status"),
)
"""Application Load Balancer user guide, "Access log entries", in order."""
MORE_COLUMNS: Final = tuple(f"more_{number}" for number in range(1, 9))
"""AWS adds fields at the end of a line and says that whoever reads it has to bear that."""
_NUMBERS: Final = {
    **dict.fromkeys(("request_processing_time", "target_processing_time", "response_processing_time"), "DOUBLE"),
    **dict.fromkeys(("elb_status_code", "received_bytes", "sent_bytes"), "BIGINT"),
}


@dataclass(slots=True)
class Tables:
    """The files as tables, until the block that made them ends."""

    connection: Any
    unreadable: int = 0
    """Lines that were left out, of what was asked so far."""
    fields: dict[Path, frozenset[str]] = field(default_factory=dict)
    """Of each flow log, which of ``FLOW_COLUMNS`` it has."""

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a query, each a mapping of column to value."""
        import duckdb

        try:
            cursor = self.connection.execute(sql)
            columns = [each[0] for each in cursor.description]
            found = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
        except duckdb.Error as error:
            raise WrongUse(f"These files can't be read: {_first_sentence(error)}") from error
        self._count_rejected()
        return found

    def _count_rejected(self) -> None:
        names = {row[0] for row in self.connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
        if "reject_errors" in names:
            self.unreadable += self.connection.execute("SELECT count(DISTINCT line) FROM reject_errors").fetchone()[0]
            self.connection.execute("DELETE FROM reject_errors")


@contextmanager
def tables_of(files: Sequence[LogFile], memory: str = MEMORY) -> Iterator[Tables]:
    """``flow`` and ``requests``, whichever the files hold."""
    try:
        import duckdb
    except ImportError as error:
        raise WrongUse(f"Reading flow logs and access logs from files needs DuckDB: {install_line('logs')}") from error
    with tempfile.TemporaryDirectory(prefix="omc-logs-") as spill:
        settings = {"memory_limit": memory, "threads": THREADS, "temp_directory": spill}
        connection = duckdb.connect(
            config={**settings, "autoinstall_known_extensions": False, "autoload_known_extensions": False}
        )
        fields: dict[Path, frozenset[str]] = {}
        try:
            connection.execute("SET preserve_insertion_order = false")
            connection.execute("SET enable_progress_bar = false")  # it would be written to stdout
            flow = [file for file in files if file.kind is Kind.FLOW]
            requests = [file for file in files if file.kind is Kind.BALANCER]
            if flow:
                parts = list(_flow_parts(flow, connection, fields))
                connection.execute(f"CREATE TEMP VIEW flow AS {' UNION ALL '.join(parts)}")
            if requests:
                connection.execute(f"CREATE TEMP VIEW requests AS {_requests(requests)}")
            yield Tables(connection, fields=fields)
        except duckdb.Error as error:
            raise WrongUse(f"These files can't be read: {_first_sentence(error)}") from error
        finally:
            connection.close()


def _first_sentence(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") + "."


def _flow_parts(files: Sequence[LogFile], connection: Any, fields_of: dict[Path, frozenset[str]]) -> Iterator[str]:
    """One SELECT for all files of one format; which fields each has goes to ``fields_of``."""
    formats: dict[tuple[Any, ...], list[LogFile]] = {}
    for file in files:
        key = (file.fields, file.has_header, file.is_parquet, file.is_exported, file.is_gzipped)
        formats.setdefault(key, []).append(file)
    for (fields, has_header, is_parquet, is_exported, is_gzipped), some in formats.items():
        if is_parquet:
            listed = f"read_parquet({_list(some)}, union_by_name = true)"
            held = [row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {listed}").fetchall()]
            columns_held = {name.replace("-", "_").lower(): name for name in held}
            fields_of.update(dict.fromkeys((each.path for each in some), frozenset(columns_held) & set(FLOW_COLUMNS)))
            yield _flow_select(columns_held, listed, cast=True)
        else:
            names = _unique([*(["exported_at"] if is_exported else []), *(each.replace("-", "_") for each in fields)])
            columns = {name: FLOW_COLUMNS.get(name, "VARCHAR") for name in names}
            fields_of.update(dict.fromkeys((each.path for each in some), frozenset(columns) & set(FLOW_COLUMNS)))
            source = _csv(some, columns, header=has_header, is_gzipped=is_gzipped, quote="", nulls="'-'")
            yield _flow_select({name: name for name in names}, source)


def _unique(names: Iterable[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        found.append(name if name not in found else f"{name}_{len(found)}")
    return found


def _flow_select(held: Mapping[str, str], source: str, *, cast: bool = False) -> str:
    """The columns of ``FLOW_COLUMNS`` under their names; one that the format lacks is unknown (NULL)."""

    def column(name: str, kind: str) -> str:
        if name not in held and name in OTHER_TIME:
            other, always = OTHER_TIME[name]
            return column(other, kind) if other in held else f"CAST({always} AS {kind})"
        if name not in held:
            return f"CAST(NULL AS {kind})"
        return f"TRY_CAST({_name(held[name])} AS {kind})" if cast else _name(held[name])

    renamed = {"start": "start_time", "end": "end_time"}
    columns = (f"{column(name, kind)} AS {renamed.get(name, name)}" for name, kind in FLOW_COLUMNS.items())
    return f"SELECT {', '.join(columns)} FROM {source}"


def _requests(files: Sequence[LogFile]) -> str:
    columns = dict.fromkeys((*REQUEST_COLUMNS, *MORE_COLUMNS), "VARCHAR")
    parts = [
        _csv(some, columns, header=False, is_gzipped=zipped, quote='"', nulls="''", padded=True)
        for zipped in (False, True)
        if (some := [file for file in files if file.is_gzipped is zipped])
    ]
    numbers = (f"TRY_CAST({name} AS {kind}) AS {name}" for name, kind in _NUMBERS.items())
    return (
        f"SELECT * REPLACE ({', '.join(numbers)}), "
        "regexp_extract(request, '^(\\S+) ', 1) AS request_verb, "
        "regexp_extract(request, '^\\S+ (\\S+)', 1) AS request_url, "
        "CAST(epoch(TRY_CAST(time AS TIMESTAMPTZ)) AS BIGINT) AS request_time "
        f"FROM ({' UNION ALL '.join(f'SELECT * FROM {part}' for part in parts)})"
    )


def _csv(
    files: Sequence[LogFile],
    columns: Mapping[str, str],
    *,
    header: bool,
    is_gzipped: bool,
    quote: str,
    nulls: str,
    padded: bool = False,
) -> str:
    """A table of fields that one space divides. Nothing is guessed; a line that doesn't fit is rejected and counted."""
    kinds = ", ".join(f"{quoted(name)}: {quoted(kind)}" for name, kind in columns.items())
    settings = {
        "auto_detect": "false",
        "delim": "' '",
        "quote": quoted(quote),
        "escape": "''",
        "header": str(header).lower(),
        "nullstr": nulls,
        "strict_mode": "false",
        "null_padding": str(padded).lower(),
        "store_rejects": "true",
        "rejects_limit": str(REJECTED_LINES),
        "compression": quoted("gzip" if is_gzipped else "none"),
        "max_line_size": str(LONGEST_LINE),
        "buffer_size": str(8 * LONGEST_LINE),
        "columns": f"{{{kinds}}}",
    }
    return f"read_csv({_list(files)}, {', '.join(f'{name} = {value}' for name, value in settings.items())})"


def _list(files: Sequence[LogFile]) -> str:
    return f"[{', '.join(quoted(_literally(file.path)) for file in files)}]"


def _literally(path: Path) -> str:
    """A file's own name, in which nothing stands for others."""
    text = str(path.resolve())
    return "".join(f"[{character}]" if character in "*?[" else character for character in text)


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
