"""A service's table of omc.toml, and the thresholds. See ``omc.config.tables``."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from omc.config.fields import NAME, PATH, Table, key


class ServiceTable(Table, frozen=True, kw_only=True):
    """One ECS service, the same in each environment."""

    port: Annotated[int, key("The port on which its container listens.", least=1, most=65_535, example=8000)]
    minimum: Annotated[int, key("Fewest tasks that autoscaling keeps.", least=0, most=5000, unit="tasks", example=2)]
    maximum: Annotated[int, key("Most tasks that autoscaling starts.", least=1, most=5000, unit="tasks", example=10)]
    cpu_target: Annotated[
        int, key("The average CPU that autoscaling aims at.", least=1, most=100, unit="percent", example=70)
    ]
    memory_target: (
        Annotated[
            int,
            key(
                "The average memory that autoscaling aims at.",
                least=1,
                most=100,
                unit="percent",
                default="none: memory doesn't scale it",
                example=80,
            ),
        ]
        | None
    ) = None
    family: (
        Annotated[
            str,
            key(
                "The task definition's family.",
                pattern=NAME,
                allowed="a name",
                default="`<name>-<service>`",
                example="ohmycoins-backend",
            ),
        ]
        | None
    ) = None
    container: (
        Annotated[
            str,
            key(
                "The container that serves.",
                pattern=NAME,
                allowed="a name",
                default="the service's name",
                example="app",
            ),
        ]
        | None
    ) = None
    log_group: (
        Annotated[
            str,
            key(
                "Where its tasks log.",
                pattern=r"[A-Za-z0-9_./#-]+",
                allowed="a name",
                default="`/ecs/<prefix>/<service>`",
                example="/ecs/ohmycoins/backend",
            ),
        ]
        | None
    ) = None
    target_group: (
        Annotated[
            str,
            key(
                "The target group's name; its ARN is looked up.",
                pattern=NAME,
                allowed="a name",
                default="`<prefix>-<service>`",
                example="ohmycoins-staging-backend",
            ),
        ]
        | None
    ) = None
    public_path: (
        Annotated[
            str,
            key(
                "A page that users ask for, which answers a GET without a login; omc asks for it as they do.",
                pattern=PATH,
                allowed="a path such as /api/v1/coins",
                default="what the load balancer's rules lead to the service, where any answer but a 5xx is good enough",
                example="/api/v1/prices",
            ),
        ]
        | None
    ) = None
    status_path: (
        Annotated[
            str,
            key(
                "A page that says how the service and what it depends on are, as JSON with `data_age_seconds`.",
                pattern=PATH,
                allowed="a path such as /api/v1/status",
                default="none",
                example="/api/v1/status",
            ),
        ]
        | None
    ) = None
    migrate: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...],
        key(
            "A command that brings the database to the schema that the service needs, run in a task of its own before "
            "the new revision takes traffic.",
            allowed='a command in words, ["python", "-m", "backend.migrate"]',
            default="none: the service has no schema",
            example=["python", "-m", "backend.migrate"],
        ),
    ] = ()
    migrate_family: (
        Annotated[
            str,
            key(
                "The task definition's family of that task, for secrets that no serving task gets.",
                pattern=NAME,
                allowed="a name",
                default="the service's family",
                example="ohmycoins-migrate-backend",
            ),
        ]
        | None
    ) = None


class Thresholds(Table, frozen=True, kw_only=True):
    """Where a reading stops being fine. The defaults are those of the alarms."""

    error_percent: Annotated[
        float, key("5xx answers of all, in one minute.", least=0, most=100, unit="percent", example=2.5)
    ] = 5.0
    requests_floor: Annotated[
        int,
        key(
            "Below this many requests a minute, a percentage means nothing.",
            least=0,
            most=1_000_000,
            unit="requests a minute",
            example=50,
        ),
    ] = 20
    error_minutes: Annotated[
        int,
        key(
            "This many of the newest `error_minutes_of` minutes above `error_percent` fail the check.",
            least=1,
            most=1440,
            unit="minutes",
            example=2,
        ),
    ] = 3
    error_minutes_of: Annotated[
        int, key("Out of this many of the newest minutes.", least=1, most=1440, unit="minutes", example=10)
    ] = 5
    slow_seconds: Annotated[
        float,
        key(
            "A 95th percentile of answers above this is slow, as in the alarm alb-latency-high.",
            least=0.001,
            most=3600,
            unit="seconds",
            example=0.5,
        ),
    ] = 1.0
    data_age_seconds: Annotated[
        int, key("Prices older than this are stale.", least=1, most=31_536_000, unit="seconds", example=600)
    ] = 900
    metrics_age_seconds: Annotated[
        int,
        key(
            "Without a newer metric, nothing is concluded from alarms and rates.",
            least=60,
            most=86_400,
            unit="seconds",
            example=900,
        ),
    ] = 600
    log_errors: Annotated[
        int,
        key(
            "This many error lines in the period fail the morning check; fewer are a warning.",
            least=1,
            most=1_000_000,
            unit="lines",
            example=50,
        ),
    ] = 100
    failed_tasks: Annotated[
        int,
        key(
            "This many failed tasks of a service in ECS's hour fail the check, even when all wanted tasks run again.",
            least=1,
            most=10_000,
            unit="tasks",
            example=5,
        ),
    ] = 3
