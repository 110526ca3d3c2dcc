"""The table ``[review]`` of omc.toml: where the weekly review begins to speak, a section for each part. See
``omc.config.tables``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import field

from omc.config.fields import Table, key


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


class ReviewTable(Table, frozen=True, kw_only=True):
    """From where on the weekly review speaks."""

    costs: Annotated[CostsTable, key("See below.", default="as below")] = field(default_factory=CostsTable)


REVIEW = ReviewTable()
"""Where omc.toml says nothing."""
