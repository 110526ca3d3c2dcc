"""Runs one query and ends: reads ``query.json`` of the folder that it is given, writes ``answer.json`` beside it.

DuckDB is imported here alone. The tables are made first; from then on nothing outside of them can be read.
"""

# ruff: noqa: S608 - making SQL is this module's work; every text in it goes through quote()
from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MEMORY = "512MB"
TYPES = {"string": "VARCHAR", "int": "INTEGER", "float": "FLOAT"}
"""Hive's types that DuckDB calls otherwise."""
MACROS = (
    "CREATE MACRO to_unixtime(moment) AS epoch(moment)",
    "CREATE MACRO from_iso8601_timestamp(text) AS TRY_CAST(text AS TIMESTAMPTZ)",
)
"""Functions of Trino's that DuckDB calls otherwise."""


def main(folder: Path) -> None:
    """The answer has ``columns`` and ``rows``, or ``error``."""
    import duckdb

    request = json.loads((folder / "query.json").read_text())
    connection = duckdb.connect(config={"memory_limit": MEMORY, "threads": 2, "temp_directory": str(folder)})
    try:
        for macro in MACROS:
            connection.execute(macro)
        for table in request["tables"]:
            connection.execute(f"CREATE TABLE {_name(table['name'])} AS {_select(table)}")
        connection.execute("SET enable_external_access = false")
        cursor = connection.execute(request["sql"])
        answer: dict[str, Any] = {
            "columns": [[each[0], str(each[1]).lower()] for each in cursor.description],
            "rows": [[None if value is None else _text(value) for value in row] for row in cursor.fetchall()],
        }
    except duckdb.Error as error:
        answer = {"error": str(error).strip().splitlines()[0]}
    (folder / "answer.part").write_text(json.dumps(answer))
    (folder / "answer.part").rename(folder / "answer.json")


def _select(table: Mapping[str, Any]) -> str:
    parts = [_file(table, each) for each in table["files"]] or [_nothing(table)]
    return " UNION ALL ".join(parts)


def _nothing(table: Mapping[str, Any]) -> str:
    columns = [*table["columns"], *([name, "string"] for name in table["partitions"])]
    return f"SELECT {', '.join(f'CAST(NULL AS {_type(kind)}) AS {_name(name)}' for name, kind in columns)} WHERE false"


def _file(table: Mapping[str, Any], file: Mapping[str, Any]) -> str:
    path = quote(file["path"])
    if table["regex"]:
        regex, names = quote(table["regex"]), [f"c{at}" for at in range(len(table["columns"]))]
        lines = (
            f"read_csv({path}, columns = {{'line': 'VARCHAR'}}, header = false, delim = '\x01', quote = '', "
            f"escape = '', compression = {quote(file['compression'])}, auto_detect = false, strict_mode = false)"
        )
        # A group by its name: by its number DuckDB knows nine.
        parts = f"regexp_extract(line, {regex}, [{', '.join(map(quote, names))}]) AS parts"
        source = f"(SELECT {parts} FROM {lines} WHERE regexp_matches(line, {regex}))"
        values = [f"parts.{name}" for name in names]
    else:
        source, values = f"read_parquet({path})", [_name(name) for name, _ in table["columns"]]
    columns = [
        f"TRY_CAST({value} AS {_type(kind)}) AS {_name(name)}"
        for value, (name, kind) in zip(values, table["columns"], strict=True)
    ]
    columns += [f"{quote(file['partitions'].get(name, ''))} AS {_name(name)}" for name in table["partitions"]]
    return f"SELECT {', '.join(columns)} FROM {source}"


def _type(kind: str) -> str:
    return TYPES.get(kind, kind.upper())


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def quote(text: str) -> str:
    """A text as SQL has it."""
    return "'" + text.replace("'", "''") + "'"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
