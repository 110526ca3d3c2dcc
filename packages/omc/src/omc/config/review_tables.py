"""The table ``[review]`` of omc.toml: where the weekly review begins to speak, a section for each part. See
``omc.config.tables``."""

from __future__ import annotations

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


class ReviewTable(Table, frozen=True, kw_only=True):
    """From where on the weekly review speaks."""

    performance: Annotated[PerformanceTable, key("See below.", default="as below")] = field(
        default_factory=PerformanceTable
    )


REVIEW = ReviewTable()
"""Where omc.toml says nothing."""
