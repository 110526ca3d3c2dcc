"""The table ``[alerts]`` of omc.toml: what becomes of an alert before anybody is paged. See ``omc.config.tables``."""

from __future__ import annotations

from typing import Annotated

from msgspec import field

from omc.config.fields import Table, key
from omc.model.matchers import FORM

A_CONDITION = 'conditions on labels, all of which must hold, ["service=backend", "name!=rds-*"]'
Condition = Annotated[
    str,
    key(
        "A condition on a label: `name`, `kind`, `service`, `group`, `severity`, `source`, or one of the alert's own.",
        pattern=FORM,
        allowed="a label, = or !=, and a value that may hold * and ?, such as name=rds-*",
    ),
]
Level = Annotated[int, key("A severity.", least=1, most=3)]


class FlappingTable(Table, frozen=True, kw_only=True):
    """When an alert that fires again and again is held back until it is steady. One in an open incident stays there."""

    fires: Annotated[
        int,
        key("It flaps once it has fired so often within `within_minutes`.", least=2, most=50, unit="times", example=4),
    ] = 3
    within_minutes: Annotated[
        int, key("The time in which that is counted.", least=1, most=1440, unit="minutes", example=30)
    ] = 60
    settle_minutes: Annotated[
        int,
        key("It is steady once it has not changed for so long.", least=1, most=240, unit="minutes", example=15),
    ] = 10
    severities: Annotated[
        tuple[Level, ...],
        key(
            "Which severities are held back at all: what takes a service down isn't.",
            allowed="severities, [2, 3]",
            default="`[2, 3]`",
            example=[3],
        ),
    ] = (2, 3)


class InhibitTable(Table, frozen=True, kw_only=True):
    """One alert explains another, which then is held while the first fires in an open incident."""

    cause: Annotated[
        tuple[Condition, ...],
        key("Which alerts explain.", min_length=1, allowed=A_CONDITION, example=["name=rds-no-data"]),
    ]
    explains: Annotated[
        tuple[Condition, ...],
        key("Which alerts are explained.", min_length=1, allowed=A_CONDITION, example=["group=load-balancer"]),
    ]
    same: Annotated[
        tuple[Annotated[str, key("A label.", pattern=r"[A-Za-z_][A-Za-z0-9_.-]{0,127}", allowed="a label")], ...],
        key(
            "Labels that must be the same for both, and not empty.",
            allowed='labels, ["service"]',
            default="none",
            example=["service"],
        ),
    ] = ()


class RouteTable(Table, frozen=True, kw_only=True):
    """What alerts of a kind count as here. The first that matches holds."""

    match: Annotated[
        tuple[Condition, ...], key("Which alerts.", min_length=1, allowed=A_CONDITION, example=["name=*-cpu-high"])
    ]
    severity: (
        Annotated[int, key("The severity that they have.", least=1, most=3, default="the alert's own", example=3)]
        | None
    ) = None
    group: (
        Annotated[
            str,
            key(
                "The service or shared dependency with whose alerts they become one incident.",
                pattern=r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}",
                allowed="a name",
                default="the alert's own",
                example="payments",
            ),
        ]
        | None
    ) = None


class AlertsTable(Table, frozen=True, kw_only=True):
    """What becomes of an alert before anybody is paged: `omc alerts explain` shows it for one that came, and
    `omc alerts replay` what another file would have made of last month's."""

    group_window_minutes: Annotated[
        int,
        key(
            "An alert joins its group's open incident while one of its alerts fires, or has changed within so long.",
            least=1,
            most=1440,
            unit="minutes",
            example=30,
        ),
    ] = 60
    without_end_minutes: Annotated[
        int,
        key(
            "An alert whose source never says that it ended, such as a failed task, counts as ended after so long.",
            least=1,
            most=1440,
            unit="minutes",
            example=60,
        ),
    ] = 30
    old_news_minutes: Annotated[
        int,
        key(
            "What fired so long ago and has ended since is written down and pages nobody. What fires still is told, "
            "whatever its age. Half an hour is twice the time after which an incident is over by itself: whoever is "
            "called later finds nothing.",
            least=1,
            most=1440,
            unit="minutes",
            example=60,
        ),
    ] = 30
    unknown_severity: Annotated[
        int,
        key("The severity of an alert that says none, by its message or its tags.", least=1, most=3, example=3),
    ] = 2
    flapping: Annotated[FlappingTable, key("See below.", default="as below")] = field(default_factory=FlappingTable)
    inhibit: Annotated[tuple[InhibitTable, ...], key("See below.", default="none beside those of omc's catalogue")] = ()
    routes: Annotated[tuple[RouteTable, ...], key("See below.", default="none")] = ()


ALERTS = AlertsTable()
"""Where omc.toml says nothing."""
