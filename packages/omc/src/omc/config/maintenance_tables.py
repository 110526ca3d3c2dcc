"""The table ``[maintenance]`` of omc.toml: how a maintenance run judges what it does. See ``omc.config.tables``."""

from __future__ import annotations

from typing import Annotated

from omc.config.fields import Table, key

CHANNEL = r"#[^\s]+"


class MaintenanceTable(Table, frozen=True, kw_only=True):
    """`omc maintenance`: when a step has made things worse, and what its checklist asks for."""

    error_points: Annotated[
        float,
        key(
            "A step has made things worse where this many percentage points more of the answers are 5xx than in the "
            "hour before.",
            least=0.1,
            most=100,
            unit="percentage points",
            example=1.0,
        ),
    ] = 2.0
    slower: Annotated[
        float,
        key(
            "A step has made things worse where the 95th percentile of the response time is this many times that of "
            "the hour before, and above `slow_ms`.",
            least=1.1,
            most=100,
            unit="times",
            example=1.5,
        ),
    ] = 2.0
    slow_ms: Annotated[
        int,
        key("A 95th percentile up to this is never too slow.", least=1, most=60_000, unit="milliseconds", example=300),
    ] = 500
    measure_seconds: Annotated[
        int,
        key(
            "How long after a step its figures are read: a load balancer's come by the minute, one or two late. In the "
            "local cloud a tenth of it.",
            least=1,
            most=3600,
            unit="seconds",
            example=300,
        ),
    ] = 200
    backup_hours: Annotated[
        float,
        key(
            "A backup that was verified within this time needs no new one before a maintenance.",
            least=0.1,
            most=168,
            unit="hours",
            example=12,
        ),
    ] = 6.0
    earlier: Annotated[
        str,
        key(
            "The environment in which production's changes are made first.",
            pattern=r"[a-z][a-z0-9-]*",
            allowed="an environment's name",
            example="preview",
        ),
    ] = "staging"
    earlier_days: Annotated[
        int,
        key("How old a run there may be that counts as the same change.", least=1, most=365, unit="days", example=30),
    ] = 14
    channel: (
        Annotated[
            str,
            key(
                "Where a maintenance is announced and its steps are told.",
                pattern=CHANNEL,
                allowed='a channel such as "#devops"',
                default="`channels.general`",
                example="#maintenance",
            ),
        ]
        | None
    ) = None


MAINTENANCE = MaintenanceTable()
"""Where omc.toml says nothing."""
