"""Cache parameter groups: what ElastiCache lets be set, and what the real server is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.core.registry import AwsError
from localcloud.services.elasticache.model import ParameterGroup

_POLICIES = "volatile-lru,allkeys-lru,volatile-lfu,allkeys-lfu,volatile-random,allkeys-random,volatile-ttl,noeviction"


@dataclass(frozen=True, slots=True)
class Known:
    """One parameter: its default and what it may be."""

    default: str
    kind: str
    allowed: str
    native: bool = True
    """The real server has it under the same name."""


KNOWN = {
    "activedefrag": Known("no", "string", "yes,no", native=False),
    "activerehashing": Known("yes", "string", "yes,no"),
    "appendonly": Known("no", "string", "yes,no"),
    "client-output-buffer-limit-normal-hard-limit": Known("0", "integer", "0-", native=False),
    "close-on-replica-write": Known("yes", "string", "yes,no", native=False),
    "cluster-enabled": Known("no", "string", "yes,no", native=False),
    "hash-max-listpack-entries": Known("512", "integer", "0-"),
    "hash-max-listpack-value": Known("64", "integer", "0-"),
    "hz": Known("10", "integer", "1-500"),
    "lazyfree-lazy-eviction": Known("no", "string", "yes,no"),
    "lazyfree-lazy-expire": Known("no", "string", "yes,no"),
    "list-compress-depth": Known("0", "integer", "0-"),
    "maxclients": Known("65000", "integer", "1-65000"),
    "maxmemory-policy": Known("volatile-lru", "string", _POLICIES),
    "maxmemory-samples": Known("3", "integer", "1-"),
    "notify-keyspace-events": Known("", "string", ""),
    "reserved-memory-percent": Known("25", "integer", "0-100", native=False),
    "slowlog-log-slower-than": Known("10000", "integer", "-"),
    "slowlog-max-len": Known("128", "integer", "0-"),
    "tcp-keepalive": Known("300", "integer", "0-"),
    "timeout": Known("0", "integer", "0,20-"),
}
"""Parameters of family redis7 (ElastiCache user guide, engine specific parameters) that mean something here."""


def check(name: str, value: str) -> None:
    """AWS's error for a parameter that doesn't exist or can't have this value."""
    known = KNOWN.get(name)
    if known is None:
        message = f"The parameter {name} cannot be found in this parameter group, or localcloud doesn't have it."
        raise AwsError("InvalidParameterValue", message)
    allowed = known.allowed.split(",")
    if known.kind == "string" and known.allowed and value not in allowed:
        message = f"The parameter value {value} of {name} is not one of {known.allowed}"
        raise AwsError("InvalidParameterValue", message)
    if known.kind == "integer" and not value.lstrip("-").isdigit():
        raise AwsError("InvalidParameterValue", f"The parameter value {value} of {name} is not a number")


def shown(group: ParameterGroup) -> list[dict[str, Any]]:
    return [
        {
            "ParameterName": name,
            "ParameterValue": group.values.get(name, known.default),
            "Description": name.replace("-", " "),
            "Source": "user" if name in group.values else "system",
            "DataType": known.kind,
            "AllowedValues": known.allowed,
            "IsModifiable": True,
            "MinimumEngineVersion": "7.0.0",
            "ChangeType": "immediate",
        }
        for name, known in KNOWN.items()
    ]


def server_settings(values: Mapping[str, str], memory: int) -> dict[str, str]:
    """What the real server is told."""
    settings = {name: values.get(name, known.default) for name, known in KNOWN.items() if known.native}
    reserved = int(values.get("reserved-memory-percent", KNOWN["reserved-memory-percent"].default))
    settings["maxmemory"] = str(memory * (100 - reserved) // 100)
    # ElastiCache's own default. Valkey's is ten times that, which a small cache that ever had a replica keeps as used.
    settings["repl-backlog-size"] = str(1024 * 1024)
    settings["maxclients"] = str(min(int(settings["maxclients"]), 2_000))  # this machine's open files are fewer
    if settings["maxmemory-policy"].startswith("allkeys") and "slowlog-log-slower-than" not in values:
        settings["slowlog-log-slower-than"] = "10000"
    return settings
