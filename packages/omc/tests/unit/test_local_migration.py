"""When the database of a local cloud is migrated: as soon as the services stand, and again where that was too early."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from omc.config.load import load
from omc.local import migration
from omc.local.cloud import LocalCloudError
from support.commands import ROOT


def made(kind: str, arn: str) -> Mapping[str, Any]:
    """What ``terraform apply -json`` prints of a resource that stands."""
    return {"type": "apply_complete", "hook": {"resource": {"resource_type": kind}, "id_key": "id", "id_value": arn}}


BACKEND = made("aws_ecs_service", "arn:aws:ecs:ap-southeast-2:100000000000:service/ohmycoins-staging/backend")
FRONTEND = made("aws_ecs_service", "arn:aws:ecs:ap-southeast-2:100000000000:service/ohmycoins-staging/frontend")
ROLE = made("aws_iam_role", "backend")


@pytest.mark.parametrize(
    ("events", "fails", "runs"),
    [
        ([FRONTEND, ROLE, BACKEND], 0, 1),
        ([BACKEND, BACKEND], 0, 1),
        ([ROLE, FRONTEND], 0, 1),  # nothing made the service: it stood before
        ([], 0, 1),
        ([BACKEND], 1, 2),
    ],
)
def test_it_runs_once_and_again_only_where_it_was_too_early(
    events: list[Mapping[str, Any]], fails: int, runs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []

    def migrate(environment: Any) -> None:
        begun.append(environment.name)
        if len(begun) <= fails:
            raise LocalCloudError("its role may not read the secret yet")

    monkeypatch.setattr(migration, "migrate", migrate)
    with migration.EarlyMigration(load(ROOT / "omc.toml").environments["local"]) as early:
        for event in events:
            early.note(event)
        early.finish()
    assert begun == ["local"] * runs


def test_one_that_fails_again_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def migrate(environment: Any) -> None:
        raise LocalCloudError("no table")

    monkeypatch.setattr(migration, "migrate", migrate)
    with migration.EarlyMigration(load(ROOT / "omc.toml").environments["local"]) as early:
        early.note(BACKEND)
        with pytest.raises(LocalCloudError, match="no table"):
            early.finish()
