"""AWS's call about how long the major versions are supported."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final

from localcloud.core import paging
from localcloud.core.registry import Answer, Call, operation
from localcloud.services.rds.model import VERSIONS

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

STANDARD_SUPPORT: Final = {
    "13": (date(2021, 2, 24), date(2026, 2, 28)),
    "14": (date(2022, 2, 3), date(2027, 2, 28)),
    "15": (date(2023, 2, 27), date(2028, 2, 29)),
    "16": (date(2024, 1, 23), date(2029, 2, 28)),
    "17": (date(2024, 11, 21), date(2030, 2, 28)),
    "18": (date(2025, 11, 14), date(2031, 2, 28)),
}
"""First and last day of RDS standard support of a major version of PostgreSQL; extended support follows for three
years. From RDS's release calendar as the author knew it in 2026; could not be looked up."""
EXTENDED_YEARS: Final = 3


def kms_key(cloud: Cloud, requested: str | None, service: str) -> str:
    """The ARN of a key as RDS shows it."""
    if requested and requested.startswith("arn:"):
        return requested
    prefix = cloud.settings.arn("kms", "")
    return prefix + (f"key/{requested}" if requested else f"alias/aws/{service}")


@operation("rds", "DescribeDBMajorEngineVersions")
def describe_major_engine_versions(cloud: Cloud, call: Call) -> Answer:
    """Each major version with the days of both kinds of support, the newest first."""
    params = call.params
    found = [
        {"Engine": engine, "MajorEngineVersion": major, "SupportedEngineLifecycles": _lifecycles(first, last)}
        for engine, versions in VERSIONS.items()
        for major, (first, last) in sorted(STANDARD_SUPPORT.items(), reverse=True)
        if major in versions
        and params.get("MajorEngineVersion") in (None, major)
        and params.get("Engine") in (None, engine)
    ]
    return paging.marked(found, params, "DBMajorEngineVersions")


def _lifecycles(first: date, last: date) -> list[dict[str, Any]]:
    begins = last + timedelta(days=1)
    ends = begins.replace(year=begins.year + EXTENDED_YEARS) - timedelta(days=1)
    return [
        {
            "LifecycleSupportName": f"open-source-rds-{name}-support",
            "LifecycleSupportStartDate": datetime.combine(start, time(), UTC),
            "LifecycleSupportEndDate": datetime.combine(end, time(23, 59, 59), UTC),
        }
        for name, start, end in (("standard", first, last), ("extended", begins, ends))
    ]
