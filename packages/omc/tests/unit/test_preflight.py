"""One list of preconditions for every command: each row broken by itself, and asked of each verb's own planner.

What a plan then says is held against the table, so neither can be changed without the other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import time, timedelta, timezone
from runpy import run_path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omc.config import load
from omc.config.model import Freeze
from omc.config.windows import MaintenanceWindow
from omc.errors import Refused, WrongUse
from omc.facts.active_run import ActiveRun
from omc.facts.alarms import Alarm, Alarms
from omc.facts.cache_group import CacheTypes
from omc.facts.collector import dependencies
from omc.facts.connections import Connections
from omc.facts.database_options import BlueGreen
from omc.facts.definitions import Definitions
from omc.facts.deployed_images import DeployedImages
from omc.facts.deployments import History
from omc.facts.images import WantedImages
from omc.facts.incidents import OpenIncidents
from omc.facts.infrastructure import DeletionProtection, SavedPlan
from omc.facts.pending import Pending
from omc.facts.quotas import Quotas
from omc.facts.registered import Registered
from omc.facts.requirements import CandidateNeeds, Requirements
from omc.facts.scaling import ScalableTarget, Scaling
from omc.facts.services import EcsService, Services
from omc.facts.standing_images import StandingImages
from omc.facts.subnets import Subnet, Subnets
from omc.facts.temporary import Temporary
from omc.facts.terraform_json import changes
from omc.incidents.events import IncidentEvent, Opened
from omc.incidents.model import from_first_event
from omc.infrastructure.planned_change import PlannedChange
from omc.model.events import Event
from omc.model.maintenance import MaintenanceRequest
from omc.model.plan import Plan
from omc.model.releases import ReleasedService
from omc.model.requests import (
    BackupRestoreRequest,
    BackupVerifyRequest,
    CacheScaleRequest,
    DatabaseUpgradeRequest,
    DeployRequest,
    PruneRequest,
    RollbackRequest,
)
from omc.model.requests import MigrateRequest as Migrate
from omc.model.requests import RestartRequest as Restart
from omc.model.requests import ScaleRequest as Scale
from omc.procedures.catalogue import PLANNERS, planner
from omc.procedures.preconditions.data import RECENT_BACKUP
from omc.procedures.preconditions.images import MIGRATION, NAMED, NOT_ROLLED_BACK, PROCESSOR, SCHEMA, VERIFIED
from omc.procedures.preconditions.services import KEEPS_TASKS, rollout_of
from omc.procedures.preconditions.situation import Objection, Situation
from omc.procedures.preconditions.table import VERBS, Answer, Precondition, Verb, cells
from omc.procedures.preconditions.tasks import CONNECTIONS, IMAGES
from omc.procedures.preflight import TABLE, examine
from support import release_facts as example

B = "ohmycoins-backend"
OLD, NOW = example.definition("backend", 7, "a"), example.definition("backend", 8, "b")
FRONTEND = example.definition("frontend", 3, "a")
SECRETS = ("arn:aws:secretsmanager:a:1:secret:key-AbCdEf", "arn:aws:secretsmanager:a:1:secret:rds!db-1-AbCdEf")
FILE = PlannedChange("/checkout", "/checkout/.omc", "ohmycoins", "/checkout/.omc/plans/5.tfplan", "5" * 64)
WHY = "it must be"


def backend(**more: Any) -> EcsService:
    service = example.service("backend", 8)
    first = {name: more.pop(name) for name in ("rollout", "rollout_reason") if name in more}
    return replace(service, deployments=(replace(service.deployments[0], **first),), **more)


def services(**more: Any) -> Services:
    return Services((backend(**more), example.service("frontend", 3)))


def terraform(
    actions: list[str],
    before: Any,
    after: Any,
    address: str = 'module.stack.module.service["backend"].aws_ecs_service.this',
) -> SavedPlan:
    change = {
        "address": address,
        "mode": "managed",
        "type": address.split(".")[-2],
        "change": {"actions": actions, "before": before, "after": after},
    }
    return SavedPlan("5" * 64, "staging", 7, "l", "", changes([change]), (), (), 1, {}, {}, (), 7, "l")


BIGGER_DATABASE = terraform(
    ["update"],
    {"instance_class": "db.t4g.micro"},
    {"instance_class": "db.t4g.small", "apply_immediately": True},
    "aws_db_instance.this",
)
SERVICE = {"name": "backend", "health_check_grace_period_seconds": 60}
ASKED: Mapping[Verb, Any] = {
    Verb.DEPLOY: DeployRequest({"backend": example.digest("c")}),
    Verb.ROLLBACK: RollbackRequest(["backend"]),
    Verb.STOP: RollbackRequest(["backend"]),
    Verb.RESTART: Restart(["backend"]),
    Verb.OUT: Scale("backend", 3),
    Verb.IN: Scale("backend", minimum=0, maximum=9),
    Verb.MIGRATE: Migrate(["backend"]),
    Verb.APPLY: FILE,
    Verb.DESTROY: FILE,
    Verb.PRUNE: PruneRequest(),
    Verb.BACKUP: BackupVerifyRequest(),
    Verb.RESTORE: BackupRestoreRequest("one"),
    Verb.DATABASE: DatabaseUpgradeRequest("17.7"),
    Verb.CACHE: CacheScaleRequest("cache.t4g.small"),
    Verb.MAINTENANCE: MaintenanceRequest("A", "2100-01-02T16:00+00:00", "2100-01-02T18:00+00:00", [{"title": "b"}]),
}
HAS_NO_OVERRIDE = (Verb.PRUNE, Verb.BACKUP)
PROCEDURE: Mapping[Verb, str] = {verb: name for name, verbs in VERBS.items() for verb in verbs}
WELL: Mapping[str, Any] = example.facts() | {
    "services": services(),
    "definitions": Definitions({"backend": NOW, "frontend": FRONTEND}, {}, {"backend": example.migration("a")}),
    "images": WantedImages({"backend": example.wanted("c")}),
    "history": History(
        {
            "backend": (example.deployed(f"{B}:8", 1), example.deployed(f"{B}:7", 24)),
            "frontend": (example.deployed("ohmycoins-frontend:3", 24),),
        }
    ),
    "ledger": example.ledger(),
    "found": example.candidates(OLD, NOW, FRONTEND),
    "needs": CandidateNeeds({}),
    "registered": Registered({"backend": (f"{B}:1", f"{B}:8")}, frozenset()),
    "plan": terraform(["update"], SERVICE, SERVICE | {"health_check_grace_period_seconds": 90}),
    "pending": Pending(()),
    "temporary": Temporary(),
    "protection": DeletionProtection(()),
    "backups": example.backups(),
    "running": example.running_version(),
    "blue_green": BlueGreen(logical_replication="1"),
    "cache": example.cache(),
    "types": CacheTypes(up=("cache.t4g.small",)),
}


@dataclass(frozen=True)
class Broken:
    """One precondition that doesn't hold."""

    message: str
    """What a plan then says, as a pattern."""
    facts: Mapping[str, Any]
    requests: Mapping[Verb, Any] = field(default_factory=dict)
    """What is asked for instead, where it only shows then."""


def incident(severity: int) -> OpenIncidents:
    event: IncidentEvent = Event(example.NOW - timedelta(hours=1), "ann", Opened(severity, "Users can't log in"))
    return OpenIncidents((from_first_event("staging", 3, event),))


def window(*, required: bool) -> MaintenanceWindow:
    at = example.NOW + timedelta(days=1)
    zone = example.NOW.tzinfo
    assert isinstance(zone, timezone)
    return MaintenanceWindow(f"{at:%A}".lower(), time(2), time(4), zone, "UTC", required=required)


def there_were(*deployments: Any) -> History:
    return History({"backend": deployments, "frontend": WELL["history"].of["frontend"]})


FIRING = Alarms(
    (Alarm("ohmycoins-staging-backend-unhealthy", "arn:a", "metric", "ALARM", example.NOW, "high", acts=True,
           suppressed_by=""),)
)  # fmt: skip
FREEZE = Freeze(example.NOW - timedelta(days=1), example.NOW + timedelta(days=1), "holidays")
RUN = "staging is being changed already: 0vqk3m7x (Deploy backend) by bob is not at its end. Take it over with: omc …"
OLD_IMAGE = {
    name: ReleasedService(f"ohmycoins-{name}:{revision}", {name: example.pinned(name, letter)})
    for name, revision, letter in (("backend", 7, "c"), ("frontend", 3, "a"))
}
DEPLOYED_AGAIN = there_were(example.deployed(f"{B}:8", 1), example.deployed(f"{B}:9", 3), example.deployed(f"{B}:8", 5))
INACTIVE = Definitions(
    {"backend": replace(NOW, status="INACTIVE"), "frontend": FRONTEND},
    {},
    {"backend": replace(example.migration("a"), status="INACTIVE")},
)
NO_SECRETS = dict.fromkeys(SECRETS, "The secret x does not exist.")
GONE = {example.pinned("backend", letter): "The image x is no longer in the registry." for letter in "abc"}
ARM = replace(example.wanted("c").image, architectures=("arm64",))  # type: ignore[type-var]  # it has an image

UNNOTICED = {Verb.DATABASE: DatabaseUpgradeRequest("18.1"), Verb.CACHE: CacheScaleRequest(replicas=2)}
"""Of what interrupts users otherwise."""

BROKEN: Mapping[str, Broken] = {
    "no other run of omc is active in the environment": Broken(
        "is being changed already: 0vqk3m7x", {"active": ActiveRun(RUN)}
    ),
    "no SEV-1 or SEV-2 incident is open": Broken("is open: until it is resolved", {"incidents": incident(1)}),
    "no lesser incident is open": Broken(r"Incident 3 \(SEV-3.*is open\.", {"incidents": incident(3)}),
    "the environment is not frozen": Broken(
        "staging is frozen until", {"environment": example.environment(freezes=(FREEZE,))}
    ),
    "a maintenance window is open, where changes must wait for one": Broken(
        "in a maintenance window only",
        {"environment": example.environment(windows=(window(required=True),))},
        UNNOTICED,
    ),
    "a maintenance window is open, where that is only preferred": Broken(
        "No maintenance window is open",
        {"environment": example.environment(windows=(window(required=False),))},
        UNNOTICED,
    ),
    "a maintenance window is open, where the change interrupts what users do": Broken(
        "That is for a maintenance window",
        {"environment": example.environment(windows=(window(required=False),)), "plan": BIGGER_DATABASE},
    ),
    "the service exists and is ACTIVE": Broken(
        "There is no service backend in the cluster",
        {"services": Services((example.service("frontend", 3),), ("backend",))},
    ),
    "the service is of a kind that omc knows": Broken(
        "backend runs on EC2", {"services": services(launch={"launchType": "EC2"})}
    ),
    "the service is not scaled to zero": Broken("backend is scaled to zero", {"services": services(desired=0)}),
    KEEPS_TASKS: Broken(
        "serves nobody, and this is production",
        {
            "environment": replace(load(example.ROOT / "omc.toml").environments["production"], freezes=()),
            "plan": replace(WELL["plan"], root="production"),
        },
        {Verb.IN: Scale("backend", 0)},
    ),
    "no deployment of the service is in progress": Broken(
        f"A deployment of {B}:8 to backend is in progress", {"services": services(rollout="IN_PROGRESS")}
    ),
    "the last deployment of the service did not fail": Broken(
        rf"The last deployment of backend, of {B}:8, failed \(tasks failed to start\)",
        {"services": services(rollout="FAILED", rollout_reason="tasks failed to start.")},
    ),
    "ECS says which deployments the service has": Broken(
        "Whether backend is being deployed is not known",
        {"services": Services((replace(backend(), deployments=()), example.service("frontend", 3)))},
    ),
    "all tasks that are wanted run": Broken("Only 1 of 2 tasks of backend run", {"services": services(running=1)}),
    "ECS gives up by itself on a deployment that fails": Broken(
        "backend has no circuit breaker", {"services": services(breaker=False)}
    ),
    "the revision that runs is registered": Broken(
        "is INACTIVE: somebody deregistered it, and ECS no longer accepts it", {"definitions": INACTIVE}
    ),
    NAMED: Broken(
        "lets tags be moved",
        {"images": WantedImages({"backend": example.wanted("c", requested="build-1", tags_move=True)})},
    ),
    PROCESSOR: Broken("built for arm64", {"images": WantedImages({"backend": example.wanted("c", image=ARM)})}),
    NOT_ROLLED_BACK: Broken(
        "That image of backend.* was rolled back from|was rolled back from before",
        {
            "history": DEPLOYED_AGAIN,
            "deployed": DeployedImages({f"{B}:9": {"backend": example.pinned("backend", "c")}}),
            "found": example.candidates(OLD, NOW, example.definition("backend", 9, "c"), FRONTEND),
        },
        {Verb.ROLLBACK: RollbackRequest(["backend"], to="9")},
    ),
    VERIFIED: Broken(
        "was never verified in this environment",
        {"found": example.candidates(OLD, NOW, example.definition("backend", 5, "c"), FRONTEND)},
        {Verb.ROLLBACK: RollbackRequest(["backend"], to="5")},
    ),
    SCHEMA: Broken(
        "made for schema 3",
        {
            "ledger": example.ledger(
                example.release(1, 24, 7, 3, schema=3, services=OLD_IMAGE),
                example.release(2, 1, 8, 3, schema=5, schema_floor=4),
            )
        },
    ),
    MIGRATION: Broken(
        "no task definition ohmycoins-migrate-backend",
        {"definitions": Definitions({"backend": NOW, "frontend": FRONTEND}, {})},
    ),
    IMAGES: Broken(
        "no longer in the registry",
        {"current": StandingImages(GONE), "found": example.candidates(OLD, NOW, FRONTEND, gone=("a", "b"))},
    ),
    "the secrets, parameters, log groups and roles of new tasks exist": Broken(
        "The secret x does not exist", {"requirements": Requirements(NO_SECRETS), "needs": CandidateNeeds(NO_SECRETS)}
    ),
    "the subnets have addresses for new tasks": Broken(
        r"addresses, and its subnets have 0 left", {"subnets": Subnets({"backend": (Subnet("subnet-a", "a", 0),)})}
    ),
    CONNECTIONS: Broken(
        "open.* database connections",
        {"connections": Connections(10, {"backend": 6})},
        {Verb.IN: Scale("backend", maximum=20)},
    ),
    "the database's limit of connections is known, and how many a task opens": Broken(
        "Not checked, whether the database has enough connections",
        {"connections": Connections(None, {"backend": 6}, "a formula")},
    ),
    "Fargate's quota has vCPUs for new tasks": Broken(
        "that Fargate gives this account", {"quotas": Quotas(1.0, {"backend": 0.25}, 1.0)}
    ),
    "the autoscaler is not about to change the count": Broken(
        "its autoscaler keeps 4 to 10", {"scaling": Scaling((ScalableTarget("backend", 4, 10, False, ()),))}
    ),
    "the autoscaler is not suspended": Broken(
        "The autoscaler of backend is suspended", {"scaling": Scaling((ScalableTarget("backend", 2, 10, True, ()),))}
    ),
    RECENT_BACKUP: Broken(
        "There is no backup of ohmycoins-staging from the last day",
        {"backups": example.backups(snapshots=(example.snapshot("one", 25),), latest=None)},
    ),
    "no alarm fires": Broken("Alarm ohmycoins-staging-backend-unhealthy fires already", {"alarms": FIRING}),
    "ECS watches the service's deployment alarms": Broken("ECS will not roll backend back for any", {"alarms": FIRING}),
}


def planned(verb: Verb, facts: Mapping[str, Any] = WELL, request: Any = None, override: str = "") -> Plan:
    """The verb's plan, by the planner of its command."""
    request = request or ASKED[verb]
    if override:
        request = replace(request, override=override)
    there = {**WELL, **facts}
    if verb is Verb.STOP:
        of = there["history"].of
        stopped = (example.deployed(f"{B}:9", 0, "IN_PROGRESS"), *of["backend"])
        there["history"] = History({**of, "backend": stopped})
    if verb is Verb.DESTROY:
        there["plan"] = replace(terraform(["delete"], SERVICE, None), root=there["plan"].root)
    return example.planned(PROCEDURE[verb], request, **there)


def answer(verb: Verb, broken: Broken) -> Answer:
    """What the verb's plan makes of it."""
    try:
        plan = planned(verb, broken.facts, broken.requests.get(verb))
        refusals, notes = plan.refusals, plan.notes
    except Refused as error:
        refusals, notes = (error.message,), ()
    if messages := [each for each in refusals if re.search(broken.message, each)]:
        return Answer.OVERRIDE if all("--override" in each for each in messages) else Answer.REFUSE
    return Answer.NOTE if any(re.search(broken.message, note) for note in notes) else Answer.SKIP


@pytest.mark.parametrize("verb", Verb)
@pytest.mark.parametrize("row", TABLE, ids=[row.holds for row in TABLE])
def test_each_command_answers_each_broken_precondition_as_the_table_says(row: Precondition, verb: Verb) -> None:
    assert answer(verb, BROKEN[row.holds]) is row.cells[verb].answer


@pytest.mark.parametrize("verb", Verb)
def test_where_everything_holds_nothing_is_refused(verb: Verb) -> None:
    plan = planned(verb)
    assert plan.refusals == ()
    assert not [note for note in plan.notes for broken in BROKEN.values() if re.search(broken.message, note)]


def test_the_table_has_a_column_for_every_command_and_no_row_without_a_story() -> None:
    assert set(VERBS) == set(PLANNERS)
    assert [verb for verbs in VERBS.values() for verb in verbs] != []
    assert {verb for verbs in VERBS.values() for verb in verbs} == set(Verb)
    assert [row.holds for row in TABLE] == list(dict.fromkeys(row.holds for row in TABLE))
    assert {row.holds for row in TABLE} == set(BROKEN)


@pytest.mark.parametrize("row", TABLE, ids=[row.holds for row in TABLE])
def test_what_a_row_rests_on_is_read_by_each_command_that_it_means_something_to(row: Precondition) -> None:
    for verb, cell in row.cells.items():
        if cell.answer is not Answer.SKIP:
            assert set(row.reads) & set(dependencies(planner(PROCEDURE[verb])).values()), (row.holds, verb)


def test_the_documentation_has_the_table_as_it_is() -> None:
    written = run_path(str(example.ROOT / "scripts" / "preflight_table.py"))
    text = (example.ROOT / "docs" / "preflight.md").read_text()
    assert text == written["page"](text), "run: python scripts/preflight_table.py"


def test_what_does_not_apply_says_why() -> None:
    assert [(row.holds, verb) for row in TABLE for verb, cell in row.cells.items()
            if cell.answer is Answer.SKIP and not cell.why] == []  # fmt: skip


def test_a_row_names_each_verb_once() -> None:
    skip = TABLE[0].cells[Verb.DEPLOY]
    with pytest.raises(ValueError, match="each verb once"):
        cells({(Verb.DEPLOY,): skip})
    with pytest.raises(ValueError, match="each verb once"):
        cells({tuple(Verb): skip, (Verb.DEPLOY,): skip})


def test_a_command_can_not_bring_what_is_no_row_of_its_own() -> None:
    now = Situation(environment=WELL["environment"], scope=example.SCOPE)
    with pytest.raises(KeyError, match="no rows of restart"):
        examine(Verb.RESTART, now, own={NAMED: [Objection("A tag.")]})


# -- properties ------------------------------------------------------------------------------------------------------

INCIDENT = (
    "no SEV-1 or SEV-2 incident is open",
    "no lesser incident is open",
    "the environment is not frozen",
    "the last deployment of the service did not fail",
    "all tasks that are wanted run",
    "no alarm fires",
    "the database's limit of connections is known, and how many a task opens",
)
"""What an incident is, or comes with."""
HANDS = (Verb.ROLLBACK, Verb.STOP, Verb.RESTART, Verb.OUT, Verb.IN)
"""What one does in it."""


def together(rows: set[str]) -> dict[str, Any]:
    """The facts of several broken rows; of two that break the same fact, one."""
    return {name: fact for row in sorted(rows) for name, fact in BROKEN[row].facts.items()}


@settings(max_examples=60, deadline=None)
@given(st.sets(st.sampled_from(INCIDENT)), st.sampled_from(HANDS))
def test_what_one_does_in_an_incident_is_never_refused_for_the_incident(rows: set[str], verb: Verb) -> None:
    assert planned(verb, together(rows)).refusals == ()


@settings(max_examples=150, deadline=None)
@given(st.sets(st.sampled_from(sorted(BROKEN))), st.sampled_from(list(Verb)))
def test_a_reason_overrides_what_may_be_overridden_and_nothing_else(rows: set[str], verb: Verb) -> None:
    facts = together(rows)
    request = next((BROKEN[row].requests[verb] for row in sorted(rows) if verb in BROKEN[row].requests), None)
    try:
        plain = planned(verb, facts, request)
    except Refused as refused:
        if verb not in HAS_NO_OVERRIDE:
            with pytest.raises(Refused, match=re.escape(refused.message)):
                planned(verb, facts, request, override=WHY)
        return
    if verb in HAS_NO_OVERRIDE:
        assert not any("--override" in refusal for refusal in plain.refusals)
        return
    forced = planned(verb, facts, request, override=WHY)
    assert forced.refusals == tuple(each for each in plain.refusals if "--override" not in each)
    overridden = [note for note in forced.notes if note.startswith(f"Overridden ({WHY}): ")]
    assert len(overridden) == len(plain.refusals) - len(forced.refusals)
    assert forced.steps == plain.steps
    assert not overridden or forced.hash != plain.hash  # an approval is for the plan with its reason


# -- deployments in progress, and failed ones ------------------------------------------------------------------------

PRIMARY = example.service("backend", 8).deployments[0]
BEFORE = replace(PRIMARY, id="ecs-svc/0", status="ACTIVE", task_definition=f"{B}:7", running=1)


@pytest.mark.parametrize(
    ("deployments", "history", "under_way", "failed"),
    [
        ((PRIMARY,), (), "", False),
        ((), (), "", False),
        ((PRIMARY, BEFORE), (), "", False),  # the old ones drain
        ((replace(PRIMARY, rollout="IN_PROGRESS"),), (), f"{B}:8", False),
        ((replace(PRIMARY, rollout="IN_PROGRESS"), BEFORE), (), f"{B}:8", False),
        ((BEFORE, replace(PRIMARY, rollout="IN_PROGRESS")), (), f"{B}:8", False),
        ((replace(PRIMARY, rollout="FAILED"),), (), "", True),
        ((replace(PRIMARY, rollout="FAILED"), BEFORE), (), "", True),
        ((BEFORE, replace(PRIMARY, rollout="FAILED")), (), "", True),
        ((replace(PRIMARY, rollout="FAILED"), replace(BEFORE, rollout="IN_PROGRESS")), (), "", True),
        ((replace(PRIMARY, rollout=None),), (), "", False),
        ((replace(PRIMARY, rollout=None), BEFORE), (), f"{B}:8", False),
        ((replace(PRIMARY, rollout=None), replace(BEFORE, running=0)), (), "", False),
        ((PRIMARY,), (example.deployed(f"{B}:9", 0, "PENDING"),), f"{B}:9", False),
        ((PRIMARY,), (example.deployed(f"{B}:9", 0, "ROLLBACK_IN_PROGRESS"),), f"{B}:9", False),
        ((PRIMARY,), (example.deployed(f"{B}:9", 0, "ROLLBACK_FAILED"),), "", False),
        ((PRIMARY,), (example.deployed(f"{B}:9", 0), example.deployed(f"{B}:8", 1, "PENDING")), "", False),
    ],
)
def test_a_deployment_is_in_progress_or_failed_and_never_both(
    deployments: Any, history: Any, under_way: str, failed: bool
) -> None:
    found = rollout_of(replace(backend(), deployments=deployments), History({"backend": history}))
    assert (found.under_way, found.failed is not None) == (under_way, failed)


# -- a service that isn't there --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (
            Services((example.service("frontend", 3),), ("backend",)),
            "There is no service backend in the cluster ohmycoins-staging; of those in omc.toml it has frontend. "
            "Create it: omc infra apply --env staging",
        ),
        (
            Services((), ("backend", "frontend")),
            "There is no service backend in the cluster ohmycoins-staging; it has none of those in omc.toml. "
            "Create it: omc infra apply --env staging",
        ),
        (
            Services((), ("backend", "frontend"), cluster_missing=True),
            "There is no service backend: the cluster ohmycoins-staging does not exist.",
        ),
        (
            Services((backend(status="INACTIVE"),)),
            "There is no service backend in the cluster ohmycoins-staging any more: it was deleted (INACTIVE).",
        ),
        (
            Services((backend(status="DRAINING"),)),
            "The service backend in the cluster ohmycoins-staging is being deleted (DRAINING).",
        ),
    ],
)
@pytest.mark.parametrize("verb", [Verb.DEPLOY, *HANDS, Verb.MIGRATE])
def test_each_command_says_in_one_sentence_that_a_service_is_not_there(
    verb: Verb, known: Services, expected: str
) -> None:
    with pytest.raises(Refused) as refused:
        planned(verb, {"services": known})
    assert refused.value.message == expected


@pytest.mark.parametrize(
    ("verb", "requested"),
    [
        (Verb.DEPLOY, DeployRequest({"bakcend": "image"})),
        (Verb.DEPLOY, DeployRequest(force_new=["bakcend"])),
        (Verb.ROLLBACK, RollbackRequest(["bakcend"])),
        (Verb.STOP, RollbackRequest(["bakcend"])),
        (Verb.RESTART, Restart(["frontend", "bakcend"])),
        (Verb.RESTART, Restart(["all", "bakcend"])),
        (Verb.OUT, Scale("bakcend", 3)),
        (Verb.MIGRATE, Migrate(["bakcend"])),
    ],
)
def test_a_name_that_omc_toml_does_not_have_is_wrong_use_with_what_was_meant(verb: Verb, requested: Any) -> None:
    with pytest.raises(WrongUse) as wrong:
        planned(verb, request=requested)
    assert wrong.value.message == (
        'staging has no service "bakcend"; it has backend, frontend. Did you mean "backend"?'
    )
