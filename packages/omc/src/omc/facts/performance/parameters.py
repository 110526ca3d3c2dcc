"""What the database's parameter group sets itself, by name: whether slow statements and plans are logged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from omc.aws.gateway import Gateway
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.pending import Pending


@dataclass(frozen=True, slots=True)
class DatabaseParameters:
    """Only what somebody set; the rest is RDS's default."""

    group: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    reading: Reading = NO_READING

    def number(self, name: str) -> int | None:
        """A parameter that is set to a whole number, not to a formula; None otherwise."""
        text = self.values.get(name, "")
        return int(text) if text.lstrip("-").isdigit() else None


@reads
def read_database_parameters(aws: Gateway, pending: Pending) -> DatabaseParameters:
    """A page: what the group itself sets."""
    groups = (pending.database or {}).get("DBParameterGroups") or ()
    if not groups:
        return DatabaseParameters()
    name = groups[0]["DBParameterGroupName"]
    pages = aws.client("rds").get_paginator("describe_db_parameters").paginate(DBParameterGroupName=name, Source="user")
    values = {
        one["ParameterName"]: one["ParameterValue"]
        for page in pages
        for one in page["Parameters"]
        if one.get("ParameterName") and one.get("ParameterValue")
    }
    return DatabaseParameters(name, values)
