"""Exported logs as files: what each of them is, told by its first lines, and its lines as events.

Known are what CloudWatch Logs exports to S3 and what the aws CLI prints, plain text, VPC flow logs (with a header line,
version 2 without one, behind a time as CloudWatch exports them, Parquet) and a load balancer's access logs; each of
them gzipped too. Whatever a line holds, it is a line: what can't be read of it is counted, and nothing raises. A file
that is cut off, or that is no text, is a gap of the answer.
"""

from __future__ import annotations

import gzip
import json
import os
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
BOM: Final = b"\xef\xbb\xbf"
"""What some editors begin a file in UTF-8 with."""
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
    NO_TEXT = "bytes that are no text"


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
            found = sorted(_below(path))
            if not found:
                raise Missing(f"There is no file in {path}.")
            yield from found
        elif path.is_file():
            yield path
        elif path.exists():
            raise WrongUse(f"{path} is no file: what it gives can't be read twice. Write it to a file first.")
        else:
            raise Missing(f"There is no file {path}.")


def _below(folder: Path) -> Iterator[Path]:
    """All files; a folder that can't be listed is named, not left out."""

    def refuse(error: OSError) -> None:
        raise _unreadable(Path(error.filename), error)

    for place, _, names in os.walk(folder, onerror=refuse):
        yield from (each for each in (Path(place, name) for name in names) if each.is_file())


def _unreadable(path: Path, error: OSError) -> WrongUse:
    return WrongUse(f"{path} can't be read: {(error.strerror or str(error)).lower()}.")


def _log_file(path: Path, fields: tuple[str, ...]) -> LogFile:
    try:
        with path.open("rb") as file:
            magic = file.read(4)
        if magic == b"PAR1":
            return LogFile(path, Kind.FLOW, is_parquet=True)
        is_gzipped = magic[:2] == b"\x1f\x8b"
        head = list(islice(lines_of(path), HEAD_LINES))
    except OSError as error:
        raise _unreadable(path, error) from error
    if any("\0" in line for line in head[:2]):
        return LogFile(path, Kind.NO_TEXT, is_gzipped=is_gzipped)
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


def lines_of(path: Path, gaps: list[str] | None = None) -> Iterator[str]:
    """The lines of a file, gzipped or not, without their ends. A gzip file that is cut off or damaged ends there, with
    a sentence about it in ``gaps``."""
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    stream: IO[bytes] = cast("IO[bytes]", gzip.GzipFile(path, "rb") if zipped else path.open("rb"))
    number = 0
    with stream:
        try:
            while line := stream.readline(MAX_LINE):
                while not line.endswith(b"\n") and (rest := stream.readline(MAX_LINE)):
                    if rest.endswith(b"\n"):
                        break
                number += 1
                yield line.removeprefix(BOM if number == 1 else b"").rstrip(b"\r\n").decode("utf-8", "replace")
        except (EOFError, zlib.error, gzip.BadGzipFile):
            if gaps is not None:
                gaps.append(f"{path} is cut off or damaged: what comes after its line {number:,} is not known.")


def is_whole(file: LogFile) -> bool:
    """Whether a file can be read to its end; one that isn't gzipped can."""
    if not file.is_gzipped:
        return True
    try:
        with gzip.GzipFile(file.path, "rb") as stream:
            while stream.read(1 << 20):
                pass
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return False
    return True


def events_in(file: LogFile, gaps: list[str] | None = None) -> Iterator[LogEvent]:
    """The lines of a file as events, each with the time that it says, if it says one. What couldn't be read is a
    sentence in ``gaps``."""
    name = file.path.name
    if file.kind is Kind.NO_TEXT:
        if gaps is not None:
            gaps.append(f"{file.path} isn't text in UTF-8 and was left out.")
        return
    for line in lines_of(file.path, gaps):
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
