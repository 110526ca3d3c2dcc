"""Until when RDS supports the major versions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from localcloud.services.rds.api_support import describe_major_engine_versions
from localcloud.services.rds.model import VERSIONS


def asked(**params: Any) -> list[Any]:
    world: Any = None  # the handler looks at nothing of the cloud
    call: Any = SimpleNamespace(params=params)
    found: Any = describe_major_engine_versions(world, call)
    return list(found["DBMajorEngineVersions"])


def test_extended_support_follows_standard_support_for_three_years() -> None:
    [version] = asked(Engine="postgres", MajorEngineVersion="15")
    standard, extended = version["SupportedEngineLifecycles"]
    assert standard["LifecycleSupportEndDate"] + timedelta(seconds=1) == extended["LifecycleSupportStartDate"]
    assert extended["LifecycleSupportEndDate"] == datetime(2031, 2, 28, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize("params", [{"Engine": "mysql"}, {"MajorEngineVersion": "9"}])
def test_what_is_not_here_is_not_listed(params: dict[str, str]) -> None:
    assert asked(**params) == []


def test_every_version_that_can_be_made_has_its_dates() -> None:
    for engine, versions in VERSIONS.items():
        assert [one["MajorEngineVersion"] for one in asked(Engine=engine)] == sorted(versions, reverse=True)
    assert {one["Engine"] for one in asked()} == set(VERSIONS)
