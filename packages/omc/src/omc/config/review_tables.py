"""The table ``[review]`` of omc.toml: where the weekly review begins to speak, a section for each part. See
``omc.config.tables``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import field

from omc.config.fields import Table, key


class PerformanceTable(Table, frozen=True, kw_only=True):
    """From where on something is slow or nearly full: `omc check weekly performance`."""

    change_percent: Annotated[
        int,
        key(
            "A figure has changed since the week before if its daily median moved by so much, the same way in six days "
            "of seven.",
            least=5,
            most=500,
            unit="percent",
            example=40,
        ),
    ] = 25
    response_ms: Annotated[
        int,
        key(
            "A 95th percentile above this in an hour of some traffic is slow.",
            least=10,
            most=60_000,
            unit="milliseconds",
            example=500,
        ),
    ] = 1000
    connections_percent: Annotated[
        int,
        key("More of the database's connections than this are many.", least=10, most=100, unit="percent", example=70),
    ] = 80
    hit_rate_percent: Annotated[
        int,
        key(
            "A cache that answers less than this by itself is of little use.",
            least=1,
            most=100,
            unit="percent",
            example=90,
        ),
    ] = 80
    leave_out: Annotated[
        tuple[Annotated[Literal["plans", "tables"], key("What isn't looked at.")], ...],
        key(
            "What isn't looked at, since nothing is there that would tell of it: else it is unknown each time. `plans` "
            "needs auto_explain in the database's log, `tables` a connection by SQL.",
            allowed='some of "plans" and "tables"',
            default="none",
            example=["plans"],
        ),
    ] = ()


class ExpectedCostTable(Table, frozen=True, kw_only=True):
    """A rise that people know the reason of: until then the review doesn't warn of it."""

    match: Annotated[
        str,
        key(
            "A service or a usage type as Cost Explorer names it.",
            pattern=r".+",
            allowed='a name that may hold * and ?, such as "*NatGateway*"',
            example="*NatGateway*",
        ),
    ]
    reason: Annotated[str, key("Why it costs more.", pattern=r".+", example="prices are loaded again in December")]
    until: Annotated[
        datetime,
        key(
            "Until then.",
            tz=True,
            allowed="a date and time with its offset, 2027-01-04T00:00:00+11:00",
            example="2027-01-04T00:00:00+11:00",
        ),
    ]


class CostsTable(Table, frozen=True, kw_only=True):
    """What costs are looked at, and from where on: `omc check weekly costs`."""

    rise_percent: Annotated[
        int,
        key(
            "More than the week before by so much, without a known reason, is a warning.",
            least=1,
            most=1000,
            unit="percent",
            example=30,
        ),
    ] = 20
    least_usd: Annotated[
        float,
        key(
            "A rise of less than this in a week, or a day's anomaly of less, isn't told.",
            least=0,
            most=1_000_000,
            unit="USD",
            example=10,
        ),
    ] = 2.0
    least_saving_usd: Annotated[
        float,
        key(
            "What would spare less than this in a month isn't a warning.",
            least=0,
            most=1_000_000,
            unit="USD a month",
            example=20,
        ),
    ] = 5.0
    tag: (
        Annotated[
            str,
            key(
                "A cost allocation tag whose value is the environment's name, where several environments share an "
                "account; it must be activated in the billing console.",
                pattern=r".+",
                default="none: all that the account costs in the region counts",
                example="Environment",
            ),
        ]
        | None
    ) = None
    unused_days: Annotated[
        int,
        key(
            "A snapshot, secret or image that is older and unused for so long is told.",
            least=1,
            most=3650,
            unit="days",
            example=180,
        ),
    ] = 90
    support_days: Annotated[
        int,
        key(
            "The end of an engine's standard support is told so long before.",
            least=0,
            most=1095,
            unit="days",
            example=365,
        ),
    ] = 180
    expected: Annotated[tuple[ExpectedCostTable, ...], key("See below.", default="none")] = ()


class SecurityTable(Table, frozen=True, kw_only=True):
    """What is too old, too open or too often: `omc check weekly security`."""

    certificate_days: Annotated[
        int,
        key(
            "A certificate that ends within so many days is told. ACM begins to renew its own 60 days before.",
            least=1,
            most=365,
            unit="days",
            example=30,
        ),
    ] = 45
    certificate_urgent_days: Annotated[
        int,
        key("Within so many it is a failure; at most `certificate_days`.", least=0, most=365, unit="days", example=7),
    ] = 14
    key_days: Annotated[
        int,
        key(
            "A user's access key that is older and in use is a failure. The CIS AWS Foundations Benchmark has 90.",
            least=1,
            most=3650,
            unit="days",
            example=30,
        ),
    ] = 90
    key_unused_days: Annotated[
        int,
        key(
            "An access key that wasn't used for so long is to be disabled. The same benchmark has 45.",
            least=1,
            most=3650,
            unit="days",
            example=30,
        ),
    ] = 45
    secret_days: Annotated[
        int, key("A secret that wasn't changed for so long is told.", least=1, most=3650, unit="days", example=180)
    ] = 365
    failed_logins: Annotated[
        int,
        key(
            "So many failed logins of one user are more than a mistyped password.",
            least=1,
            most=1000,
            unit="logins",
            example=10,
        ),
    ] = 5
    denied_reads: Annotated[
        int,
        key(
            "So many refused reads of one caller are told; of refused changes one is.",
            least=1,
            most=10_000,
            unit="calls",
            example=20,
        ),
    ] = 5
    open_ports: Annotated[
        tuple[Annotated[int, key("A port.", least=0, most=65_535)], ...],
        key(
            "Ports that a load balancer may have open to the world.",
            allowed="a list of numbers from 0 to 65535, [80, 443]",
            example=[443],
        ),
    ] = (80, 443)
    known_sources: Annotated[
        tuple[
            Annotated[
                str,
                key(
                    "A network.",
                    pattern=r"[0-9a-fA-F:.]+(?:/[0-9]{1,3})?",
                    allowed="addresses or networks, 203.0.113.0/24",
                ),
            ],
            ...,
        ],
        key(
            "Networks that calls may come from though a caller never used them: an office, a VPN.",
            allowed='a list such as ["203.0.113.0/24"]',
            default="none",
            example=["203.0.113.0/24"],
        ),
    ] = ()


class ReviewTable(Table, frozen=True, kw_only=True):
    """From where on the weekly review speaks."""

    performance: Annotated[PerformanceTable, key("See below.", default="as below")] = field(
        default_factory=PerformanceTable
    )
    costs: Annotated[CostsTable, key("See below.", default="as below")] = field(default_factory=CostsTable)
    security: Annotated[SecurityTable, key("See below.", default="as below")] = field(default_factory=SecurityTable)


REVIEW = ReviewTable()
"""Where omc.toml says nothing."""
