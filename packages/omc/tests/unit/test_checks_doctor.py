"""The doctor's checks, from plain facts: each state of each, with what it comes to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from omc.checks import doctor_access as access
from omc.checks import doctor_questions as questions
from omc.checks import doctor_record as record
from omc.checks import doctor_stack as stack
from omc.checks.finding import Finding, Level
from omc.config import Environment
from omc.facts.account import AwsClock, Caller
from omc.facts.alarm_paths import AlarmPaths, Subscription
from omc.facts.alarms import Alarm, Alarms
from omc.facts.entrance import Certificate, Entrance
from omc.facts.exec_agents import ExecAgents, TaskAgent
from omc.facts.github import GitHubTrust, Protection, Repository, RoleTrust
from omc.facts.log_groups import OS_METRICS, LogGroup, LogGroups
from omc.facts.open_questions import DeploymentOrder, FlowLogDelivery, RunnerDocker, StartedByAnswer
from omc.facts.permissions import Decision, Permissions
from omc.facts.quotas import Quotas
from omc.facts.record_places import RecordBucket
from omc.facts.record_store import RecordStore, WorkerSeen
from omc.facts.scope import Scope
from omc.facts.services import EcsService, Services
from omc.facts.state_file import StateFile
from omc.facts.subnets import Subnet, Subnets
from omc.facts.tools import Tools
from support import release_facts as example

NOW = datetime(2026, 11, 29, 20, 0, tzinfo=UTC)
SCOPE = Scope(NOW)
OK, WARN, FAIL, UNKNOWN = Level.OK, Level.WARN, Level.FAIL, Level.UNKNOWN
STAGING = example.environment()
ROOT = "arn:aws:iam::123456789012:root"


def only(findings: Iterable[Finding], subject: str = "") -> Finding:
    """The one finding, or the one about ``subject``; each has evidence, and each that isn't ok says what to do."""
    found = list(findings)
    assert all(finding.evidence for finding in found)
    assert all(finding.procedure and finding.procedure.title for finding in found if finding.level is not OK)
    [one] = [finding for finding in found if not subject or finding.subject == subject]
    return one


# Who may do what


@pytest.mark.parametrize(
    ("arn", "level", "says"),
    [
        ("arn:aws:iam::123456789012:user/path/jo", OK, "caller is jo"),
        (
            "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Admin_0123456789abcdef/jo@example.com",
            OK,
            "caller is",
        ),
        ("arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_X_0123456789abcde0/jo", WARN, "but its path is /"),
        ("arn:aws:sts::123456789012:assumed-role/deployer/botocore-session-1", WARN, "role deployer"),
        ("arn:aws-us-gov:sts::123456789012:assumed-role/deployer/x", WARN, "doesn't identify a person"),
        ("arn:aws:sts::123456789012:federated-user/bob", WARN, "federated user"),
        (ROOT, FAIL, "root user"),
    ],
)
def test_identity(arn: str, level: Level, says: str) -> None:
    made = Caller(arn, "123456789012", "cdef/jo" in arn, "its path is /" if "cde0/jo" in arn else "")
    finding = only(access.identity(made, STAGING), "caller")
    assert (finding.level, says in finding.sentence) == (level, True), finding


def test_another_account_and_no_account() -> None:
    caller = Caller("arn:aws:iam::123456789012:user/jo", "123456789012")
    other = only(access.identity(caller, replace(STAGING, account="210987654321")))
    assert other.level is FAIL
    assert "123456789012" in other.sentence
    assert "210987654321" in other.sentence
    none = only(access.identity(caller, replace(STAGING, account=None, local_state=None)), "account")
    assert none.level is WARN
    assert "123456789012" in (none.procedure.title if none.procedure else "")


def decided(decision: str, *missing: str, **more: bool) -> Decision:
    return Decision("ecs:UpdateService", "arn:x", decision, missing, **more)


@pytest.mark.parametrize(
    ("decisions", "level", "says"),
    [
        ((decided("allowed"),), OK, "1 action"),
        ((decided("allowed"), decided("implicitDeny")), FAIL, "lacks ecs:UpdateService"),
        ((decided("explicitDeny"),), FAIL, "lacks ecs:UpdateService"),
        ((decided("explicitDeny", "aws:MultiFactorAuthPresent"),), FAIL, "lacks ecs:UpdateService"),
        ((decided("implicitDeny", "aws:MultiFactorAuthPresent"),), UNKNOWN, "aws:MultiFactorAuthPresent"),
        ((decided("implicitDeny", by_organisation=True),), FAIL, "lacks"),
        ((decided("implicitDeny", by_boundary=True),), FAIL, "lacks"),
        ((), UNKNOWN, "not answered"),
    ],
)
def test_permissions_of_a_command(decisions: tuple[Decision, ...], level: Level, says: str) -> None:
    finding = only(access.permissions(Permissions("arn:aws:iam::1:user/jo", {"deploy": decisions})))
    assert (finding.level, says in finding.sentence) == (level, True), finding
    assert finding.subject == "omc deploy"


def test_permissions_that_are_not_known_say_what_is_missing() -> None:
    denied = only(
        access.permissions(Permissions("x", {}, unknown="not allowed", missing_action="iam:SimulatePrincipalPolicy"))
    )
    assert (denied.level, denied.action) == (UNKNOWN, "iam:SimulatePrincipalPolicy")
    silent = Permissions("x", {"deploy": (decided("allowed"),)}, unanswered={"deploy": ("ecs:RunTask",)})
    assert only(access.permissions(silent)).level is UNKNOWN
    assert only(access.permissions(Permissions(ROOT, {"deploy": ()}, unrestricted=True))).level is OK


PROVIDER = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
IN_AWS = replace(STAGING, local_state=None, name="staging")
BY_NAME = "repo:owner/app:environment:staging"
WITH_IDS = "repo:owner@7/app@42:environment:staging"
NEW = Repository("owner/app", "owner/app", "", 42, 7, datetime(2026, 8, 1, tzinfo=UTC), "owner/app")
OLD = replace(NEW, created=datetime(2024, 1, 1, tzinfo=UTC))
UNASKED = Repository("owner/app", "", "owner/app", unknown="no token")


def role(*subjects: str, **more: Any) -> RoleTrust:
    return RoleTrust(
        "ohmycoins-staging-github-apply",
        subjects=subjects,
        **({"audiences": ("sts.amazonaws.com",), "providers": (PROVIDER,)} | more),
    )


@pytest.mark.parametrize(
    ("trusted", "repository", "level", "says"),
    [
        (role(BY_NAME, WITH_IDS), NEW, OK, "by name and by ID"),
        (role(WITH_IDS), NEW, OK, "by ID."),
        (role(BY_NAME), NEW, FAIL, "by name only"),
        (role(BY_NAME), OLD, UNKNOWN, "by name only, and it is unknown which form"),
        (role(WITH_IDS), OLD, UNKNOWN, "by ID only, and it is unknown which form"),
        (role("repo:owner@7/app@43:environment:staging"), NEW, FAIL, "other IDs"),
        (role("repo:owner@8/app@42:environment:staging", BY_NAME), NEW, FAIL, "other IDs"),
        (role(BY_NAME, WITH_IDS), UNASKED, OK, "if the IDs are right"),
        (role(BY_NAME), UNASKED, UNKNOWN, "it is unknown which"),
        (role(WITH_IDS), UNASKED, UNKNOWN, "it is unknown which"),
        (role("repo:owner/other:environment:staging"), UNASKED, FAIL, "no job of owner/app"),
        (role("repo:owner/app:environment:production"), NEW, FAIL, "no job of owner/app"),
        (role("repo:owner/app:ref:refs/heads/main"), NEW, FAIL, "no job of owner/app"),
        (role("repo:owner/application:environment:staging"), NEW, FAIL, "no job of owner/app"),
        (role(BY_NAME, WITH_IDS, patterns=("repo:owner/app:*",)), NEW, FAIL, "repo:owner/app:*"),
        (role(open=True), NEW, FAIL, "every repository on GitHub"),
        (role(BY_NAME, WITH_IDS, audiences=("https://github.com/owner",)), NEW, FAIL, "audience"),
        (role(BY_NAME, WITH_IDS, audiences=("sts.amazonaws.com.cn",)), NEW, OK, "by name and"),
        (role(BY_NAME, WITH_IDS, providers=("arn:other",)), NEW, FAIL, "account doesn't have"),
        (role(providers=()), NEW, FAIL, "doesn't trust GitHub"),
        (role(BY_NAME), Repository("", "", "", unknown="nothing names one"), UNKNOWN, "nothing names one"),
        (RoleTrust("ohmycoins-staging-github-apply", missing=True), NEW, FAIL, "does not exist"),
    ],
)
def test_oidc_trust(trusted: RoleTrust, repository: Repository, level: Level, says: str) -> None:
    finding = only(access.oidc_trust(GitHubTrust((trusted,), (PROVIDER,)), repository, IN_AWS))
    assert (finding.level, says in finding.sentence) == (level, True), finding


def test_omc_toml_and_the_checkout_may_name_two_repositories() -> None:
    two = replace(NEW, configured="owner/app", remote="fork/app")
    trust = GitHubTrust((role(BY_NAME, WITH_IDS),), (PROVIDER,))
    finding = only(access.oidc_trust(trust, two, IN_AWS), "repository")
    assert finding.level is WARN
    assert "fork/app" in finding.sentence


GOOD = Protection(reviewers=2, prevents_self_review=True, admins_bypass=False, restricts_branches=True)


@pytest.mark.parametrize(
    ("protection", "levels"),
    [
        (GOOD, (OK, OK, OK, OK)),
        (replace(GOOD, reviewers=0, prevents_self_review=None), (FAIL, OK, OK, OK)),
        (replace(GOOD, prevents_self_review=False), (OK, FAIL, OK, OK)),
        (replace(GOOD, prevents_self_review=None), (OK, UNKNOWN, OK, OK)),
        (replace(GOOD, admins_bypass=True), (OK, OK, WARN, OK)),
        (replace(GOOD, admins_bypass=None), (OK, OK, UNKNOWN, OK)),
        (replace(GOOD, restricts_branches=False), (OK, OK, OK, FAIL)),
        (replace(GOOD, restricts_branches=None), (OK, OK, OK, UNKNOWN)),
        (replace(GOOD, reviewers=None), (UNKNOWN, OK, OK, OK)),
        (Protection(missing=True), (FAIL,)),
        (Protection(unknown="no token"), (UNKNOWN,)),
    ],
)
def test_environment_protection(protection: Protection, levels: tuple[Level, ...]) -> None:
    found = list(access.environment_protection(protection, NEW, with_review(needed=True)))
    assert tuple(finding.level for finding in found) == levels


def with_review(*, needed: bool) -> Environment:
    return replace(IN_AWS, approvals=replace(IN_AWS.approvals, github_review=needed))


def test_a_review_that_omc_toml_does_not_want_is_no_failure() -> None:
    found = list(access.environment_protection(replace(GOOD, reviewers=0), NEW, with_review(needed=False)))
    assert [finding.level for finding in found] == [WARN, OK, OK, OK]


# omc's own ground

STORE = RecordStore("db:5432/omc", True, has_begun=True, sslmode="verify-full", schema="0004", newest_schema="0004")


@pytest.mark.parametrize(
    ("seen", "subject", "level"),
    [
        (STORE, "reachable", OK),
        (STORE, "shared", OK),
        (STORE, "TLS", OK),
        (replace(STORE, schema="0003"), "reachable", WARN),
        (replace(STORE, schema="0005"), "reachable", FAIL),
        (replace(STORE, has_begun=False), "reachable", WARN),
        (replace(STORE, shared=False), "shared", FAIL),
        (replace(STORE, sslmode=""), "TLS", WARN),
        (replace(STORE, sslmode="require"), "TLS", WARN),
        (replace(STORE, sslmode="verify-ca"), "TLS", WARN),
    ],
)
def test_store(seen: RecordStore, subject: str, level: Level) -> None:
    assert only(record.store(seen, IN_AWS), subject).level is level


def test_worker() -> None:
    gone = WorkerSeen("mars", 4711, "role/deployer", NOW - timedelta(days=1), is_alive=False)
    none = only(record.worker(replace(STORE, workers=(gone,)), IN_AWS, SCOPE))
    assert none.level is FAIL
    assert none.procedure
    assert none.procedure.command == "omc worker --env staging"
    alive = replace(gone, is_alive=True)
    assert only(record.worker(replace(STORE, workers=(gone, alive)), IN_AWS, SCOPE)).level is OK


@pytest.mark.parametrize(
    ("bucket", "levels"),
    [
        (RecordBucket(True, "b", object_lock=True, holds_heads=True), [OK, OK]),
        (RecordBucket(True, "b", object_lock=True), [OK, WARN]),
        (RecordBucket(True, "b", object_lock=False, holds_heads=True), [FAIL, OK]),
        (RecordBucket(True, "b", object_lock=None, holds_heads=True), [UNKNOWN, OK]),
        (RecordBucket(True, "b", missing=True), [FAIL]),
        (RecordBucket(wanted=False), [WARN]),
    ],
)
def test_record_kept_outside(bucket: RecordBucket, levels: list[Level]) -> None:
    assert [finding.level for finding in record.record_kept_outside(bucket, IN_AWS)] == levels


@pytest.mark.parametrize(
    ("ahead", "level", "says"),
    [
        (0.4, OK, "agrees"),
        (-5.0, OK, "agrees"),
        (5.1, WARN, "5 s ahead of"),
        (-59.0, WARN, "59 s behind"),
        (61.0, FAIL, "61 s ahead of"),
        (-400.0, FAIL, "400 s behind"),
        (None, UNKNOWN, "no time"),
    ],
)
def test_clocks(ahead: float | None, level: Level, says: str) -> None:
    for aws, ours, name in ((ahead, 0.0, "AWS's"), (0.0, ahead, "the store's")):
        finding = only(record.clocks(AwsClock(aws), replace(STORE, ahead_seconds=ours), IN_AWS), name)
        assert (finding.level, says in finding.sentence) == (level, True), finding


KEY = "arn:aws:kms:r:1:key/abc"
STATE = StateFile(
    "b", "staging/terraform.tfstate", written=NOW, encryption="aws:kms", kms_key=KEY, bucket_key=KEY, versions="Enabled"
)


@pytest.mark.parametrize(
    ("state", "subject", "level"),
    [
        (STATE, "state", OK),
        (STATE, "versions", OK),
        (STATE, "lock", OK),
        (replace(STATE, bucket_key="abc"), "state", OK),
        (replace(STATE, bucket_key="arn:aws:kms:r:1:alias/bootstrap"), "state", OK),
        (replace(STATE, kms_key="arn:aws:kms:r:1:key/other"), "state", FAIL),
        (replace(STATE, encryption="AES256"), "state", FAIL),
        (replace(STATE, encryption=None), "state", UNKNOWN),
        (replace(STATE, written=None), "state", FAIL),
        (replace(STATE, versions=""), "versions", FAIL),
        (replace(STATE, versions="Suspended"), "versions", FAIL),
        (replace(STATE, versions=None), "versions", UNKNOWN),
        (replace(STATE, locked=NOW - timedelta(days=2)), "lock", WARN),
        (StateFile("b", "k", bucket_missing=True), "bucket", FAIL),
    ],
)
def test_terraform_state(state: StateFile, subject: str, level: Level) -> None:
    assert only(record.terraform_state(state, SCOPE, IN_AWS), subject).level is level


def test_tools() -> None:
    found = list(record.tools(Tools(("jq", "git"), terraform_problem="Terraform isn't installed.")))
    assert [(one.subject, one.level) for one in found] == [
        ("terraform", FAIL),
        ("jq", WARN),
        ("git", WARN),
        ("aws, session-manager-plugin", OK),
    ]


# The stack

TOPIC = "arn:aws:sns:r:1:ohmycoins-staging-sev-1"
QUEUE = "arn:aws:sqs:r:1:alerts"
MAIL = Subscription("email", "jo@example.com", confirmed=True)


def alarm(name: str, *actions: str, acts: bool = True) -> Alarm:
    full = f"{STAGING.alarm_prefix}-{name}"
    return Alarm(full, "arn", "metric", "OK", NOW, "", acts and bool(actions), "", actions=actions)


@pytest.mark.parametrize(
    ("alarms", "levels"),
    [
        ((alarm("a", TOPIC), alarm("b", TOPIC)), [OK]),
        ((alarm("a", TOPIC), alarm("b")), [FAIL, OK]),
        ((alarm("a", TOPIC, acts=False), alarm("b", TOPIC)), [FAIL, OK]),
        ((alarm("a", TOPIC, acts=False), alarm("b")), [FAIL, FAIL]),
        ((), [FAIL]),
        ((replace(alarm("a", TOPIC), name="somebody-elses"),), [FAIL]),
    ],
)
def test_alarm_actions(alarms: tuple[Alarm, ...], levels: list[Level]) -> None:
    assert [finding.level for finding in stack.alarm_actions(Alarms(alarms), STAGING)] == levels


@pytest.mark.parametrize(
    ("subscriptions", "polls", "level"),
    [
        ((MAIL,), 0.0, OK),
        ((replace(MAIL, protocol="https"),), 0.0, OK),
        ((replace(MAIL, protocol="sms"),), 0.0, OK),
        ((replace(MAIL, confirmed=False),), 0.0, FAIL),
        ((replace(MAIL, confirmed=False), MAIL), 0.0, OK),
        ((replace(MAIL, confirmed=None),), 0.0, UNKNOWN),
        ((Subscription("sqs", QUEUE, confirmed=True),), 12.0, OK),
        ((Subscription("sqs", QUEUE, confirmed=True),), 0.0, FAIL),
        ((Subscription("sqs", QUEUE, confirmed=True), replace(MAIL, confirmed=False)), 12.0, OK),
        ((Subscription("lambda", "arn:f", confirmed=True),), 0.0, UNKNOWN),
        ((Subscription("firehose", "arn:f", confirmed=True),), 0.0, UNKNOWN),
        ((), 0.0, FAIL),
    ],
)
def test_an_alarm_reaches_a_person(subscriptions: tuple[Subscription, ...], polls: float, level: Level) -> None:
    paths = AlarmPaths({TOPIC: subscriptions}, polls={QUEUE: polls})
    finding = only(stack.alarm_reaches_a_person(paths, STAGING))
    assert finding.level is level, finding
    assert "jo@example.com" not in repr(finding)


def test_a_topic_that_is_gone_and_no_topic_at_all() -> None:
    assert only(stack.alarm_reaches_a_person(AlarmPaths({}, (TOPIC,)), STAGING)).level is FAIL
    assert only(stack.alarm_reaches_a_person(AlarmPaths({}), STAGING)).level is FAIL


CERTIFICATE = Certificate("arn:c/1", "ISSUED", ("app.example.com",), NOW + timedelta(days=200), renews=True)
ENTRANCE = Entrance(
    "app.example.com", True, ("HTTP", "HTTPS"), (CERTIFICATE,), ("192.0.2.1",), ("192.0.2.1", "192.0.2.2")
)


def certified(**changed: Any) -> Entrance:
    return replace(ENTRANCE, certificates=(replace(CERTIFICATE, **changed),))


@pytest.mark.parametrize(
    ("entrance", "subject", "level"),
    [
        (ENTRANCE, "certificate 1", OK),
        (ENTRANCE, "name app.example.com", OK),
        (certified(names=("*.example.com",)), "certificate 1", OK),
        (certified(names=("*.com",)), "certificate 1", FAIL),
        (certified(names=("other.example.com",)), "certificate 1", FAIL),
        (certified(status="PENDING_VALIDATION"), "certificate 1", FAIL),
        (certified(status=""), "certificate 1", UNKNOWN),
        (certified(status="missing"), "certificate 1", FAIL),
        (certified(expires=NOW + timedelta(days=20)), "certificate 1", WARN),
        (certified(expires=NOW - timedelta(days=1)), "certificate 1", FAIL),
        (certified(expires=None), "certificate 1", UNKNOWN),
        (replace(ENTRANCE, addresses=("198.51.100.1",)), "name app.example.com", WARN),
        (replace(ENTRANCE, addresses=(), problem="no such name"), "name app.example.com", FAIL),
        (replace(ENTRANCE, balancer_addresses=()), "name app.example.com", UNKNOWN),
        (replace(ENTRANCE, host="", is_https=False), "name", WARN),
        (replace(certified(names=("*.example.com",)), host=""), "name", FAIL),
        (Entrance("", False, ("HTTP",)), "HTTPS", WARN),
        (Entrance("", False, ()), "HTTPS", UNKNOWN),
        (Entrance("", False, (), balancers=0), "load balancer", FAIL),
    ],
)
def test_certificate_and_name(entrance: Entrance, subject: str, level: Level) -> None:
    finding = only(stack.certificate_and_name(entrance, IN_AWS, SCOPE), subject)
    assert finding.level is level, finding


def agent(state: str = "RUNNING", *, enabled: bool | None = True) -> TaskAgent:
    return TaskAgent("t1", enabled, {"backend": state} if state else {})


@pytest.mark.parametrize(
    ("tasks", "level"),
    [
        ((agent(), agent()), OK),
        ((agent(), agent("STOPPED")), FAIL),
        ((agent(), agent("PENDING")), FAIL),
        ((agent(), agent("", enabled=False)), FAIL),
        ((agent(), agent("")), UNKNOWN),
        ((agent(), agent(enabled=None)), UNKNOWN),
        ((), UNKNOWN),
    ],
)
def test_exec_agents(tasks: tuple[TaskAgent, ...], level: Level) -> None:
    assert only(stack.exec_agents(ExecAgents({"backend": tasks}), STAGING)).level is level


def test_log_groups() -> None:
    found = {
        "/good": LogGroup("/good", 30, KEY),
        "/for-ever": LogGroup("/for-ever", None, KEY),
        "/plain": LogGroup("/plain", 30),
        OS_METRICS: LogGroup(OS_METRICS, 30),
    }
    groups = LogGroups(("/good", "/for-ever", "/plain", "/gone"), found)
    levels = {finding.subject: finding.level for finding in stack.log_groups(groups, STAGING)}
    assert levels == {
        "/for-ever": WARN,
        "/plain": WARN,
        "/gone": FAIL,
        "the stack's log groups": OK,
        OS_METRICS: WARN,
    }


def service(name: str, **more: Any) -> EcsService:
    return EcsService(name, "ACTIVE", 2, 2, 0, f"{name}:7", (), (), **more)


SERVICES = Services((service("backend"), service("frontend")))


@pytest.mark.parametrize(
    ("quotas", "level"),
    [
        (Quotas(64.0, {"backend": 1.0, "frontend": 0.25}, 2.5), OK),
        (Quotas(25.0, {"backend": 1.0, "frontend": 0.25}, 2.5), OK),
        (Quotas(24.0, {"backend": 1.0, "frontend": 0.25}, 2.5), WARN),
        (Quotas(2.0, {"backend": 1.0, "frontend": 0.25}, 2.5), FAIL),
        (Quotas(None, {"backend": 1.0}, 2.5), UNKNOWN),
        (Quotas(64.0, {}, 0.0), UNKNOWN),
    ],
)
def test_quotas(quotas: Quotas, level: Level) -> None:
    assert only(stack.quotas(quotas, SERVICES, STAGING)).level is level


@pytest.mark.parametrize(("free", "level"), [(100, OK), (36, OK), (35, FAIL), (None, UNKNOWN)])
def test_addresses(free: int | None, level: Level) -> None:
    some = () if free is None else (Subnet("subnet-1", "a", free),)
    assert only(stack.addresses(Subnets({"backend": some, "frontend": some}), SERVICES, STAGING)).level is level


# Questions


@pytest.mark.parametrize(
    ("times", "level", "says"),
    [
        ((3, 2, 1), OK, "newest first, as omc was built on"),
        ((1, 2, 3), OK, "oldest first, and omc"),
        ((2, 3, 1), OK, "in no order, and omc"),
        ((1,), UNKNOWN, "Not settled"),
        ((), UNKNOWN, "Not settled"),
    ],
)
def test_the_order_of_deployments(times: tuple[int, ...], level: Level, says: str) -> None:
    order = DeploymentOrder({"backend": tuple(NOW + timedelta(hours=hour) for hour in times)})
    finding = only(questions.question_deployment_order(order))
    assert (finding.level, says in finding.sentence) == (level, True), finding


@pytest.mark.parametrize(
    ("configuration", "level", "says"),
    [
        (dict.fromkeys(questions.SENT_BACK, 1), OK, "only what a rollback"),
        (
            dict.fromkeys(questions.SENT_BACK, 1) | {"strategy": "ROLLING", "bakeTimeInMinutes": 0},
            OK,
            "also returns bake",
        ),
        ({"maximumPercent": 200}, OK, "are not returned"),
        ({}, UNKNOWN, "Not settled"),
    ],
)
def test_the_configuration_of_a_rolling_service(configuration: dict[str, Any], level: Level, says: str) -> None:
    one = Services((service("backend", configuration=configuration),))
    finding = only(questions.question_deployment_configuration(one))
    assert (finding.level, says in finding.sentence) == (level, True), finding


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (StartedByAnswer("InvalidParameterException", "no", 0), "refused (InvalidParameterException)"),
        (StartedByAnswer("", "", 0), "lists nothing"),
        (StartedByAnswer("", "", 3), "3 tasks"),
    ],
)
def test_started_by(answer: StartedByAnswer, says: str) -> None:
    finding = only(questions.question_started_by(answer))
    assert finding.level is OK
    assert says in finding.sentence


@pytest.mark.parametrize(
    ("logs", "level"),
    [
        ({"fl-1": ("SUCCESS", "")}, OK),
        ({"fl-1": ("FAILED", "Access error")}, FAIL),
        ({"fl-1": ("", "Access error")}, FAIL),
        ({"fl-1": ("", "")}, UNKNOWN),
        ({}, UNKNOWN),
    ],
)
def test_the_flow_log_role(logs: dict[str, tuple[str, str]], level: Level) -> None:
    assert only(questions.question_flow_log_role(FlowLogDelivery(logs), STAGING)).level is level


@pytest.mark.parametrize(
    ("docker", "level", "says"),
    [
        (RunnerDocker(is_runner=False), WARN, "only a job on the runner"),
        (RunnerDocker(is_runner=True), WARN, "doesn't say its version"),
        (RunnerDocker(True, "28.0.4"), OK, "a plain manifest"),
        (RunnerDocker(True, "29.1.5"), OK, "an index of manifests"),
    ],
)
def test_docker_of_the_runner(docker: RunnerDocker, level: Level, says: str) -> None:
    finding = only(questions.question_runner_docker(docker))
    assert (finding.level, says in finding.sentence) == (level, True)
