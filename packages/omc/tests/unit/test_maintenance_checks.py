"""What figures, records and plans mean to a maintenance, over plain values."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from omc.config.maintenance_tables import MaintenanceTable
from omc.errors import WrongUse
from omc.maintenance.checks import (
    PastRun,
    change_of,
    done_before,
    images_in,
    outline_of,
    stale,
    unknown,
    verified_backup,
    way_back,
    worse,
)
from omc.maintenance.definition import from_text, request_of
from omc.maintenance.figures import Figures
from omc.model.backups import Verification, Verified
from omc.model.maintenance import MaintenanceStep
from omc.model.plan import Plan, Risk, Step

NOW = datetime(2026, 11, 28, 16, tzinfo=UTC)
LIMITS = MaintenanceTable()
WELL = Figures(NOW - timedelta(hours=1), NOW, 6000, 0.5, 0.2, {"backend": 2}, {"backend": 2}, ("slow",))
AFTER = replace(WELL, begin=NOW, end=NOW + timedelta(minutes=3), requests=300)

SLOW = "The slowest 5 % of answers take 0.60 s or more, and 0.20 s before: above 0.50 s."


@pytest.mark.parametrize(
    ("now", "says"),
    [
        (AFTER, []),
        (replace(AFTER, error_percent=2.5), []),
        (replace(AFTER, error_percent=2.6), ["2.6 % of answers are 5xx, and 0.5 % before: more than 2 points worse."]),
        (replace(AFTER, error_percent=90, requests=3), []),  # too few to say anything
        (replace(AFTER, p95_seconds=0.5), []),  # 2.5 times slower, and quick still
        (
            replace(AFTER, p95_seconds=0.6),
            ["The slowest 5 % of answers take 0.60 s or more, and 0.20 s before: above 0.50 s."],
        ),
        (replace(AFTER, p95_seconds=None), []),
        (replace(AFTER, running={"backend": 1}), ["backend runs 1 of 2 tasks."]),
        (replace(AFTER, firing=("slow", "errors")), ["errors fires since the baseline was taken."]),
        (replace(AFTER, firing=("a", "b")), ["a, b fire since the baseline was taken."]),
    ],
)
def test_what_is_worse_than_before_is_said_with_both_figures(now: Figures, says: list[str]) -> None:
    assert list(worse(WELL, now, LIMITS, 20)) == says


@pytest.mark.parametrize(
    ("before", "requests", "floor", "says"),
    [
        (WELL, 0, 20, "0 answers in 3 min are fewer than thresholds.requests_floor"),
        (WELL, 19, 20, "19 answers in 3 min"),
        (WELL, 20, 20, ""),
        (WELL, 0, 0, ""),  # no traffic is expected, so none is missed
        (replace(WELL, requests=0), 500, 20, "The baseline has 0 answers"),
        (None, 500, 20, ""),  # a person signed that there is none
    ],
)
def test_figures_without_traffic_are_unknown_and_not_as_before(
    before: Figures | None, requests: float, floor: float, says: str
) -> None:
    found = unknown(before, replace(AFTER, requests=requests), floor)
    assert says in found
    assert bool(says) == bool(found)


def test_figures_of_no_answers_dont_read_as_good_ones() -> None:
    assert replace(AFTER, requests=0).sentence.startswith("Nobody asked for anything, so error rate")


def roll(digest: str) -> Step:
    arguments: dict[str, Any] = {"service": "backend", "task_definition": "b:7", "digests": {"app": digest}}
    return Step("roll", "ecs.roll_service", arguments, "Roll")


def test_a_deployment_is_the_same_by_the_images_it_leads_to_whatever_they_are_called() -> None:
    one = MaintenanceStep("Deploy", "deploy", {"images": {"backend": "here/app:1"}}, images={"backend/app": "sha256:a"})
    ran = PastRun("0vqk3m7x", "deploy", {"images": {"backend": "there/app:2"}}, "succeeded", NOW)
    days = timedelta(days=14)
    assert done_before([one], [replace(ran, images={"backend/app": "sha256:a"})], "staging", NOW, days).holds
    same_tag = replace(ran, request=one.request, images={"backend/app": "sha256:b"})
    assert not done_before([one], [same_tag], "staging", NOW, days).holds, "a tag moves"
    restart = replace(RESTART, images={"backend/app": "sha256:a"})
    restarted = PastRun("0vqk3m7x", "restart", restart.request, "succeeded", NOW, {"backend/app": "sha256:b"})
    assert done_before([restart], [restarted], "staging", NOW, days).holds, "a restart changes no image"


def test_a_step_that_would_lead_to_other_images_than_those_approved_is_stale() -> None:
    plan = Plan("deploy", "production", {}, "Deploy", Risk.LOW, (roll("sha256:" + "a" * 64),))
    approved = MaintenanceStep("Deploy", "deploy", outline=outline_of(plan), images=images_in(plan))
    assert stale(approved, plan) == ""
    other = replace(plan, steps=(roll("sha256:" + "b" * 64),))
    assert "would now put sha256:bbbbbbbbbbbb on backend/app, and sha256:aaaaaaaaaaaa" in stale(approved, other)


def test_without_a_baseline_only_what_needs_none_counts() -> None:
    now = replace(AFTER, error_percent=1.0, p95_seconds=9.0, running={})
    assert worse(None, now, LIMITS, 20) == ("backend runs 0 of 2 tasks.", "slow fires since the baseline was taken.")


RESTART = MaintenanceStep("Restart backend", "restart", {"services": ["backend"], "override": ""}, outline=("a b",))
LOOK = MaintenanceStep("Look at it", undo="nothing to undo")


def run(request: dict[str, object], verdict: str = "succeeded", days: float = 1) -> PastRun:
    return PastRun("0vqk3m7x", "restart", request, verdict, NOW - timedelta(days=days))


@pytest.mark.parametrize(
    ("runs", "holds"),
    [
        ([], False),
        ([run({"services": ["backend"]})], True),
        ([run({"services": ["backend"], "override": "a reason of staging's own"})], True),
        ([run({"services": ["frontend"]})], False),
        ([run({"services": ["backend"]}, "failed")], False),
        ([run({"services": ["backend"]}, days=15)], False),
    ],
)
def test_the_same_in_staging_is_the_same_procedure_and_request_that_succeeded_lately(
    runs: list[PastRun], holds: bool
) -> None:
    found = done_before([RESTART, LOOK], runs, "staging", NOW, timedelta(days=14))
    assert found.holds is holds
    assert ("by run 0vqk3m7x" in found.sentence) is holds


def test_a_change_is_the_same_whatever_reason_was_given_for_it() -> None:
    assert change_of("deploy", {"images": {"a": "b"}, "override": "x"}) == change_of("deploy", {"images": {"a": "b"}})
    assert change_of("deploy", {"images": {"a": "b"}}) != change_of("deploy", {"images": {"a": "c"}})
    assert change_of("deploy", {}) != change_of("restart", {})


def test_a_step_of_high_risk_or_a_person_s_needs_a_way_back() -> None:
    assert way_back([RESTART, LOOK], {}).holds
    migrate = MaintenanceStep("Migrate", "migrate", risk="high")
    assert way_back([RESTART, migrate], {}).sentence == (
        "The way back isn't there for step 2 (Migrate): nothing takes it back, and its file gives no undo."
    )
    assert way_back([replace(migrate, undo="restore the snapshot")], {}).holds
    assert not way_back([MaintenanceStep("Turn it off")], {}).holds
    assert not way_back([RESTART], {1: "No release was verified here."}).holds


def test_a_backup_counts_once_it_was_verified_lately() -> None:
    taken = NOW - timedelta(hours=5.5)
    found = Verified("0vqk3m7x", "snapshot one", taken, sound=True, compared=True, judged=(), tables=4, rows=9,
                     recovery_seconds=None, recovery_point_seconds=None)  # fmt: skip
    known = Verification(NOW - timedelta(hours=5), found)
    most = timedelta(hours=6)
    assert verified_backup([known], NOW, most).sentence == (
        "The snapshot one was found sound 300 min ago by the run 0vqk3m7x."
    )
    assert not verified_backup([known], NOW, timedelta(hours=4)).holds
    for other in (
        replace(found, sound=False),
        replace(found, compared=False),
        replace(found, taken_at=None),
        replace(found, taken_at=NOW - timedelta(days=30)),  # it is sound, and has nothing of the last month
    ):
        assert not verified_backup([replace(known, found=other)], NOW, most).holds


def test_a_backup_that_takes_long_to_verify_counts_where_the_maintenance_took_it() -> None:
    begin = NOW - timedelta(hours=9)
    found = Verified("0vqk3m7x", "snapshot one", begin, sound=True, compared=True, judged=(), tables=4, rows=9,
                     recovery_seconds=None, recovery_point_seconds=None)  # fmt: skip
    known = [Verification(NOW, found)]
    assert not verified_backup(known, NOW, timedelta(hours=6)).holds
    assert verified_backup(known, NOW, timedelta(hours=6), begin).holds


def test_a_plan_is_stale_where_it_does_something_else_or_risks_more() -> None:
    plan = Plan("restart", "production", {}, "Restart", Risk.LOW, (Step("b", "a", {}, "Restart"),))
    assert stale(RESTART, plan) == ""
    assert "its risk is high now" in stale(RESTART, replace(plan, risk=Risk.HIGH))
    assert "something else (nothing)" in stale(RESTART, replace(plan, steps=()))
    assert stale(replace(RESTART, risk="destructive"), replace(plan, risk=Risk.HIGH)) == ""


def test_a_rollback_goes_back_to_what_was_approved_and_nowhere_else() -> None:
    to = {name: Step("back", "ecs.roll_service", {}, "Back", after=f"shop:{name}") for name in ("7", "8")}
    plans = {name: Plan("rollback", "local", {}, "Back", Risk.LOW, (each,)) for name, each in to.items()}
    approved = MaintenanceStep("Back", "rollback", outline=outline_of(plans["7"]))
    assert stale(approved, plans["7"]) == ""
    assert "something else (ecs.roll_service back to shop:8)" in stale(approved, plans["8"])


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ('procedure = "infra-apply"\nplan = "nowhere.tfplan"', "there is no plan file nowhere.tfplan. Make it"),
        ('procedure = "deploy"\nplan = "x.tfplan"', "a plan, which is infra-apply's alone"),
        ('procedure = "infra-apply"\nplan = "x"\nrequest = { plan = "x" }', "without a request"),
        ('manual = "Look"\nplan = "x"', "a person's, and takes no request"),
    ],
)
def test_a_plan_file_is_a_step_of_infra_apply_alone(table: str, sentence: str) -> None:
    written = from_text(f'title = "x"\n[[step]]\n{table}\n')
    with pytest.raises(WrongUse, match=sentence):
        request_of(None, written, NOW, NOW, "")  # type: ignore[arg-type]  # nothing is planned
