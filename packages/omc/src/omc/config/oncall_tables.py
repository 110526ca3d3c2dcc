"""The tables of rotas in omc.toml. See ``omc.config.tables``."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from msgspec import field

from omc.config.fields import A_ZONE, ClockTime, Table, key

_PERSON = r"[a-z][a-z0-9-]{0,31}"
_DAY, _CLOCK = "(?:mon|tue|wed|thu|fri|sat|sun)", "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
HOURS = rf"{_DAY}(?:-{_DAY})? {_CLOCK}-{_CLOCK}|{_DAY} {_CLOCK}-{_DAY} {_CLOCK}"
WEEKLY_TIME = rf"{_DAY} {_CLOCK}"
TURN = r"daily|weekly|monthly|[1-9][0-9]{0,3}[hdw]"
TELL = rf"changes|{_CLOCK}"
CHANNEL = r"#[^\s]+"
AHEAD = r"[1-9][0-9]{0,4}[mhd]"


class LayerTable(Table, frozen=True, kw_only=True):
    """People in turns. Of several layers the later one wins wherever it has somebody; those of the same `level` are on
    call together.

    A turn is handed over at the same local time all year. A local time that a clock change leaves out is the moment of
    the change; one that comes twice is the first of the two. `omc oncall gaps` names both.
    """

    name: (
        Annotated[
            str,
            key(
                "What it is called.",
                pattern=_PERSON,
                allowed="small letters, digits and hyphens",
                default="its number",
                example="nights",
            ),
        ]
        | None
    ) = None
    people: Annotated[
        tuple[
            Annotated[
                str,
                key(
                    "Whose turn it is: one of [people], several who are on call together, or nobody.",
                    pattern=rf"{_PERSON}(?:\+{_PERSON})*",
                    allowed='a name of [people], several as in "jo+kim", or nobody',
                ),
            ],
            ...,
        ],
        key(
            "Whose turns they are, in their order.",
            min_length=1,
            allowed='names of [people] such as ["jo", "bob", "kim+ann"]; "nobody" for a turn without',
            example=["jo", "bob"],
        ),
    ]
    turn: Annotated[
        str,
        key(
            "How long a turn is, on the wall clock. A monthly one begins on the day of the month of `start`, or on the "
            "last where a month has no such day.",
            pattern=TURN,
            allowed="daily, weekly, monthly, or a number of hours, days or weeks such as 12h, 3d or 2w",
            default='`"weekly"`',
            example="2w",
        ),
    ] = "weekly"
    start: Annotated[
        date,
        key(
            "The day of the first hand-over, to the first of `people`.",
            allowed="a date, 2026-12-07",
            example="2026-12-07",
        ),
    ]
    hand_over: Annotated[
        ClockTime, key("The local time of each hand-over.", default='`"09:00"`', example="08:30:00")
    ] = field(default_factory=lambda: ClockTime(9))
    hours: Annotated[
        tuple[
            Annotated[
                str,
                key(
                    "A stretch of the week.",
                    pattern=HOURS,
                    allowed='as in "mon-fri 09:00-17:00", "sat 22:00-06:00" or "fri 17:00-mon 09:00"',
                ),
            ],
            ...,
        ],
        key(
            "It counts only then, in local time; an end before its begin is on the next day. Turns go on outside.",
            allowed='a list such as ["mon-fri 09:00-17:00", "fri 17:00-mon 09:00"]',
            default="always",
            example=["mon-fri 09:00-17:00"],
        ),
    ] = ()
    level: (
        Annotated[
            int,
            key("The highest level that has somebody is on call.", least=0, most=99, default="its number", example=1),
        ]
        | None
    ) = None
    until: (
        Annotated[
            datetime,
            key(
                "It no longer counts from then on.",
                tz=True,
                allowed="a date and time with its offset, 2027-01-04T00:00:00+11:00",
                default="for ever",
                example="2027-01-04T00:00:00+11:00",
            ),
        ]
        | None
    ) = None


class RotaTable(Table, frozen=True, kw_only=True):
    """Who is on call, in turns. Overrides (`omc oncall override`, `take`, `cover`) are kept in omc's record on top of
    it, and so are rotas that were imported; a rota that stands here is this one.
    """

    time_zone: (
        Annotated[
            str,
            key(
                "The zone of its hand-overs and hours.",
                pattern=r".+",
                allowed=A_ZONE,
                default="the stack's",
                example="Europe/Dublin",
            ),
        ]
        | None
    ) = None
    editors: Annotated[
        tuple[
            Annotated[str, key("One of [people].", pattern=_PERSON, allowed='a name of [people], as in ["jo"]')], ...
        ],
        key(
            "Who may override it. A shift can always be taken or covered by the two whom it concerns.",
            allowed='names of [people], ["jo"]',
            default="anybody who may write to the record",
            example=["jo", "bob"],
        ),
    ] = ()
    remind: Annotated[
        tuple[
            Annotated[
                str,
                key("So long before a shift.", pattern=AHEAD, allowed='minutes, hours or days, as in ["24h", "30m"]'),
            ],
            ...,
        ],
        key(
            "When people are reminded of a shift to come.",
            allowed='a list such as ["24h", "30m"]; an empty one for never',
            default='`["24h"]`',
            example=["2d", "1h"],
        ),
    ] = ("24h",)
    summary: (
        Annotated[
            str,
            key(
                "When those who hand over and take over get the week's summary, in its time zone.",
                pattern=WEEKLY_TIME,
                allowed='a time of the week such as "mon 09:00"',
                default="the first layer's weekday and time of hand-over",
                example="mon 09:00",
            ),
        ]
        | None
    ) = None
    channel: (
        Annotated[
            str,
            key(
                "A Slack channel that is told who is on call.",
                pattern=CHANNEL,
                allowed='a channel such as "#on-call"',
                default="none",
                example="#on-call",
            ),
        ]
        | None
    ) = None
    tell: Annotated[
        tuple[
            Annotated[str, key("At each change, or at a time of day.", pattern=TELL, allowed='changes, or "09:00"')],
            ...,
        ],
        key(
            "When that channel is told: at each change of who is on call, at local times of each day, or both.",
            min_length=1,
            allowed='["changes"], times of day such as ["09:00"], or both',
            default='`["changes"]`',
            example=["09:00", "17:00"],
        ),
    ] = ("changes",)
    layers: Annotated[tuple[LayerTable, ...], key("See below.", min_length=1)]
