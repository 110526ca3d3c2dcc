"""Exported logs as files: what each of them is, told by its first lines, and its lines as events.

Known are what CloudWatch Logs exports to S3 and what the aws CLI prints, plain text, VPC flow logs (with a header line,
version 2 without one, behind a time as CloudWatch exports them, Parquet) and a load balancer's access logs; each of
them gzipped too. Whatever a line holds, it is a line: what can't be read of it is counted, and nothing raises.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import IO, Final, cast

from omc.errors import Missing, WrongUse
from omc.logs.model import LogEvent

MAX_LINE: Final = 1_048_576
"""Bytes of a line that are read, as many as an event of CloudWatch Logs may have; the rest of it is skipped."""
HEAD_LINES: Final = 20
FLOW_VERSION_2: Final = (
    *("version", "account-id", "interface-id", "srcaddr", "dstaddr", "srcport", "dstport"),
    *("protocol", "packets", "bytes", "start", "end", "action", "log-status"),
)
"""VPC user guide, "Flow log records": the default format."""
_FIELD = re.compile(r"[a-z][a-z0-9-]{1,40}")
_KNOWN_FIELDS = frozenset({*FLOW_VERSION_2, "pkt-srcaddr", "pkt-dstaddr", "flow-direction", "vpc-id", "tcp-flags"})
_EXPORTED = re.compile(r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d))[ \t]")
_ANY_TIME = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?)(?P<zone>Z| ?UTC| ?[+-]\d\d:?\d\d)?"
)
_BALANCER = re.compile(r"(?:https?|h2|wss?|grpcs) \d{4}-\d\d-\d\dT\S{9,20} \S+ \S+ \S+ -?[\d.]+ -?[\d.]+ ")


class Kind(StrEnum):
    """What a file holds."""

    LINES = "lines"
    FLOW = "flow log"
    BALANCER = "access log"


@dataclass(frozen=True, slots=True)
class LogFile:
    path: Path
    kind: Kind
    fields: tuple[str, ...] = ()
    """Of a flow log, the fields of a line in order; none of Parquet, which says so itself."""
    has_header: bool = False
    is_parquet: bool = False
    is_gzipped: bool = False
    is_exported: bool = False
    """Each line begins with the time of the event, as CloudWatch exports it."""


def log_files(paths: Sequence[Path], flow_format: str | None = None) -> tuple[LogFile, ...]:
    """What these files are; a folder stands for all files below it. ``Missing`` or ``WrongUse`` names a wrong one."""
    if not paths:
        raise WrongUse("Name the files: --local FILE…")
    fields = tuple(re.findall(r"\$\{([\w-]+)\}", flow_format or ""))
    if flow_format and not fields:
        raise WrongUse("--flow-format is a list of fields as EC2 takes it, such as '${srcaddr} ${dstaddr} ${bytes}'.")
    return tuple(_log_file(each, fields) for each in _every(paths))


def _every(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(each for each in path.rglob("*") if each.is_file())
        elif path.exists():
            yield path
        else:
            raise Missing(f"There is no file {path}.")


def _log_file(path: Path, fields: tuple[str, ...]) -> LogFile:
    try:
        with path.open("rb") as file:
            magic = file.read(4)
        if magic == b"PAR1":
            return LogFile(path, Kind.FLOW, is_parquet=True)
        is_gzipped = magic[:2] == b"\x1f\x8b"
        head = list(islice(lines_of(path), HEAD_LINES))
    except OSError as error:
        raise WrongUse(f"{path} can't be read: {(error.strerror or str(error)).lower()}.") from error
    first = next((line for line in head if line.strip()), "")
    if _BALANCER.match(first):
        return LogFile(path, Kind.BALANCER, is_gzipped=is_gzipped)
    header = tuple(first.split())
    if len(set(header) & _KNOWN_FIELDS) >= 3 and all(_FIELD.fullmatch(name) for name in header):
        return LogFile(path, Kind.FLOW, header, has_header=True, is_gzipped=is_gzipped)
    exported = _EXPORTED.match(first)
    rest = first[exported.end() :] if exported else first
    if fields and len(rest.split()) == len(fields):
        return LogFile(path, Kind.FLOW, fields, is_gzipped=is_gzipped, is_exported=exported is not None)
    if len(rest.split()) == len(FLOW_VERSION_2) and re.match(r"2 (?:\d{12}|unknown) eni-", rest):
        return LogFile(path, Kind.FLOW, FLOW_VERSION_2, is_gzipped=is_gzipped, is_exported=exported is not None)
    return LogFile(path, Kind.LINES, is_gzipped=is_gzipped)


def lines_of(path: Path) -> Iterator[str]:
    """The lines of a file, gzipped or not, without their ends. A gzip file that is cut off ends where it is cut."""
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    stream: IO[bytes] = cast("IO[bytes]", gzip.GzipFile(path, "rb") if zipped else path.open("rb"))
    with stream:
        try:
            while line := stream.readline(MAX_LINE):
                while not line.endswith(b"\n") and (rest := stream.readline(MAX_LINE)):
                    if rest.endswith(b"\n"):
                        break
                yield line.rstrip(b"\r\n").decode("utf-8", "replace")
        except (EOFError, zlib.error, gzip.BadGzipFile):
            return


def events_in(file: LogFile) -> Iterator[LogEvent]:
    """The lines of a file as events, each with the time that it says, if it says one."""
    name = file.path.name
    for line in lines_of(file.path):
        if line.startswith("{") and (event := _from_cli(line, name)):
            yield event
            continue
        found = _EXPORTED.match(line)
        message = line[found.end() :] if found else line
        if message.strip():
            yield LogEvent(moment_in(line[: found.end()] if found else line[:400]), name, "", message)


def _from_cli(line: str, name: str) -> LogEvent | None:
    """An event as ``aws logs filter-log-events`` and Logs Insights' export write it, one to a line."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not isinstance(message := record.get("message", record.get("@message")), str):
        return None
    stamp = record.get("timestamp", record.get("@timestamp"))
    if "logStreamName" not in record and "@message" not in record and "ingestionTime" not in record:
        return None  # an application's own JSON line, which is a line
    return LogEvent(_milliseconds(stamp), name, str(record.get("logStreamName", record.get("@logStream", ""))), message)


def _milliseconds(stamp: object) -> datetime | None:
    if isinstance(stamp, str):
        return moment_in(stamp)
    try:
        return datetime.fromtimestamp(float(stamp) / 1000, UTC)  # type: ignore[arg-type]  # whatever JSON has there
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def moment_in(text: str) -> datetime | None:
    """The first time that a text says; one without a zone is UTC, as logs of containers are."""
    found = _ANY_TIME.search(text)
    if found is None:
        return None
    zone = (found["zone"] or "").strip()
    offset = "+00:00" if zone in ("", "Z", "UTC") else zone
    try:
        return datetime.fromisoformat(found["time"].replace(",", ".") + offset).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
