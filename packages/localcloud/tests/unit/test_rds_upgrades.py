"""Which versions a database can become, as RDS takes and refuses it."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud.core.registry import AwsError
from localcloud.services.rds.api_offers import known_versions
from localcloud.services.rds.model import check_upgrade, engine_version, number_of

OWN, DEFAULT = "shop-postgres17", "default.postgres17"


def record(group: str = OWN) -> dict[str, Any]:
    return {"EngineVersion": "17.6", "DBParameterGroups": [{"DBParameterGroupName": group}]}


@pytest.mark.parametrize(
    ("version", "group", "params", "says"),
    [
        ("17.7", OWN, {}, ""),
        ("17.5", OWN, {}, "Cannot upgrade postgres from 17.6 to 17.5"),
        ("18.1", OWN, {}, "AllowMajorVersionUpgrade flag must be present"),
        ("18.1", OWN, {"AllowMajorVersionUpgrade": True}, "is not of the family postgres18"),
        ("18.1", OWN, {"AllowMajorVersionUpgrade": True, "DBParameterGroupName": "default.postgres18"}, ""),
        ("18.1", DEFAULT, {"AllowMajorVersionUpgrade": True}, ""),  # a default group goes along
    ],
)
def test_an_upgrade_is_taken_or_refused(version: str, group: str, params: dict[str, Any], says: str) -> None:
    if not says:
        check_upgrade(record(group), version, params)
        return
    with pytest.raises(AwsError, match=says) as refused:
        check_upgrade(record(group), version, params)
    assert refused.value.code == "InvalidParameterCombination"


def test_there_is_a_newer_minor_and_a_newer_major_version_than_the_default() -> None:
    default = engine_version(None)
    newer = [each for each in known_versions() if number_of(each) > number_of(default)]
    majors = {each.partition(".")[0] for each in newer}
    assert {default.partition(".")[0], "18"} == majors
    assert list(known_versions()) == sorted(known_versions(), key=number_of), "the oldest first"
