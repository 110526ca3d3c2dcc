"""What the plans of `omc backup` do: what is restored where, what is removed whatever happens, and what never goes."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from omc.checks.backups import backups_verified
from omc.checks.finding import Level
from omc.config.backup_tables import BackupsTable
from omc.errors import NothingToDo, Refused
from omc.facts.backups import RestoredInstance
from omc.facts.verifications import RecordedVerifications, Verifications
from omc.model.backups import Judged, Verification, Verified
from omc.model.plan import Plan
from omc.model.requests import (
    BackupCreateRequest,
    BackupPruneRequest,
    BackupRestoreRequest,
    BackupSweepRequest,
    BackupVerifyRequest,
)
from omc.procedures.backup_inspection import COMMAND
from support import release_facts as example

FAMILY = "ohmycoins-migrate-backend"


def steps(plan: Plan) -> list[str]:
    return [each.name for each in plan.steps]


def arguments(plan: Plan) -> dict[str, Any]:
    """Of each step by its name."""
    return {each.name: each.arguments for each in plan.steps}


def plan(procedure: str, request: Any, **more: Any) -> Plan:
    return example.planned(
        procedure, request, **{"backups": example.backups(), "verifications": Verifications()} | more
    )


def verified(backup: str, hours_ago: float, *, sound: bool = True, compared: bool = True) -> Verification:
    judged = (Judged("rows", "fail", "public.prices", "The table public.prices is empty."),) if not sound else ()
    found = Verified("run", backup, None, sound, compared, judged, 4, 100, 60.0, 30.0)
    return Verification(example.NOW - timedelta(hours=hours_ago), found)


def test_a_verification_removes_what_it_restored_in_every_end() -> None:
    made = plan("backup-verify", BackupVerifyRequest())
    assert steps(made) == [
        *(
            "timer",
            "restore",
            "login",
            "register-ohmycoins-migrate-backend-backup",
            "inspect-restored",
            "inspect-source",
            "judge",
        ),
        *("remove", "deregister", "cancel"),
    ]
    known = {each.name: each for each in made.steps}
    assert known["timer"].arguments["procedure"] == "backup-sweep"
    restore, asked = known["restore"], arguments(made)["restore"]
    assert asked["snapshot"] == "one", "the newest"
    assert asked["settings"]["PubliclyAccessible"] is False
    assert asked["settings"]["BackupRetentionPeriod"] == 0
    assert asked["settings"]["VpcSecurityGroupIds"] == ["sg-1"]
    assert restore.undo is not None
    assert restore.undo.action == "rds.delete_instance"
    assert restore.undo.arguments == known["remove"].arguments
    assert made.risk.value == "low"
    assert made.undo_on_failure


def test_the_inspection_reads_each_row_of_the_restored_one_and_only_counts_the_source() -> None:
    known = arguments(plan("backup-verify", BackupVerifyRequest()))
    assert known["inspect-restored"]["environment"]["OMC_DEEP"] == "1"
    assert set(known["inspect-source"]["environment"]) == {"OMC_AS_OF"}
    assert sum(len(word) for word in COMMAND) < 7000, "ECS takes 8192 characters of overrides"
    [container] = known[f"register-{FAMILY}-backup"]["definition"]["containerDefinitions"]
    assert container["secrets"][0]["valueFrom"] == {"output_of": "login", "key": "reference"}
    assert known[f"register-{FAMILY}-backup"]["definition"]["family"] == "ohmycoins-migrate-backend-backup"


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (BackupVerifyRequest("two"), "has no snapshot two. The newest are: one, rds:"),
        (BackupVerifyRequest(at="2026-11-01T00:00:00+00:00"), "can't be restored: it must be from"),
        (BackupVerifyRequest(at="2026-11-23T11:59:00+00:00"), "can't be restored: it must be from"),
    ],
)
def test_what_cant_be_restored_is_refused(request_: BackupVerifyRequest, message: str) -> None:
    with pytest.raises(Refused, match=re.escape(message)):
        plan("backup-verify", request_)


def test_without_a_database_a_snapshot_or_a_migration_there_is_no_plan() -> None:
    with pytest.raises(Refused, match="no DB instance ohmycoins-staging"):
        plan("backup-create", BackupCreateRequest(), backups=example.backups(instance=None))
    with pytest.raises(Refused, match="no snapshot that could be restored"):
        plan("backup-verify", BackupVerifyRequest(), backups=example.backups(snapshots=()))
    creating = example.snapshot("new", 0, status="creating", progress=40)
    with pytest.raises(Refused, match=r"new is creating \(40 %\)"):
        plan("backup-verify", BackupVerifyRequest("new"), backups=example.backups(snapshots=(creating,)))
    with pytest.raises(Refused, match="keeps no automated backups"):
        plan("backup-verify", BackupVerifyRequest(at="latest"), backups=example.backups(latest=None))


def test_a_restore_keeps_the_old_instance_and_is_undone_by_its_name() -> None:
    made = plan("backup-restore", BackupRestoreRequest("one"))
    assert made.risk.value == "destructive"
    assert steps(made) == [
        *(
            "restore",
            "configure",
            "login",
            "register-ohmycoins-migrate-backend-restore",
            "inspect",
            "judge",
            "migrate",
            "deregister",
        ),
        *("rename-old", "rename-new", "restart-backend", "restart-frontend"),
    ]
    known = {each.name: each for each in made.steps}
    old = known["rename-old"]
    assert (old.before, old.after) == ("ohmycoins-staging", "ohmycoins-staging-before-abcdefgh")
    assert old.undo is not None
    assert (old.undo.arguments["before"], old.undo.arguments["after"]) == (old.after, old.before)
    assert arguments(made)["restore"]["settings"]["Tags"] == [{"Key": "Project", "Value": "ohmycoins"}]
    assert arguments(made)["configure"]["settings"]["MonitoringInterval"] == 60
    assert known["judge"].arguments.get("source") is None, "what is restored may have been destroyed in the source"
    assert any("terraform state rm" in note for note in made.notes)
    taken = example.backups(others=("ohmycoins-staging-before-abcdefgh",))
    assert "already" in plan("backup-restore", BackupRestoreRequest("one"), backups=taken).refusals[0]


def test_pruned_is_what_omc_made_and_is_old_and_never_the_last_sound_one_nor_an_automated_one() -> None:
    there = tuple(example.snapshot(f"s{number}", 24 * 40 + number) for number in range(5))
    foreign = example.snapshot("theirs", 24 * 90, tags={})
    automated = example.snapshot("rds:a", 24 * 90, kind="automated")
    young = example.snapshot("young", 1)
    known = example.backups(snapshots=(young, *there, foreign, automated))
    sound = Verifications((verified("snapshot s4", 1, sound=False), verified("snapshot s3", 500)))
    made = plan("backup-prune", BackupPruneRequest(keep=2, days=35), backups=known, verifications=sound)
    assert [each.arguments["snapshot"] for each in made.steps] == ["s1", "s2", "s4"]
    assert made.risk.value == "destructive"
    with pytest.raises(NothingToDo, match="each of the 6"):
        plan("backup-prune", BackupPruneRequest(keep=2, days=60), backups=known, verifications=sound)


def test_swept_up_is_what_a_verification_made_and_whose_time_is_over() -> None:
    def made(name: str, hours: float, purpose: str = "verification") -> RestoredInstance:
        return RestoredInstance(name, "available", purpose, "r1", example.NOW + timedelta(hours=hours))

    left = (made("old", -1), made("new", 1), made("for-good", -1, "restore"))
    swept = plan("backup-sweep", BackupSweepRequest(), backups=example.backups(restored=left))
    assert [(each.arguments["instance"], each.arguments["run"]) for each in swept.steps] == [("old", "r1")]
    with pytest.raises(NothingToDo):
        plan("backup-sweep", BackupSweepRequest())


@pytest.mark.parametrize(
    ("every", "known", "level", "words"),
    [
        (None, (), Level.OK, "asks for no verification"),
        (7, (), Level.UNKNOWN, "No backup was ever verified"),
        (7, (verified("snapshot a", 24 * 3),), Level.OK, "found sound 3 d ago"),
        (7, (verified("snapshot a", 24 * 9),), Level.WARN, "That is done every 7 days"),
        (7, (verified("snapshot a", 24 * 16),), Level.FAIL, "found sound 16 d ago"),
        (7, (verified("snapshot b", 1, sound=False), verified("snapshot a", 24)), Level.FAIL, "isn't sound: The table"),
        (7, (verified("snapshot b", 1, compared=False), verified("snapshot a", 24 * 9)), Level.WARN, "snapshot a"),
    ],
)
def test_the_morning_check_says_when_a_backup_was_last_sound(
    every: int | None, known: tuple[Verification, ...], level: Level, words: str
) -> None:
    environment = replace(example.environment(), backups=BackupsTable(verify_every_days=every))
    [found] = backups_verified(RecordedVerifications(Verifications(known)), environment, example.SCOPE)
    assert found.level is level
    assert words in found.sentence
