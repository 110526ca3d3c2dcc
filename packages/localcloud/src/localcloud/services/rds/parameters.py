"""Parameter groups: what RDS lets be set, and what the real server is told.

The parameters are those of the PostgreSQL that is installed, asked of the binary itself, and RDS's own ``rds.`` ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from localcloud.backends import postgres
from localcloud.backends.databases import Size
from localcloud.core.registry import AwsError

_OURS = frozenset(
    {
        "config_file", "data_directory", "external_pid_file", "hba_file", "ident_file", "listen_addresses", "port",
        "ssl", "ssl_ca_file", "ssl_cert_file", "ssl_crl_file", "ssl_key_file", "unix_socket_directories",
        "logging_collector", "log_directory", "cluster_name", "archive_command", "restore_command",
    }
)  # fmt: skip
"""What RDS keeps for itself; setting it is an error there too."""
_EXTENSIONS = ("auto_explain.", "pg_stat_statements.", "pgaudit.", "pg_hint_plan.", "plpgsql.", "cron.")
_RDS_OWN = {
    "rds.force_ssl": ("1", "dynamic", "boolean", "Force SSL connections."),
    "rds.log_retention_period": ("4320", "dynamic", "integer", "Amazon RDS will delete PostgreSQL log that are older."),
    "rds.logical_replication": ("0", "static", "boolean", "Enables logical decoding."),
    "rds.force_autovacuum_logging_level": ("warning", "dynamic", "string", "Emit autovacuum log messages."),
}
LARGEST_SHARED_BUFFERS = 16_384
"""8-KiB pages (128 MiB): what a local instance takes of this machine's memory at most."""

_DEFAULTS = {
    "max_connections": "LEAST({DBInstanceClassMemory/9531392},5000)",
    "shared_buffers": "{DBInstanceClassMemory/32768}",
    "shared_preload_libraries": "pg_stat_statements",
    "log_min_duration_statement": "-1",
    "max_wal_size": "1024",
    "min_wal_size": "80",
    "password_encryption": "scram-sha-256",
}
"""RDS's defaults that differ from PostgreSQL's own, with its formulas."""


@dataclass(slots=True)
class ParameterGroup:
    """A DB parameter group: what was set in it, with how it is to be applied."""

    name: str
    family: str
    description: str
    arn: str
    values: dict[str, str] = field(default_factory=dict)
    methods: dict[str, str] = field(default_factory=dict)
    """``immediate`` or ``pending-reboot``, by parameter."""

    def shown(self) -> dict[str, str]:
        return {
            "DBParameterGroupName": self.name,
            "DBParameterGroupFamily": self.family,
            "Description": self.description,
            "DBParameterGroupArn": self.arn,
        }


def is_static(name: str) -> bool:
    """Whether a change needs a reboot."""
    if name in _RDS_OWN:
        return _RDS_OWN[name][1] == "static"
    known = postgres.parameters().get(name)
    return known is not None and known.context in ("postmaster", "internal")


def check(name: str, value: str, method: str) -> None:
    """AWS's error for a parameter that can't be set so."""
    known = postgres.parameters().get(name)
    if name in _OURS or (known and known.context == "internal"):
        raise AwsError("InvalidParameterValue", f"The parameter {name} cannot be modified.")
    if not known and name not in _RDS_OWN and not name.startswith(_EXTENSIONS):
        raise AwsError("InvalidParameterValue", f"Could not find parameter with name: {name}")
    if method == "immediate" and is_static(name):
        message = f"cannot use immediate apply method for static parameter: {name}"
        raise AwsError("InvalidParameterCombination", message)
    if not known or "{" in value:
        return
    if known.type in ("integer", "real") and re.fullmatch(r"-?\d+(\.\d+)?", value):
        low, high = float(known.minimum or "-inf"), float(known.maximum or "inf")
        if not low <= float(value) <= high:
            message = (
                f"Invalid parameter value: {value} for: {name} allowed values are: {known.minimum}-{known.maximum}"
            )
            raise AwsError("InvalidParameterValue", message)
    elif known.type == "integer" and not re.fullmatch(r"-?\d+\s*(B|kB|MB|GB|TB|us|ms|s|min|h|d)", value):
        raise AwsError("InvalidParameterValue", f"Invalid parameter value: {value} for: {name}")
    elif known.type == "boolean" and value.lower() not in ("0", "1", "on", "off", "true", "false"):
        raise AwsError("InvalidParameterValue", f"Invalid parameter value: {value} for: {name} allowed values are: 0,1")


def shown(group: ParameterGroup) -> list[dict[str, Any]]:
    """Every parameter of a group as DescribeDBParameters shows it."""
    rows = [_shown_rds(name, group) for name in _RDS_OWN]
    for name, known in postgres.parameters().items():
        if name in _OURS:
            continue
        row: dict[str, Any] = {
            "ParameterName": name,
            "Description": known.description,
            "Source": "user" if name in group.values else "system" if name in _DEFAULTS else "engine-default",
            "ApplyType": "static" if is_static(name) else "dynamic",
            "DataType": {"bool": "boolean", "real": "float", "enum": "string"}.get(known.type, known.type),
            "IsModifiable": known.context != "internal",
            "ApplyMethod": group.methods.get(name, "pending-reboot"),
        }
        value = group.values.get(name) or _DEFAULTS.get(name)
        if value is not None:
            row["ParameterValue"] = value
        if known.minimum:
            row["AllowedValues"] = f"{known.minimum}-{known.maximum}"
        rows.append(row)
    known_names = {row["ParameterName"] for row in rows}
    rows += [
        {
            "ParameterName": name,
            "ParameterValue": value,
            "Source": "user",
            "ApplyType": "dynamic",
            "DataType": "string",
            "IsModifiable": True,
            "ApplyMethod": group.methods.get(name, "pending-reboot"),
        }
        for name, value in group.values.items()
        if name not in known_names
    ]
    return sorted(rows, key=lambda row: str(row["ParameterName"]))


def _shown_rds(name: str, group: ParameterGroup) -> dict[str, Any]:
    default, kind, data_type, description = _RDS_OWN[name]
    return {
        "ParameterName": name,
        "ParameterValue": group.values.get(name, default),
        "Description": description,
        "Source": "user" if name in group.values else "system",
        "ApplyType": kind,
        "DataType": data_type,
        "IsModifiable": True,
        "ApplyMethod": group.methods.get(name, "pending-reboot"),
    }


def server_settings(values: Mapping[str, str], size: Size) -> dict[str, str]:
    """What the real server is told: RDS's defaults and the group's values, formulas worked out, kept small."""
    settings = {name: value for name, value in {**_DEFAULTS, **values}.items() if name not in _RDS_OWN}
    settings = {name: formula(value, size) for name, value in settings.items() if name not in _OURS}
    wanted = [each.strip() for each in settings["shared_preload_libraries"].split(",")]
    # RDS offers libraries that aren't PostgreSQL's own; without them the server still starts.
    settings["shared_preload_libraries"] = ",".join(each for each in wanted if each and postgres.has_library(each))
    if settings["shared_buffers"].isdigit():
        settings["shared_buffers"] = str(min(int(settings["shared_buffers"]), LARGEST_SHARED_BUFFERS))
    return settings


def forces_tls(values: Mapping[str, str]) -> bool:
    return values.get("rds.force_ssl", _RDS_OWN["rds.force_ssl"][0]).lower() in ("1", "on", "true")


def formula(value: str, size: Size) -> str:
    """RDS's formulas: ``{DBInstanceClassMemory/9531392}``, alone or in LEAST and GREATEST; the value else."""

    def divided(match: re.Match[str]) -> str:
        return str(size.memory // int(match[1]))

    text = re.sub(r"\{DBInstanceClassMemory/(\d+)\}", divided, value)
    call = re.fullmatch(r"(LEAST|GREATEST)\(([\d,\s]+)\)", text)
    if not call:
        return text
    numbers = [int(number) for number in call[2].split(",")]
    return str(min(numbers) if call[1] == "LEAST" else max(numbers))
