"""What a real Valkey says of itself, as ElastiCache's metrics and slow-log events."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from localcloud.backends import valkey
from localcloud.backends.valkey import Server, ValkeyError
from localcloud.core import burst
from localcloud.core.processes import Process

EVERY = 5.0
"""Seconds between samples. ElastiCache publishes each minute; short alarm periods need one in each."""
NODE_VCPUS = 2

Sample = tuple[str, float, str]

_COUNTERS = {
    "CacheHits": "keyspace_hits",
    "CacheMisses": "keyspace_misses",
    "Evictions": "evicted_keys",
    "Reclaimed": "expired_keys",
    "NewConnections": "total_connections_received",
}
"""Metrics that are what happened between two readings; ElastiCache publishes their zeros too."""

_KEY_BASED = (
    *("del", "unlink", "exists", "expire", "pexpire", "expireat", "pexpireat", "persist", "rename", "renamenx", "ttl"),
    *("pttl", "type", "touch", "copy", "move", "dump", "restore", "object", "sort"),
)
"""Commands on keys of any type, whose calls KeyBasedCmds adds up. AWS names some and says "and so on"."""


@dataclass(frozen=True, slots=True)
class _Reading:
    at: float
    cpu_seconds: float
    info: dict[str, str]


@dataclass(slots=True)
class Measurements:
    """Remembers the last reading of each member."""

    _last: dict[str, _Reading] = field(default_factory=dict)
    _credits: dict[str, float] = field(default_factory=dict)

    def forget(self, member_id: str) -> None:
        self._last.pop(member_id, None)

    def take(self, server: Server, process: Process, is_primary: bool, node_type: str) -> list[Sample]:
        """The samples of this moment; none where the server can't be asked, so that its silence shows."""
        try:
            record = valkey.info(server)
        except (OSError, ValkeyError):
            return []
        now = _Reading(time.monotonic(), process.cpu_seconds(), record)
        before = self._last.get(server.name)
        self._last[server.name] = now
        samples = _levels(record, is_primary)
        # After a restart the counters begin again at zero.
        same_run = before is not None and before.info.get("run_id") == record.get("run_id")
        if not (before and same_run):
            return samples
        return samples + _between(before, now) + self._burst(server.name, before, now, node_type)

    def _burst(self, name: str, before: _Reading, now: _Reading, node_type: str) -> list[Sample]:
        """Credits of a small node."""
        used = max(0.0, now.cpu_seconds - before.cpu_seconds)
        left = burst.balance(node_type, self._credits.get(name), now.at - before.at, used)
        if left is None:
            return []
        self._credits[name] = left
        return [("CPUCreditBalance", left, "Count"), ("CPUCreditUsage", used / 60, "Count")]


def _levels(record: dict[str, str], is_primary: bool) -> list[Sample]:
    used, most = int(record["used_memory"]), int(record["maxmemory"])
    keys = sum(int(value.split("keys=")[1].split(",")[0]) for name, value in record.items() if name.startswith("db"))
    # Our own question is one connection; replicas' links aren't clients in ElastiCache either.
    clients = max(0, int(record["connected_clients"]) - 1)
    return [
        ("CurrConnections", float(clients), "Count"),
        ("CurrItems", float(keys), "Count"),
        ("BytesUsedForCache", float(used), "Bytes"),
        ("DatabaseMemoryUsagePercentage", min(100.0, 100 * used / most) if most else 0.0, "Percent"),
        ("FreeableMemory", float(max(0, most - used)), "Bytes"),
        ("MemoryFragmentationRatio", float(record.get("mem_fragmentation_ratio", 1)), "None"),
        ("IsMaster", 1.0 if is_primary else 0.0, "Count"),
        ("ReplicationLag", 0.0 if is_primary else float(record.get("master_last_io_seconds_ago", 0)), "Seconds"),
    ]


def _between(before: _Reading, now: _Reading) -> list[Sample]:
    seconds = max(0.001, now.at - before.at)

    def gained(name: str) -> float:
        return max(0.0, float(now.info[name]) - float(before.info[name]))

    samples: list[Sample] = [(name, gained(source), "Count") for name, source in _COUNTERS.items()]
    samples.append(("KeyBasedCmds", max(0.0, _key_based(now.info) - _key_based(before.info)), "Count"))
    hits, misses = gained("keyspace_hits"), gained("keyspace_misses")
    if hits + misses:
        samples.append(("CacheHitRate", 100 * hits / (hits + misses), "Percent"))
    cpu = 100 * (now.cpu_seconds - before.cpu_seconds) / seconds
    engine = 100 * (gained("used_cpu_user_main_thread") + gained("used_cpu_sys_main_thread")) / seconds
    return [
        *samples,
        ("EngineCPUUtilization", min(100.0, max(0.0, engine)), "Percent"),
        ("CPUUtilization", min(100.0, max(0.0, cpu / NODE_VCPUS)), "Percent"),
        ("NetworkBytesIn", gained("total_net_input_bytes"), "Bytes"),
        ("NetworkBytesOut", gained("total_net_output_bytes"), "Bytes"),
    ]


def _key_based(record: dict[str, str]) -> float:
    """Calls since the server started, from ``cmdstat_del:calls=7,usec=…``."""
    names = (f"cmdstat_{command}" for command in _KEY_BASED)
    stats = (record.get(name, "") for name in names)
    return sum(float(each.partition("calls=")[2].partition(",")[0] or 0) for each in stats)


@dataclass(frozen=True, slots=True)
class SlowCommand:
    """One entry of the slow log."""

    id: int
    at: int
    """Seconds since the epoch."""
    microseconds: int
    words: tuple[str, ...]
    client: str


def slow_log(server: Server, after: int) -> tuple[list[SlowCommand], int]:
    """Entries with an id above ``after``, oldest first, and the newest id."""
    entries = valkey.command(server, "SLOWLOG", "GET", "128")
    found = []
    for entry in entries if isinstance(entries, list) else ():
        match entry:
            case [int(number), int(at), int(microseconds), list(words), str(client), *_]:
                found.append(SlowCommand(number, at, microseconds, tuple(str(word) for word in words), client))
    newest = max((entry.id for entry in found), default=-1)
    if newest < after:
        after = -1  # the server started anew and counts from zero
    return sorted((entry for entry in found if entry.id > after), key=lambda entry: entry.id), max(newest, -1)


def slow_log_event(entry: SlowCommand, group: str, member: str, form: str) -> tuple[int, str]:
    """An entry as ElastiCache writes it to CloudWatch Logs, in JSON or in text."""
    command = " ".join(entry.words)
    response = {
        "CacheClusterId": member,
        "CacheNodeId": "0001",
        "Id": entry.id,
        "Timestamp": entry.at,
        "Duration (us)": entry.microseconds,
        "Command": command,
        "ClientAddress": entry.client,
        "ReplicationGroupId": group,
    }
    if form == "json":
        return entry.at * 1000, json.dumps(response)
    moment = datetime.fromtimestamp(entry.at, UTC).isoformat()
    return entry.at * 1000, f"{moment} {member}/0001 {entry.id} {entry.microseconds} {command} {entry.client}"


@dataclass(frozen=True, slots=True)
class EngineLine:
    """One line of the server's own log."""

    at: datetime
    role: str
    """``M`` primary, ``S`` replica, ``C`` a child that saves, ``X`` sentinel."""
    level: str
    message: str


_ENGINE_LINE = re.compile(r"^\d+:([MSCX]) (\d+ \w{3} \d{4} \d\d:\d\d:\d\d\.\d+) ([.*#-]) (.*)$")
_LEVELS = {".": "DEBUG", "-": "VERBOSE", "*": "NOTICE", "#": "WARNING"}
_MOST = 1 << 18


def engine_log(path: Path, offset: int) -> tuple[list[EngineLine], int]:
    """The whole lines after ``offset`` bytes, and where to go on."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(_MOST)
    except FileNotFoundError:
        return [], 0
    whole = data[: data.rfind(b"\n") + 1]
    found = []
    for line in whole.decode(errors="replace").splitlines():
        if match := _ENGINE_LINE.match(line):
            at = datetime.strptime(match[2], "%d %b %Y %H:%M:%S.%f").replace(tzinfo=UTC)
            found.append(EngineLine(at, match[1], _LEVELS[match[3]], match[4]))
    return found, offset + len(whole)


def engine_log_event(line: EngineLine, group: str, member: str, form: str) -> tuple[int, str]:
    """A line as ElastiCache writes it to CloudWatch Logs, in JSON or in text."""
    moment = f"{line.at:%d %b %Y %H:%M:%S}.{line.at.microsecond // 1000:03d} UTC"
    record = {
        "CacheClusterId": member,
        "CacheNodeId": "0001",
        "LogLevel": line.level,
        "Role": line.role,
        "Time": moment,
        "Message": line.message,
        "ReplicationGroupId": group,
    }
    text = json.dumps(record) if form == "json" else f"{member}/0001:{line.role} {moment} {line.level} {line.message}"
    return int(line.at.timestamp() * 1000), text
