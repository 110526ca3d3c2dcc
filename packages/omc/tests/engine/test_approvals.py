"""Who may let what begin: the policy as a table, and each way in which a yes doesn't count."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from omc.config import load
from omc.config.model import ApprovalPolicy
from omc.engine import approvals, journal, planning
from omc.engine.actors import Actor, of_caller
from omc.engine.approvals import BreakGlass
from omc.engine.execution import NotApproved, execute
from omc.engine.github import ExternalApproval
from omc.engine.runner import NullReporter
from omc.engine.transitions import State
from omc.errors import OmcError, Refused, WrongUse
from omc.facts.account import Caller
from omc.incidents.events import Merged, Payload, Reopened, Resolved, SeverityChanged
from omc.model.plan import Plan, Risk, Step
from omc.procedures import catalogue
from omc.store import incidents
from omc.store.location import StoreLocation
from omc.store.models import AuditEvent
from omc.store.opened import Store
from support.commands import CommandResult
from support.engine_world import World, opened_at
from support.waiting import eventually

ALICE, BOB, CAROL = Actor("alice"), Actor("bob"), Actor("carol")
ENVIRONMENTS = load(Path(__file__).parents[4] / "omc.toml").environments
GLASS = BreakGlass("nobody can log in and I am alone", 1)


def plan(risk: str, environment: str = "production") -> Plan:
    step = Step("one", "fake.set", {"key": "one", "value": 1}, "Set one")
    return Plan("fake", environment, {"values": {"one": 1}}, "Set one", Risk(risk), (step,))


def policy(environment: str) -> ApprovalPolicy:
    return ENVIRONMENTS[environment].approvals


@pytest.mark.parametrize(
    ("environment", "risk", "people"),
    [
        ("local", "low", 0),
        ("local", "high", 0),
        ("local", "destructive", 0),
        ("staging", "low", 0),
        ("staging", "high", 0),
        ("staging", "destructive", 2),
        ("production", "low", 0),
        ("production", "high", 1),
        ("production", "destructive", 2),
    ],
)
def test_so_many_other_people_have_to_say_yes(store: Store, environment: str, risk: str, people: int) -> None:
    run = journal.create(store, plan(risk, environment), ALICE, policy(environment))
    provided = 0
    for person in (BOB, CAROL):
        if run.state == State.AWAITING:
            run = approvals.approve(store, run.id, person, policy(environment))
            provided += 1
    assert (provided, run.state) == (people, State.READY)


@pytest.mark.parametrize(
    ("risk", "who", "glass", "expected"),
    [
        ("high", BOB, None, None),
        ("high", ALICE, None, "can't approve it too"),
        ("high", ALICE, GLASS, None),
        ("high", ALICE, replace(GLASS, reason="because"), "needs a reason"),
        ("destructive", ALICE, GLASS, "allows no break-glass"),
    ],
)
def test_what_counts(store: Store, risk: str, who: Actor, glass: BreakGlass | None, expected: str | None) -> None:
    incidents.open_incident(store, "production", 1, "Users can't log in", "alice")
    run = journal.create(store, plan(risk), ALICE, policy("production"))
    if expected is None:
        assert approvals.approve(store, run.id, who, policy("production"), break_glass=glass).state == State.READY
    else:
        with pytest.raises(OmcError, match=expected):
            approvals.approve(store, run.id, who, policy("production"), break_glass=glass)


def test_break_glass_only_in_a_sev_1_that_is_open_in_the_runs_environment(store: Store) -> None:
    incidents.open_incident(store, "staging", 1, "Users can't log in", "alice")
    run = journal.create(store, plan("high"), ALICE, policy("production"))
    opening = r'Open it: omc incident open --env production --severity 1 "what users suffer"$'

    def refused(match: str) -> None:
        with pytest.raises(Refused, match=match):
            approvals.approve(store, run.id, ALICE, policy("production"), break_glass=GLASS)

    refused(f"there is no incident 1 of production. {opening}")
    incidents.open_incident(store, "production", 2, "Users can't log in", "alice")
    refused(rf"is a SEV-2\. Ask for an approval: omc approve {run.id}\. .* omc incident severity 1 1 --env production$")
    incidents.add(store, "production", 1, SeverityChanged(1), "alice")
    incidents.add(store, "production", 1, Resolved("it went away"), "alice")
    refused(r"incident 1 of production is resolved\. Is it another\? omc incident open --env production")
    incidents.open_incident(store, "production", 1, "Again", "alice")
    again = replace(GLASS, incident=2)
    assert approvals.approve(store, run.id, ALICE, policy("production"), break_glass=again).state == State.READY
    with store.reading() as session:
        [provided] = approvals.valid_approvals(session, run, store.now())
        [event] = session.scalars(select(AuditEvent).where(AuditEvent.kind == "approval.break_glass"))
    assert (provided.incident, provided.break_glass) == ("2", GLASS.reason)
    assert json.loads(event.body)["details"] == {"severity": 1, "approvals_passed_over": 1}


def test_break_glass_only_where_the_policy_allows_it(store: Store) -> None:
    strict = replace(policy("production"), break_glass=False)
    run = journal.create(store, plan("high"), ALICE, strict)
    with pytest.raises(Refused, match="allows no break-glass"):
        approvals.approve(store, run.id, ALICE, strict, break_glass=GLASS)


def test_not_twice_by_the_same_person_and_only_for_this_plan(store: Store) -> None:
    run = journal.create(store, plan("destructive"), ALICE, policy("production"))
    with pytest.raises(Refused, match="has the hash"):
        approvals.approve(store, run.id, BOB, policy("production"), plan_hash="deadbeef00")
    assert (
        approvals.approve(store, run.id, BOB, policy("production"), plan_hash=run.plan_hash[:8]).state == State.AWAITING
    )
    with pytest.raises(Refused, match=r"has approved .* already"):
        approvals.approve(store, run.id, BOB, policy("production"))
    assert approvals.approve(store, run.id, CAROL, policy("production")).state == State.READY
    with pytest.raises(WrongUse, match="doesn't wait"):
        approvals.approve(store, run.id, CAROL, policy("production"))


def test_an_approval_expires_and_can_be_given_again(place: StoreLocation) -> None:
    now = [datetime(2026, 3, 1, 12, tzinfo=UTC)]
    with opened_at(place, lambda: now[0]) as store:
        run = journal.create(store, plan("destructive"), ALICE, policy("production"))
        approvals.approve(store, run.id, BOB, policy("production"))
        now[0] += timedelta(minutes=59)
        with pytest.raises(Refused, match="already"):
            approvals.approve(store, run.id, BOB, policy("production"))
        now[0] += timedelta(minutes=1)
        assert approvals.approve(store, run.id, CAROL, policy("production")).state == State.AWAITING
        assert approvals.approve(store, run.id, BOB, policy("production")).state == State.READY


def test_approvals_that_expire_before_it_begins_have_to_be_given_again(world: World) -> None:
    now = [datetime(2026, 3, 1, 12, tzinfo=UTC)]
    with opened_at(world.place, lambda: now[0]) as store:
        run = journal.create(store, plan("high"), ALICE, policy("production"))
        assert approvals.approve(store, run.id, BOB, policy("production")).state == State.READY
        now[0] += timedelta(minutes=60)
        site = planning.run_context(world.stack, world.stack.environments["production"], store, catalogue)
        with pytest.raises(NotApproved, match=f"omc approve {run.id}"):
            execute(site, run.id, "alice", NullReporter())
        assert approvals.ready_if_approved(store, run.id, "alice").state == State.AWAITING
    assert world.effects() == []


@pytest.mark.parametrize(
    "ended",
    [
        [Resolved("it went away")],
        [SeverityChanged(2)],
        [Merged(2)],
        [Resolved("it went away"), Reopened("it is back")],
        [SeverityChanged(2), SeverityChanged(1)],
    ],
)
def test_a_break_glass_lapses_with_its_sev_1_for_good(world: World, ended: list[Payload]) -> None:
    with opened_at(world.place, lambda: datetime.now(UTC)) as store:
        incidents.open_incident(store, "production", 1, "Users can't log in", "alice")
        run = journal.create(store, plan("high"), ALICE, policy("production"))
        assert approvals.approve(store, run.id, BOB, policy("production"), break_glass=GLASS).state == State.READY
        for each in ended:
            incidents.add(store, "production", 1, each, "alice")
        site = planning.run_context(world.stack, world.stack.environments["production"], store, catalogue)
        with pytest.raises(NotApproved, match=f"or the SEV-1 of its break-glass was resolved. .* omc approve {run.id}"):
            execute(site, run.id, "alice", NullReporter())
        assert approvals.ready_if_approved(store, run.id, "alice").state == State.AWAITING
        assert approvals.approve(store, run.id, BOB, policy("production")).state == State.READY
        with store.reading() as session:
            [provided] = approvals.valid_approvals(session, run, store.now())
    assert (provided.by, provided.break_glass, provided.incident) == ("bob", None, None)
    assert world.effects() == []


def test_approvals_given_elsewhere_are_recorded_with_their_proof(store: Store) -> None:
    run = journal.create(store, plan("high"), ALICE, policy("production"))
    with pytest.raises(Refused, match="can't approve"):
        approvals.record_given(store, run.id, [ExternalApproval("alice", "https://example.com/1")])
    approvals.record_given(store, run.id, [ExternalApproval("bob", "https://example.com/1")])
    assert approvals.ready_if_approved(store, run.id, "alice").state == State.READY


def test_an_approved_run_waits_while_another_is_active(store: Store) -> None:
    waiting = journal.create(store, plan("high"), ALICE, policy("production"))
    active = journal.create(store, plan("low"), ALICE, policy("production"))
    assert approvals.approve(store, waiting.id, BOB, policy("production")).state == State.AWAITING
    with pytest.raises(Refused, match=f"being changed already: {active.id}"):
        journal.create(store, plan("low"), ALICE, policy("production"))
    journal.cancel(store, active.id, "alice")
    assert approvals.ready_if_approved(store, waiting.id, "alice").state == State.READY


def in_arn(arn: str) -> Actor:
    return of_caller(Caller(arn, "123456789012", "AWSReservedSSO_" in arn))


@pytest.mark.parametrize(
    ("arn", "person"),
    [
        (
            "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Admin_0123456789abcdef/ann@example.com",
            "ann@example.com",
        ),
        ("arn:aws:sts::123456789012:assumed-role/deploy/botocore-session-1700000000", "role/deploy"),
        ("arn:aws:iam::123456789012:user/team/ann", "ann"),
        ("arn:aws:iam::123456789012:root", "arn:aws:iam::123456789012:root"),
    ],
)
def test_a_person_is_the_same_at_each_login(arn: str, person: str) -> None:
    assert in_arn(arn).name == person


def test_the_command_that_waits_goes_on_when_it_is_approved(world: World) -> None:
    arguments = ("fake", "--env", "production", "one=1", "--risk", "high", "--yes", "--confirm", "production")
    waiting = world.start(*arguments)
    run = eventually("the run is in the store", lambda: [each["run"] for each in world.runs()])[0]
    own = world.omc("approve", run)
    assert (own.returncode, own.stderr.count("\n")) == (1, 1)
    approved = world.omc("approve", run, who="bob")
    assert approved.returncode == 0, approved.stderr
    done = waiting.done()
    assert done.returncode == 0, done.stderr
    assert "GitHub user bob, confirmed" in world.omc("runs", "show", run).stdout
    assert world.proof().returncode == 0


def test_without_waiting_it_says_what_to_type_and_a_worker_performs_it(world: World) -> None:
    arguments = ("fake", "--env", "production", "one=1", "--risk", "high", "--yes", "--confirm", "production")
    done = world.omc(*arguments, "--no-wait", "--output", "json")
    run = done.json["run"]["run"]
    assert (done.returncode, done.json["exit_code"]) == (6, 6)
    assert f"omc approve {run}" in done.stderr
    glass = ("--break-glass", "users can't log in", "--incident", "1")
    assert world.omc("approve", run, *glass[:2]).returncode == 2
    refused = world.omc("approve", run, *glass)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "omc incident open --env production --severity 1" in refused.stderr
    opened = world.omc("incident", "open", "--env", "production", "--severity", "1", "Users can't log in")
    assert opened.stdout == "Incident 1 of production is open: SEV-1, Users can't log in\n"
    broken = world.omc("approve", run, *glass)
    assert broken.returncode == 0, broken.stderr
    assert (
        f"BREAK-GLASS: GitHub user alice, confirmed let {run} go ahead without its 1 approval in incident 1."
        in broken.stderr
    )
    worked = world.omc("worker", "--env", "production", "--once")
    assert worked.returncode == 0, worked.stderr
    shown: Any = world.omc("runs", "show", run, "--output", "json").json
    assert shown["verdict"] == "succeeded"
    assert shown["approvals"][0]["incident"] == "1"
    assert "BREAK-GLASS by GitHub user alice, confirmed" in world.omc("runs", "show", run).stdout
    assert world.proof().returncode == 0


def by(name: str, person: str = "") -> Actor:
    return Actor(name, None, f"somebody called {name}", person)


ALIASES = [
    (by("bob"), by("Bob")),
    (by("bob"), by("github:bob")),
    (by("github:Bob"), by("BOB")),
    (by("bob"), by("ｂｏｂ")),  # noqa: RUF001
    (by("bob"), by("bo\u200bb")),
    (by("jo@example.com"), by("Jo@Example.com")),
    (by("jo@example.com", "jo"), by("github:jo-gh", "jo")),
    (by("role/jo-breakglass", "jo"), by("jo.admin", "jo")),
    (by("role/deployer"), by("role/Deployer")),
    (in_arn("arn:aws:sts::123456789012:assumed-role/deploy/ann"), by("role/deploy")),
    (
        in_arn("arn:aws:sts::123456789012:assumed-role/deploy/botocore-session-1"),
        in_arn("arn:aws:sts::123456789012:assumed-role/deploy/i-0123456789abcdef0"),
    ),
    (in_arn("arn:aws:iam::123456789012:user/bob"), by("github:bob")),
]


@pytest.mark.parametrize(("one", "other"), [*ALIASES, *((other, one) for one, other in ALIASES)])
def test_one_person_is_one_approver_whatever_the_name(store: Store, one: Actor, other: Actor) -> None:
    own = journal.create(store, plan("high"), one, policy("production"))
    with pytest.raises(Refused, match="can't approve it too"):
        approvals.approve(store, own.id, other, policy("production"))
    with pytest.raises(Refused, match="can't approve it too"):
        approvals.record_given(
            store, own.id, [ExternalApproval(other.name, "https://example.com/1", other.words, other.person)]
        )
    run = journal.create(store, plan("destructive"), CAROL, policy("production"))
    assert approvals.approve(store, run.id, one, policy("production")).state == State.AWAITING
    with pytest.raises(Refused, match=r"has approved .* already.*wants 2 different people"):
        approvals.approve(store, run.id, other, policy("production"))
    assert approvals.approve(store, run.id, by("dave"), policy("production")).state == State.READY


def test_who_cannot_be_told_for_certain_approves_nothing(store: Store) -> None:
    run = journal.create(store, plan("high"), ALICE, policy("production"))
    uncertain = Actor("github:bob", None, "GitHub user bob, not confirmed", is_certain=False)
    with pytest.raises(Refused, match="omc can't tell who this is: GitHub user bob, not confirmed"):
        approvals.approve(store, run.id, uncertain, policy("production"))


def test_in_a_job_nothing_changes_without_a_review_or_a_shared_record(world: World) -> None:
    def change(**env: str) -> CommandResult:
        return world.omc("fake", "--env", "staging", "one=1", "--yes", "--confirm", "staging", **env)

    file = world.stack.file
    requested = file.read_text()
    file.write_text(requested.replace("github_review = false", "github_review = true"))
    refused = change()
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "Nobody other than alice approved this job's deployment to staging on GitHub" in refused.stderr
    unknown = change(GITHUB_TOKEN="")
    assert (unknown.returncode, unknown.stderr.count("\n")) == (3, 1)
    file.write_text(requested)
    fleeting = change(OMC_STORE_URL="")
    assert (fleeting.returncode, fleeting.stderr.count("\n")) == (1, 1)
    assert "gone with this job" in fleeting.stderr
    for wrong in (
        world.omc("incident", "open", "--env", "staging", "--severity", "1", "Users can't log in", OMC_STORE_URL=""),
        world.omc("worker", "--env", "staging", "--once", OMC_STORE_URL=""),
    ):
        assert (wrong.returncode, wrong.stderr.count("\n")) == (1, 1)
    assert world.effects() == []
    assert world.runs() == []
    assert change().returncode == 0
