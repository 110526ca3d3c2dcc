"""Which tables of Glue's catalogue a query reads, and which objects in S3 they are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from localcloud.core.registry import AwsError

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

_NAMED = re.compile(r"\b(?:FROM|JOIN)\s+(?:\"?(?P<database>\w+)\"?\.)?\"?(?P<table>[A-Za-z_]\w*)\"?", re.IGNORECASE)
_HOLE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class DataFile:
    """One object of a table."""

    data: bytes
    partitions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the worker makes it."""

    name: str
    columns: tuple[tuple[str, str], ...]
    """Names with Hive's types, in order."""
    partitions: tuple[str, ...]
    regex: str
    """Of lines; empty for Parquet."""
    files: tuple[DataFile, ...]


def tables_of(cloud: Cloud, database: str, sql: str) -> list[Table]:
    """The catalogue's tables that a query names. Under the cloud's lock, which keeps the objects as they are."""
    held = getattr(cloud.moto("glue"), "databases", {})
    found: dict[str, Table] = {}
    for match in _NAMED.finditer(sql):
        name, where = match["table"].lower(), match["database"] or database
        table = held[where].tables.get(name) if where in held else None
        if table is not None and name not in found:
            found[name] = _table(cloud, name, table.versions[max(table.versions, key=int)])
    return list(found.values())


def _table(cloud: Cloud, name: str, definition: Mapping[str, Any]) -> Table:
    storage = definition.get("StorageDescriptor", {})
    serde = storage.get("SerdeInfo", {})
    library = str(serde.get("SerializationLibrary", ""))
    regex = str(serde.get("Parameters", {}).get("input.regex", "")) if library.endswith("RegexSerDe") else ""
    if not regex and "parquet" not in library.lower():
        raise AwsError("InvalidRequestException", f"localcloud reads no table of {library or 'no serde'}: {name}.")
    parameters = definition.get("Parameters", {})
    location = str(parameters.get("storage.location.template") or storage.get("Location", ""))
    return Table(
        name=name,
        columns=tuple((each["Name"], each.get("Type", "string")) for each in storage.get("Columns", ())),
        partitions=tuple(each["Name"] for each in definition.get("PartitionKeys", ())),
        regex=regex,
        files=tuple(_files(cloud, location)),
    )


def _files(cloud: Cloud, location: str) -> Iterator[DataFile]:
    bucket, _, path = location.removeprefix("s3://").partition("/")
    held = cloud.moto("s3", "aws").buckets.get(bucket)
    if held is None:
        raise AwsError("InvalidRequestException", f"The bucket {bucket} of the table's location does not exist.")
    parts = _HOLE.split(path.rstrip("/") + "/")
    # Texts and names take turns; a partition's value may hold slashes, as a day by folders does.
    pattern = re.compile("".join(f"(?P<{part}>.+)" if at % 2 else re.escape(part) for at, part in enumerate(parts)))
    for key, record in sorted(held.keys.items()):
        if found := pattern.match(key):
            yield DataFile(bytes(record.value), found.groupdict())
