"""The tables of services and jobs in omc.toml, and the thresholds. See ``omc.config.tables``."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from omc.config.fields import PATH, Table, key

_PLACEHOLDER = r"\{[a-z]+\}"
NAME_WITH_PLACEHOLDERS = rf"(?:[A-Za-z0-9_-]|{_PLACEHOLDER})+"
LOG_GROUP_WITH_PLACEHOLDERS = rf"(?:[A-Za-z0-9_./#-]|{_PLACEHOLDER})+"
SCHEDULE_WITH_PLACEHOLDERS = rf"(?:[A-Za-z0-9_.-]|{_PLACEHOLDER})+(?:/(?:[A-Za-z0-9_.-]|{_PLACEHOLDER})+)?"
A_NAME = "a name"


class ServiceKeys(Table, frozen=True, kw_only=True):
    """What can be said of a service, in each environment or in one."""

    port: (
        Annotated[
            int,
            key(
                "The port on which its container listens.",
                least=1,
                most=65_535,
                default="none: it serves no requests, and has no target group unless one is named",
                example=8000,
            ),
        ]
        | None
    ) = None
    minimum: (
        Annotated[
            int,
            key(
                "Fewest tasks that autoscaling keeps. With `maximum` and `cpu_target`, or none of the three.",
                least=0,
                most=5000,
                unit="tasks",
                default="none: no autoscaling is expected",
                example=2,
            ),
        ]
        | None
    ) = None
    maximum: (
        Annotated[
            int,
            key(
                "Most tasks that autoscaling starts.",
                least=1,
                most=5000,
                unit="tasks",
                default="none: no autoscaling is expected",
                example=10,
            ),
        ]
        | None
    ) = None
    cpu_target: (
        Annotated[
            int,
            key(
                "The average CPU that autoscaling aims at.",
                least=1,
                most=100,
                unit="percent",
                default="none: no autoscaling is expected",
                example=70,
            ),
        ]
        | None
    ) = None
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
    connections: (
        Annotated[
            Annotated[int, key("A number.", least=0, most=5000)]
            | tuple[Annotated[str, key("A variable.", pattern=r"[A-Za-z_][A-Za-z0-9_]*")], ...],
            key(
                "How many database connections one of its tasks opens at most: a number, or the variables of its "
                "container whose sum it is.",
                allowed='a whole number from 0 to 5000, or names of variables such as ["DB_POOL_SIZE"]',
                unit="connections",
                default="not known, which the plan says",
                example=["DB_POOL_SIZE", "DB_MAX_OVERFLOW"],
            ),
        ]
        | None
    ) = None
    ecs_service: (
        Annotated[
            str,
            key(
                "The name of the ECS service.",
                pattern=NAME_WITH_PLACEHOLDERS,
                allowed=A_NAME,
                default="the service's name",
                example="acme-{environment}-api",
            ),
        ]
        | None
    ) = None
    cluster: (
        Annotated[
            str,
            key(
                "The ECS cluster in which it runs.",
                pattern=NAME_WITH_PLACEHOLDERS,
                allowed=A_NAME,
                default="the environment's",
                example="{prefix}-batch",
            ),
        ]
        | None
    ) = None
    family: (
        Annotated[
            str,
            key(
                "The task definition's family.",
                pattern=NAME_WITH_PLACEHOLDERS,
                allowed=A_NAME,
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
                pattern=NAME_WITH_PLACEHOLDERS,
                allowed=A_NAME,
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
                pattern=LOG_GROUP_WITH_PLACEHOLDERS,
                allowed=A_NAME,
                default="`/ecs/<prefix>/<service>`",
                example="/ecs/ohmycoins/backend",
            ),
        ]
        | None
    ) = None
    target_group: (
        Annotated[
            Annotated[str, key("A name.", pattern=NAME_WITH_PLACEHOLDERS)]
            | tuple[Annotated[str, key("A name.", pattern=NAME_WITH_PLACEHOLDERS)], ...],
            key(
                "The target group's name, or those of several, in all of which it must be healthy; ARNs are looked up.",
                allowed='a name, a list of names such as ["api-public", "api-internal"], or an empty list for none',
                default="`<prefix>-<service>`; none without a port",
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
    migrate: (
        Annotated[
            tuple[Annotated[str, Meta(min_length=1)], ...],
            key(
                "A command that brings the database to the schema that the service needs, run in a task of its own "
                "before the new revision takes traffic.",
                allowed='a command in words, ["python", "-m", "backend.migrate"]',
                default="none: the service has no schema",
                example=["python", "-m", "backend.migrate"],
            ),
        ]
        | None
    ) = None
    migrate_family: (
        Annotated[
            str,
            key(
                "The task definition's family of that task, for secrets that no serving task gets.",
                pattern=NAME_WITH_PLACEHOLDERS,
                allowed=A_NAME,
                default="the service's family",
                example="ohmycoins-migrate-backend",
            ),
        ]
        | None
    ) = None


class ServiceTable(ServiceKeys, frozen=True, kw_only=True):
    """One ECS service, the same in each environment but for what `[environments.<environment>.services.<service>]`
    says.

    In names `{name}`, `{environment}`, `{prefix}`, `{service}` and `{account}` stand for the stack's name, the
    environment's name and prefix, the service's name and the environment's account.
    """


class EnvironmentServiceTable(ServiceKeys, frozen=True, kw_only=True):
    """What is different of one of `[services]` in this environment: any of its keys, which then counts here."""

    absent: Annotated[
        bool,
        key("Whether the service isn't in this environment at all; then nothing else is said of it.", example=True),
    ] = False


class JobTable(Table, frozen=True, kw_only=True):
    """A task that isn't a service's: started by a schedule, or by hand with `aws ecs run-task`, for which omc has no
    command. Its names take the placeholders of `[services.<service>]`; `{service}` is the job's name.
    """

    family: (
        Annotated[
            str,
            key(
                "The task definition's family.",
                pattern=NAME_WITH_PLACEHOLDERS,
                allowed=A_NAME,
                default="`<name>-<job>`",
                example="{name}-{environment}-nightly",
            ),
        ]
        | None
    ) = None
    cluster: (
        Annotated[
            str,
            key(
                "The ECS cluster in which it runs.",
                pattern=NAME_WITH_PLACEHOLDERS,
                allowed=A_NAME,
                default="the environment's",
                example="{prefix}-batch",
            ),
        ]
        | None
    ) = None
    container: (
        Annotated[
            str,
            key(
                "The container that does the work.",
                pattern=NAME_WITH_PLACEHOLDERS,
                allowed=A_NAME,
                default="the job's name",
                example="app",
            ),
        ]
        | None
    ) = None
    log_group: (
        Annotated[
            str,
            key(
                "Where it logs.",
                pattern=LOG_GROUP_WITH_PLACEHOLDERS,
                allowed=A_NAME,
                default="`/ecs/<prefix>/<job>`",
                example="/ecs/ohmycoins/nightly",
            ),
        ]
        | None
    ) = None
    schedule: (
        Annotated[
            str,
            key(
                "What starts it: an EventBridge rule, or a schedule of EventBridge Scheduler, as `group/name` where it "
                "isn't in the group `default`.",
                pattern=SCHEDULE_WITH_PLACEHOLDERS,
                allowed="a name, or a group and a name such as acme/nightly",
                default="none: it is started by hand",
                example="{prefix}-nightly",
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
