"""Log events on disk: for each log group a hot tail and sealed segments.

The tail is a file of JSON lines, written with one ``write`` a batch before ``append`` returns (the kernel has it then,
so a killed process loses nothing), and the same events in memory for the many readers of what is new. A full tail is
sealed into a Parquet segment by the worker process (``localcloud.services.logs.worker``), which also reads segments.
Memory is bounded by the tails: ``TAIL_EVENTS`` or ``TAIL_BYTES`` a group, ``ALL_TAILS_BYTES`` together.

Measured on two cores, a million JSON lines of 140 bytes: Parquet with zstd is 39 MB against 188 MB of JSON lines, and
DuckDB counts, searches and groups it in 0.1 to 0.2 s; SQLite would have to loop in Python for regular expressions.

A sequence number orders events that share a timestamp, and says when the event arrived: microseconds since the epoch,
never the same twice. What groups and streams *are* (retention, tags …) is the component's, not the store's.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

log = logging.getLogger(__name__)

TAIL_EVENTS = 20_000
TAIL_BYTES = 8 * 1024 * 1024
ALL_TAILS_BYTES = 64 * 1024 * 1024
OVERHEAD = 26
"""Bytes that AWS counts for each event on top of its message."""


class Event(NamedTuple):
    """One stored log event. ``at`` is its timestamp in milliseconds; ``sequence`` see the module's text."""

    at: int
    sequence: int
    stream: str
    message: str

    @property
    def ingested(self) -> int:
        """When it arrived, in milliseconds."""
        return self.sequence // 1000


@dataclass(frozen=True, slots=True)
class Segment:
    """A sealed file; its name holds all that is known of it, so that no index can disagree with the files."""

    path: Path
    number: int
    first: int
    last: int
    events: int
    size: int

    @classmethod
    def at(cls, path: Path) -> Segment:
        number, first, last, events, size = (int(part) for part in path.stem.split("_")[1:])
        return cls(path, number, first, last, events, size)


@dataclass(slots=True)
class Tail:
    """Events that aren't in a segment yet, in order of arrival."""

    number: int
    path: Path
    events: list[Event] = field(default_factory=list)
    size: int = 0
    written: int = 0
    """Bytes of the file that hold whole lines."""


@dataclass(frozen=True, slots=True)
class View:
    """What a group held at one instant, for a reader: files may be deleted only after ``Store.reading`` ends."""

    segments: tuple[Segment, ...]
    tails: tuple[tuple[Path, int], ...]
    events: tuple[Event, ...]
    """The tails' events within the time range, in no order."""


class Numbers:
    """Sequence numbers for all groups of a store."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def take(self, count: int) -> int:
        """The first of ``count`` fresh numbers."""
        with self._lock:
            first = max(self._last + 1, time.time_ns() // 1000)
            self._last = first + count - 1
            return first

    def seen(self, number: int) -> None:
        """Numbers from disk are never given again, even where the clock went back."""
        with self._lock:
            self._last = max(self._last, number)


class GroupStore:
    """The events of one log group. Every method may be called from any thread."""

    def __init__(self, folder: Path, numbers: Numbers) -> None:
        self._folder = folder
        self._numbers = numbers
        self._lock = threading.Lock()
        self._file: int | None = None
        self._segments: list[Segment] = []
        self._sealing: list[Tail] = []
        folder.mkdir(parents=True, exist_ok=True)
        self._load()

    def append(self, stream: str, events: Sequence[tuple[int, str]]) -> int:
        """Store a batch (milliseconds, message); durable against a kill once this returns. Gives its sequence."""
        if not events:
            return 0
        first = self._numbers.take(len(events))
        batch = [Event(at, first + place, stream, message) for place, (at, message) in enumerate(events)]
        data = "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in batch).encode("utf-8", "replace")
        with self._lock:
            self._write(data)
            self._tail.events.extend(batch)
            self._tail.size += sum(weight(message) for _, message in events)
            return first

    def is_full(self) -> bool:
        return len(self._tail.events) >= TAIL_EVENTS or self._tail.size >= TAIL_BYTES

    @property
    def tail_size(self) -> int:
        return self._tail.size

    @property
    def size(self) -> int:
        """Bytes stored, as AWS counts them (messages and 26 bytes for each)."""
        with self._lock:
            return sum(each.size for each in self._segments) + sum(each.size for each in [*self._sealing, self._tail])

    def view(self, start: int, end: int) -> View:
        """The segments that may hold events of this time range (milliseconds, both ends in), and the tails."""
        with self._lock:
            segments = tuple(each for each in self._segments if each.first <= end and each.last >= start)
            tails = [tail for tail in [*self._sealing, self._tail] if tail.events]
            lists = [list(tail.events) for tail in tails]
            files = tuple((tail.path, tail.written) for tail in tails)
        return View(segments, files, tuple(event for events in lists for event in events if start <= event.at <= end))

    def pending(self) -> list[Tail]:
        """Closed tails that wait to be sealed."""
        with self._lock:
            return list(self._sealing)

    def latest(self, count: int) -> list[Event]:
        """Some of the newest arrivals that are in memory: what a group's events look like."""
        with self._lock:
            found = [event for tail in [*self._sealing, self._tail] for event in tail.events[-count:]]
        return found[-count:]

    def rotate(self) -> list[Tail]:
        """Close the tail, if it holds anything, and begin a new one. All tails that wait to be sealed."""
        with self._lock:
            if self._tail.events:
                self._sealing.append(self._tail)
                self._open(self._tail.number + 1)
            return list(self._sealing)

    def segment_path(self, tail: Tail) -> Path:
        """The name of the segment that this tail becomes."""
        times = [event.at for event in tail.events]
        parts = (tail.number, min(times), max(times), len(times), tail.size)
        return self._folder / ("segment_" + "_".join(str(part) for part in parts) + ".parquet")

    def sealed(self, tail: Tail, segment: Segment) -> None:
        with self._lock:
            if tail in self._sealing:
                self._sealing.remove(tail)
                self._segments.append(segment)

    def expire(self, before: int) -> list[Path]:
        """Forget segments whose every event is older than this; their files may then be deleted."""
        with self._lock:
            old = [each for each in self._segments if each.last < before]
            self._segments = [each for each in self._segments if each.last >= before]
        return [each.path for each in old]

    def streams_in_tail(self) -> dict[str, list[Event]]:
        """The tail's events by stream; after a kill they tell of streams that no snapshot knows."""
        found: dict[str, list[Event]] = {}
        with self._lock:
            for tail in [*self._sealing, self._tail]:
                for event in tail.events:
                    found.setdefault(event.stream, []).append(event)
        return found

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    # -- inner, under the lock

    def _load(self) -> None:
        self._segments = sorted(
            (Segment.at(path) for path in self._folder.glob("segment_*.parquet")), key=lambda each: each.number
        )
        sealed = {each.number for each in self._segments}
        for path in self._folder.glob("*.new"):
            path.unlink()
        tails = []
        for path in self._folder.glob("tail_*.jsonl"):
            number = int(path.stem.split("_")[1])
            if number in sealed:
                path.unlink()  # killed between the segment's rename and this
            else:
                tails.append(_read_tail(number, path))
        tails.sort(key=lambda tail: tail.number)
        for tail in tails:
            for event in tail.events[-1:]:
                self._numbers.seen(event.sequence)
        if tails:
            self._tail = tails.pop()
            self._sealing = [tail for tail in tails if tail.events]
            self._file = os.open(self._tail.path, os.O_WRONLY | os.O_APPEND)
            os.ftruncate(self._file, self._tail.written)
        else:
            self._open(max(sealed, default=0) + 1)

    def _open(self, number: int) -> None:
        if self._file is not None:
            os.close(self._file)
        path = self._folder / f"tail_{number}.jsonl"
        self._tail = Tail(number, path)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC, 0o600)

    def _write(self, data: bytes) -> None:
        if self._file is None:
            raise OSError(f"The log events were not stored: {self._folder} is closed")
        done = 0
        try:
            while done < len(data):
                done += os.write(self._file, data[done:])
        except OSError:
            # A full disk: what was half written would glue itself to the next line.
            os.ftruncate(self._file, self._tail.written)
            raise
        self._tail.written += done


class Store:
    """All groups' events under one folder. A group is known here by an id, so that a name may be used again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = Numbers()
        self._groups: dict[str, GroupStore] = {}
        self._lock = threading.Lock()
        self._readers = 0
        self._doomed: list[Path] = []
        folder.mkdir(parents=True, exist_ok=True)

    def open(self, group: str) -> GroupStore:
        with self._lock:
            if group not in self._groups:
                self._groups[group] = GroupStore(self._folder / group, self._numbers)
            return self._groups[group]

    def keep_only(self, groups: Mapping[str, object]) -> None:
        """Delete the folders of groups that no definition speaks of any more."""
        for path in self._folder.iterdir():
            if path.is_dir() and path.name not in groups:
                shutil.rmtree(path, ignore_errors=True)

    def remove(self, group: str) -> None:
        with self._lock:
            found = self._groups.pop(group, None)
        if found is not None:
            found.close()
        self.delete([self._folder / group])

    def fullest(self) -> GroupStore | None:
        """The group to seal next because all tails together take too much memory; None while they don't."""
        with self._lock:
            groups = list(self._groups.values())
        if sum(group.tail_size for group in groups) <= ALL_TAILS_BYTES:
            return None
        return max(groups, key=lambda group: group.tail_size)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Until this ends, no file that a view names is deleted."""
        with self._lock:
            self._readers += 1
        try:
            yield
        finally:
            with self._lock:
                self._readers -= 1
            self.delete([])

    def delete(self, paths: Sequence[Path]) -> None:
        """Delete files or folders, at once or when the last reader is done."""
        with self._lock:
            self._doomed.extend(paths)
            if self._readers:
                return
            doomed, self._doomed = self._doomed, []
        for path in doomed:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        with self._lock:
            groups, self._groups = self._groups, {}
        for group in groups.values():
            group.close()


def weight(message: str) -> int:
    """Bytes that AWS counts for an event: the message in UTF-8 and 26 more."""
    return (len(message) if message.isascii() else len(message.encode("utf-8", "replace"))) + OVERHEAD


def _read_tail(number: int, path: Path) -> Tail:
    tail = Tail(number, path)
    data = path.read_bytes()
    for line in data.splitlines(keepends=True):
        try:
            if not line.endswith(b"\n"):
                raise ValueError("no line end")
            event = Event(*json.loads(line))
        except (ValueError, TypeError):
            log.warning("%s: what follows byte %d is cut off and was dropped", path, tail.written)
            break
        tail.events.append(event)
        tail.size += weight(event.message)
        tail.written += len(line)
    return tail
