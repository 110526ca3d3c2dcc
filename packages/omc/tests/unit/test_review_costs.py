"""The review's judgement of costs, over facts: where each check speaks, and where it must not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from omc.checks.finding import Finding, Level
from omc.checks.run import Report
from omc.checks.spec import spec_of
from omc.config.review_tables import ExpectedCostTable
from omc.facts.costs.addresses import PublicAddress, PublicAddresses
from omc.facts.costs.budget import Budget, Budgets
from omc.facts.costs.leftovers import KeptSecret, Leftovers, Repository, Snapshot, Volume
from omc.facts.costs.log_volume import GroupVolume, LogVolumes
from omc.facts.costs.nat import NatTraffic, Peer, peers_of
from omc.facts.costs.requests import RequestWeeks
from omc.facts.costs.spending import Spending
from omc.facts.costs.support import EngineSupport, Support
from omc.facts.costs.tasks import TasksUsed
from omc.facts.source import Facts
from omc.output.page import render
from omc.review.costs.anomalies import cost_anomalies
from omc.review.costs.charts import daily_costs, largest_usage
from omc.review.costs.fargate import SIZES, fargate_hours, fargate_options, fargate_size, fitting
from omc.review.costs.forecast import cost_forecast
from omc.review.costs.leftovers import old_images, old_snapshots, unused_secrets
from omc.review.costs.logs import log_volume
from omc.review.costs.money import slug
from omc.review.costs.network import nat_data, public_addresses
from omc.review.costs.rises import cost_rise
from omc.review.costs.support import extended_support
from omc.review.document import review_document
from omc.review.model import NOTHING, Memory, Review, ReviewStatus, Seen, judged
from omc.review.parts import PARTS
from omc.review.run import review_of
from support.cost_facts import (
    CACHE,
    CLOUDWATCH,
    EC2,
    ECS,
    ENVIRONMENT,
    LOGS,
    NAT_BYTES,
    NOW,
    RDS,
    SCOPE,
    VCPU,
    Invented,
    in_region,
    spending,
    use,
)
from support.fake_gateway import FakeGateway

HOME = ENVIRONMENT.region
OLD, NEW = NOW - timedelta(days=200), NOW - timedelta(days=10)
GB = 1e9


def told(findings: Sequence[Finding]) -> dict[str, str]:
    """Each finding that isn't ok: its place and its level."""
    assert all(finding.sentence.endswith((".", "30")) or ": " in finding.sentence for finding in findings)
    assert len({finding.place for finding in findings}) == len(findings), "what a review tells apart has a place each"
    return {finding.place: finding.level.value for finding in findings if finding.level is not Level.OK}


def expected(match: str, until: datetime = NOW + timedelta(days=9)) -> Any:
    return in_region(HOME, expected=(ExpectedCostTable(match=match, reason="it was planned", until=until),))


# ── Against the week before ─────────────────────────────────────────────────────────────────────────────────────

LAST_WEEK = date(2026, 11, 22)
DOUBLED_NAT = Invented(NAT_BYTES, LAST_WEEK, 7, factor=3.0)
MORE_TASKS = Invented(VCPU, LAST_WEEK, 7, factor=1.5)
SAME = RequestWeeks(1e6, 1e6)


@pytest.mark.parametrize(
    ("facts", "requests", "environment", "found"),
    [
        (spending(DOUBLED_NAT), SAME, ENVIRONMENT, {f"costs/{slug(EC2)}": "warn"}),
        (spending(MORE_TASKS), SAME, ENVIRONMENT, {f"costs/{slug(ECS)}": "warn"}),
        (spending(Invented("APS2-VpcEndpoint-Hours", LAST_WEEK, 7, more=1.0)), SAME, ENVIRONMENT, 1),
        (spending(MORE_TASKS), RequestWeeks(1.2e6, 1e6), ENVIRONMENT, {f"costs/{slug(ECS)}": "warn"}),
        (spending(MORE_TASKS), None, ENVIRONMENT, {f"costs/{slug(ECS)}": "warn"}),
        (
            spending(DOUBLED_NAT),
            SAME,
            expected("*NatGateway*", NOW - timedelta(days=1)),
            {f"costs/{slug(EC2)}": "warn"},
        ),
        (replace(spending(), series=()), SAME, ENVIRONMENT, {"costs": "unknown"}),
        # and where it must not
        (spending(), SAME, ENVIRONMENT, {}),
        (spending(MORE_TASKS), RequestWeeks(1.6e6, 1e6), ENVIRONMENT, {}),
        (spending(DOUBLED_NAT), SAME, expected("*NatGateway*"), {}),
        (spending(Invented(LOGS, LAST_WEEK, 7, factor=1.05)), SAME, ENVIRONMENT, {}),
        (spending(Invented("APS2-Requests", LAST_WEEK, 7, more=0.1)), SAME, ENVIRONMENT, {}),
        (spending(Invented(LOGS, LAST_WEEK - timedelta(days=7), 7, factor=4.0)), SAME, ENVIRONMENT, {}),
    ],
)
def test_a_rise_without_a_known_reason_is_told(
    facts: Spending, requests: RequestWeeks | None, environment: Any, found: Any
) -> None:
    result = told(list(cost_rise(facts, requests, environment, SCOPE)))
    assert result == found if isinstance(found, dict) else len(result) == found


def test_a_usage_type_is_told_where_its_service_hides_it() -> None:
    big = spending(
        Invented(LOGS, LAST_WEEK, 7, factor=2.0), usage={(CLOUDWATCH, LOGS): (1.0, 1.0), (CLOUDWATCH, "X"): (50, 1)}
    )
    assert told(list(cost_rise(big, SAME, ENVIRONMENT, SCOPE))) == {f"costs/{slug(CLOUDWATCH)}/{slug(LOGS)}": "warn"}


# ── Single days ─────────────────────────────────────────────────────────────────────────────────────────────────


def at(day: int, month: int = 11) -> date:
    return date(2026, month, day)


KNOWN = (
    Invented(NAT_BYTES, at(24), factor=6.0),
    Invented(VCPU, at(26), 2, factor=2.2),
    Invented("APS2-Fargate-GB-Hours", at(26), 2, factor=3.5),
    Invented("APS2-SnapshotUsage", at(23), more=4.0),
)
"""A week's anomalies: a day of NAT, two days of twice the tasks, and a charge that never came before."""


def test_a_known_month_s_anomalies_are_found_and_no_others() -> None:
    found = told(list(cost_anomalies(spending(*KNOWN), ENVIRONMENT, SCOPE)))
    assert found == {
        f"costs/{slug(EC2)}/2026-11-24": "warn",
        f"costs/{slug(ECS)}/2026-11-26": "warn",
        f"costs/{slug(EC2)}/2026-11-23": "warn",
    }
    assert told(list(cost_anomalies(spending(), ENVIRONMENT, SCOPE))) == {}


@pytest.mark.parametrize("number", range(28))
def test_on_no_day_of_a_quiet_month_is_there_an_anomaly(number: int) -> None:
    """Also where the first of a month is among the reviewed days, with what is charged once a month."""
    now = NOW + timedelta(days=number)
    facts = spending(now=now)
    assert told(list(cost_anomalies(facts, in_region(HOME, least_usd=0.1), SCOPE))) == {}


@pytest.mark.parametrize(
    ("facts", "environment", "found"),
    [
        (spending(Invented(LOGS, at(28), factor=2.0)), ENVIRONMENT, {f"costs/{slug(CLOUDWATCH)}/2026-11-28": "warn"}),
        (spending(Invented(NAT_BYTES, at(22), 7, factor=3)), ENVIRONMENT, {f"costs/{slug(EC2)}/2026-11-22": "warn"}),
        (
            spending(Invented(LOGS, at(12), factor=9.0), Invented(LOGS, at(28), factor=2.0)),
            ENVIRONMENT,
            {f"costs/{slug(CLOUDWATCH)}/2026-11-28": "warn"},
        ),
        (spending(Invented("APS2-X", at(25), more=50)), ENVIRONMENT, {f"costs/{slug(EC2)}/2026-11-25": "warn"}),
        (replace(spending(), series=()), ENVIRONMENT, {"costs": "unknown"}),
        # and where it must not: before the reviewed days, too little, expected
        (spending(Invented(LOGS, at(20), factor=9.0)), ENVIRONMENT, {}),
        (spending(Invented(NAT_BYTES, at(28), more=1.5)), ENVIRONMENT, {}),
        (spending(Invented(NAT_BYTES, at(24), factor=6.0)), expected("EC2*"), {}),
    ],
)
def test_a_day_far_above_the_median_is_told(facts: Spending, environment: Any, found: dict[str, str]) -> None:
    assert told(list(cost_anomalies(facts, environment, SCOPE))) == found


# ── The month ───────────────────────────────────────────────────────────────────────────────────────────────────

MONTH = date(2026, 11, 1)


def budgets(*some: Budget) -> Budgets:
    return Budgets(some, MONTH, 1)


@pytest.mark.parametrize(
    ("known", "facts", "found"),
    [
        (budgets(), spending(), {"costs/budget": "warn"}),
        (budgets(Budget("omc.toml", 700.0, forecast_usd=30.0)), spending(), {"costs/budget": "warn"}),
        (budgets(Budget("omc.toml", 700.0)), spending(), {"costs/budget": "warn"}),
        (budgets(Budget("omc.toml", 500.0)), spending(), {"costs/budget": "warn"}),
        (budgets(Budget("all", 700.0, 600.0, 720.0)), spending(), {"costs/budget/all": "warn"}),
        (budgets(Budget("omc.toml", 700.0)), None, {"costs/budget": "unknown"}),
        (budgets(Budget("part", 10.0, 2.0, None, is_narrower=True)), spending(), {"costs/budget/part": "unknown"}),
        # and where it must not
        (budgets(Budget("omc.toml", 800.0, forecast_usd=30.0)), spending(), {}),
        (budgets(Budget("omc.toml", 800.0)), spending(), {}),
        (budgets(Budget("all", 800.0, 600.0, 720.0)), None, {}),
        (budgets(Budget("all", 700.0, 600.0)), spending(), {}),
    ],
)
def test_the_month_is_held_against_its_budget(known: Budgets, facts: Spending | None, found: dict[str, str]) -> None:
    assert told(list(cost_forecast(known, facts, SCOPE))) == found


def test_a_forecast_s_days_are_each_counted_once() -> None:
    """28 known days, the two that Cost Explorer doesn't have yet as lately, and AWS's forecast from today on."""
    facts = spending()
    [finding] = cost_forecast(budgets(Budget("omc.toml", 800.0, forecast_usd=20.0)), facts, SCOPE)
    november = [number for number, day in enumerate(facts.days) if day.month == 11]
    known = sum(facts.total(number, number + 1) for number in november)
    assert (facts.days[-1], len(november)) == (at(28), 28)
    assert "before it 1 day at" in finding.evidence[0].text
    asked = replace(budgets(Budget("omc.toml", 800.0)), requests=3)
    [dear] = cost_forecast(asked, facts, SCOPE)
    assert dear.evidence[-1].text == "3 requests to Cost Explorer of 0.01 USD"
    daily = float(finding.evidence[0].text.split("day at ")[1].split(" USD")[0])
    assert f"about {known + daily + 20:,.2f} USD" in finding.sentence


# ── Fargate ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_sizes_are_those_that_fargate_has() -> None:
    assert len([mib for _, some in SIZES for mib in some]) == 3 + 4 + 7 + 13 + 23 + 12 + 12
    assert (fitting(100, 300), fitting(300, 600), fitting(10, 9000)) == ((256, 512), (512, 1024), (2048, 9216))
    assert fitting(20000, 1) is None


LARGE = use(cpu=2048, memory=8192, cpu_most=10, memory_most=12)


@pytest.mark.parametrize(
    ("some", "environment", "found"),
    [
        ([LARGE], ENVIRONMENT, {"services/backend": "warn"}),
        ([use(memory=4096, memory_most=10, tasks=4)], ENVIRONMENT, {"services/backend": "warn"}),
        ([use(cpu=1024, memory=2048, cpu_most=20, memory_most=30)], ENVIRONMENT, {"services/backend": "warn"}),
        (
            [use(cpu=1024, memory=2048, cpu_most=20, memory_most=30)],
            in_region("eu-north-1"),
            {"services/backend": "warn"},
        ),
        ([replace(LARGE, hours=LARGE.hours[:50])], ENVIRONMENT, {"services/backend": "unknown"}),
        # and where it must not: fit, too little spared, CPU low but memory full, CPU full but memory low
        ([use(), use("frontend", 256, 512, cpu_most=2, memory_most=5)], ENVIRONMENT, {}),
        ([use(cpu=512, memory=2048, memory_most=35, tasks=0.5)], ENVIRONMENT, {}),
        ([use(cpu=512, memory=4096, cpu_most=5, memory_most=85, tasks=8)], ENVIRONMENT, {}),
        ([use(cpu=2048, memory=4096, cpu_most=100, memory_most=5)], ENVIRONMENT, {}),
    ],
)
def test_a_size_that_fargate_has_and_that_is_enough_is_named(some: Any, environment: Any, found: Any) -> None:
    assert told(list(fargate_size(TasksUsed(tuple(some)), environment))) == found


def test_one_busy_minute_of_the_cpu_keeps_no_size_up_and_of_the_memory_it_does() -> None:
    hours = list(LARGE.hours)
    hours[50] = replace(hours[50], cpu_most=100.0)
    [finding] = fargate_size(TasksUsed((replace(LARGE, hours=tuple(hours)),)), ENVIRONMENT)
    assert "0.5 vCPU and 2 GiB would be enough" in finding.sentence
    hours[50] = replace(hours[50], memory_most=100.0)
    [finding] = fargate_size(TasksUsed((replace(LARGE, hours=tuple(hours)),)), ENVIRONMENT)
    assert finding.level is Level.OK


def test_what_is_spared_is_the_difference_of_the_table_s_prices() -> None:
    [finding] = fargate_size(TasksUsed((LARGE,)), ENVIRONMENT)
    saving = 2 * 730 * (1.5 * 0.04856 + 6 * 0.00532)
    assert f"about {saving:,.2f} USD a month with the 2.0 tasks" in finding.sentence
    [elsewhere] = fargate_size(TasksUsed((LARGE,)), in_region("eu-north-1"))
    assert "isn't known for eu-north-1" in elsewhere.sentence


PAID = spending()
"""96 vCPU hours a day: four tasks of one vCPU."""
FOUR = [use(cpu=1024, memory=2048, tasks=2), use("frontend", cpu=1024, memory=2048, tasks=2)]


@pytest.mark.parametrize(
    ("facts", "some", "found"),
    [
        (spending(Invented(VCPU, LAST_WEEK, 7, factor=1.5)), FOUR, {"services": "warn"}),
        (PAID, FOUR[:1], {"services": "warn"}),
        (spending(Invented(VCPU, LAST_WEEK, 7, factor=20)), FOUR, {"services": "warn"}),
        (PAID, [replace(one, hours=()) for one in FOUR], {"services": "unknown"}),
        (replace(PAID, series=()), FOUR, {"services": "unknown"}),
        (PAID, FOUR, {}),
        (spending(Invented(VCPU, LAST_WEEK, 7, factor=1.1)), FOUR, {}),
    ],
)
def test_paid_hours_that_no_service_s_tasks_explain_are_told(facts: Spending, some: Any, found: Any) -> None:
    assert told(list(fargate_hours(TasksUsed(tuple(some)), facts, ENVIRONMENT))) == found


@pytest.mark.parametrize(
    ("some", "words"),
    [
        ([use(cpu=1024, memory=2048)], ("on ARM", "on Spot")),
        ([use(cpu=1024, memory=2048, on_spot=True)], ("on ARM",)),
        ([use(cpu=1024, memory=2048, architecture="ARM64")], ("on Spot",)),
        ([use(cpu=256, memory=512, tasks=1)], ()),
        ([use(cpu=1024, memory=2048, architecture="ARM64", on_spot=True)], ()),
        ([use(cpu=1024, memory=2048, system="WINDOWS_SERVER_2022_CORE")], ()),
    ],
)
def test_arm_and_spot_are_options_with_their_conditions(some: Any, words: tuple[str, ...]) -> None:
    [finding] = fargate_options(TasksUsed(tuple(some)), ENVIRONMENT)
    assert finding.level is (Level.WARN if words else Level.OK)
    assert all((word in finding.sentence) is (word in words) for word in ("on ARM", "on Spot"))
    assert len([one for one in finding.evidence if "conditions:" in one.text]) == len(words)


# ── Network ─────────────────────────────────────────────────────────────────────────────────────────────────────


def nat(*peers: Peer, endpoints: tuple[str, ...] = ()) -> NatTraffic:
    return NatTraffic(("nat-1", "nat-2"), 2, peers, endpoints, "/vpc/ohmycoins-production/flow")


S3, DYNAMO, OUT = Peer("3.5.165.7", 100 * GB, "s3"), Peer("52.94.1.1", 50 * GB, "dynamodb"), Peer("1.2.3.4", GB)


@pytest.mark.parametrize(
    ("traffic", "environment", "found"),
    [
        (nat(S3, OUT), ENVIRONMENT, {"network/nat/s3": "warn"}),
        (nat(S3, DYNAMO), ENVIRONMENT, {"network/nat/s3": "warn", "network/nat/dynamodb": "warn"}),
        (nat(S3, endpoints=("s3",)), ENVIRONMENT, {"network/nat/s3": "warn"}),
        (nat(Peer("13.54.1.1", 900 * GB)), ENVIRONMENT, {"network/nat/outside": "warn"}),
        (nat(S3), in_region("eu-north-1"), {"network/nat/s3": "warn"}),
        (nat(), ENVIRONMENT, {"network/nat/unused": "warn"}),
        (NatTraffic(("nat-1",), 1, None), ENVIRONMENT, {"network/nat": "unknown"}),
        (NatTraffic(()), ENVIRONMENT, {}),
        (nat(OUT), ENVIRONMENT, {}),
        (nat(Peer("3.5.165.7", GB, "s3"), Peer("13.54.1.1", 80 * GB)), ENVIRONMENT, {}),
    ],
)
def test_what_an_endpoint_would_spare_is_told(traffic: NatTraffic, environment: Any, found: dict[str, str]) -> None:
    assert told(list(nat_data(traffic, environment, SCOPE))) == found


def test_what_an_earlier_review_found_is_not_fixed_by_a_flow_log_that_is_gone() -> None:
    def judged_now(traffic: NatTraffic) -> list[tuple[str, ReviewStatus]]:
        findings = tuple(nat_data(traffic, ENVIRONMENT, SCOPE))
        report = Report("Costs", ENVIRONMENT, None, SCOPE.now, 0.1, findings, ())
        return [(each.key, each.status) for each in judged(report, "costs", memory)]

    found = Seen("nat-data:network/nat/s3", "nat-data", Level.WARN, "Much goes to S3.", SCOPE.now)
    memory = Memory({"costs": (found,)}, {}, {})
    assert (found.key, ReviewStatus.UNSEEN) in judged_now(replace(nat(S3), peers=None))
    assert (found.key, ReviewStatus.FIXED) in judged_now(nat())


def test_an_endpoint_that_is_there_and_isn_t_used_is_said_to_be_so() -> None:
    [finding] = nat_data(nat(S3, endpoints=("s3",)), ENVIRONMENT, SCOPE)
    assert "though the VPC has an endpoint" in finding.sentence


def test_a_gateway_s_flows_are_counted_once_by_the_address_outside() -> None:
    rows = [
        {"srcAddr": "10.0.0.220", "dstAddr": "3.5.165.7", "bytes": "10"},
        {"srcAddr": "3.5.165.7", "dstAddr": "10.0.0.220", "bytes": "90"},
        {"srcAddr": "10.0.1.5", "dstAddr": "10.0.0.220", "bytes": "10"},
        {"srcAddr": "10.0.0.220", "dstAddr": "93.184.216.34", "bytes": "7"},
        {"srcAddr": "-", "dstAddr": "2001:db8::1", "bytes": "5"},
    ]
    assert peers_of(rows, [("s3", ip_network("3.5.164.0/22"))]) == (
        Peer("3.5.165.7", 100, "s3"),
        Peer("93.184.216.34", 7),
    )


IDLE = PublicAddress("13.1.1.1", "", "eipalloc-1", "old")
USED = [PublicAddress("13.1.1.2", "NAT gateway", "eipalloc-2"), PublicAddress("13.1.1.3", "load balancer")]


@pytest.mark.parametrize(
    ("some", "found"),
    [
        ([IDLE, *USED], {"addresses/eipalloc-1": "warn"}),
        (
            [IDLE, replace(IDLE, address="13.1.1.9", allocation="eipalloc-9")],
            {"addresses/eipalloc-1": "warn", "addresses/eipalloc-9": "warn"},
        ),
        ([*USED, PublicAddress("13.1.1.4", "task"), PublicAddress("13.1.1.5", "task")], {"addresses/tasks": "warn"}),
        ([PublicAddress("13.1.1.4", "database")], {"addresses/databases": "warn"}),
        (USED, {}),
        ([], {}),
    ],
)
def test_addresses_that_nothing_needs_are_told(some: list[PublicAddress], found: dict[str, str]) -> None:
    assert told(list(public_addresses(PublicAddresses(tuple(some)), ENVIRONMENT))) == found


# ── Extended support ────────────────────────────────────────────────────────────────────────────────────────────


def database(until: date | None, **more: Any) -> Support:
    return Support(
        "database", "ohmycoins-production", "postgres", "13.20", "db.t4g.medium", 2, until, at(28, 2), **more
    )


def cache(until: date | None, version: str = "5.0.6") -> Support:
    return Support("cache", "ohmycoins-production-redis", "redis", version, "cache.t4g.small", 2, until)


@pytest.mark.parametrize(
    ("store", "found", "words"),
    [
        (database(date(2026, 2, 28)), "warn", "ended on 28 February 2026"),
        (database(date(2027, 2, 28)), "warn", "ends in 90 days, on 28 February 2027; from 01 March 2027"),
        (database(date(2027, 2, 28), is_refused=True), "warn", "AWS upgrades it by itself"),
        (cache(date(2026, 1, 31)), "warn", f"about {0.8 * 2 * 0.047 * 730:,.2f} USD a month"),
        (cache(date(2024, 1, 31)), "warn", f"about {1.6 * 2 * 0.047 * 730:,.2f} USD a month"),
        (cache(None, ""), "unknown", "could not be read"),
        (database(date(2029, 2, 28)), "", "until 28 February 2029"),
        (cache(None, "7.1.0"), "", "no end of standard support"),
    ],
)
def test_the_end_of_standard_support_is_told_with_its_surcharge(store: Support, found: str, words: str) -> None:
    [finding] = extended_support(EngineSupport((store,)), ENVIRONMENT, SCOPE)
    assert told([finding]) == ({store.store: found} if found else {})
    assert words in finding.sentence


def test_a_surcharge_that_the_table_lacks_is_not_known() -> None:
    [finding] = extended_support(EngineSupport((database(date(2026, 2, 28)),)), ENVIRONMENT, SCOPE)
    assert f"isn't known for {HOME}" in finding.sentence


# ── Logs ────────────────────────────────────────────────────────────────────────────────────────────────────────


def group(now: float | None, before: float | None, retention: int | None = 30) -> GroupVolume:
    return GroupVolume("/ecs/ohmycoins-production/backend", retention, 5 * GB, now, before)


GROUP = "logs/ecs/ohmycoins-production/backend"


@pytest.mark.parametrize(
    ("one", "requests", "found"),
    [
        (group(3 * GB, GB), SAME, {GROUP: "warn"}),
        (group(3 * GB, GB), RequestWeeks(1.5e6, 1e6), {GROUP: "warn"}),
        (group(3 * GB, 0.0), None, {GROUP: "warn"}),
        (group(GB, GB, None), SAME, {f"{GROUP}/retention": "warn"}),
        (group(None, None), SAME, {"logs": "unknown"}),
        (group(GB, GB), SAME, {}),
        (group(1.5 * GB, GB), RequestWeeks(1.5e6, 1e6), {}),
        (group(0.09 * GB, 0.001 * GB), SAME, {}),
        (group(3 * GB, None), SAME, {}),
    ],
)
def test_a_group_that_fills_faster_or_for_ever_is_told(one: GroupVolume, requests: Any, found: dict[str, str]) -> None:
    assert told(list(log_volume(LogVolumes((one,)), requests, ENVIRONMENT, SCOPE))) == found


# ── What is left over ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("left", "found"),
    [
        (Leftovers((Snapshot("database", "before-13", OLD, 20.0),)), {"snapshots/before-13": "warn"}),
        (
            Leftovers((Snapshot("cache", "c", OLD, 1.0), Snapshot("volume", "snap-1", OLD, 8.0))),
            {"snapshots/c": "warn", "snapshots/snap-1": "warn"},
        ),
        (Leftovers(volumes=(Volume("vol-1", 100.0, NEW),)), {"volumes/vol-1": "warn"}),
        (Leftovers((Snapshot("database", "fresh", NEW, 20.0), Snapshot("database", "being made", None, 20.0))), {}),
        (Leftovers(), {}),
    ],
)
def test_old_snapshots_and_lone_disks_are_told(left: Leftovers, found: dict[str, str]) -> None:
    assert told(list(old_snapshots(left, ENVIRONMENT, SCOPE))) == found


@pytest.mark.parametrize(
    ("secret", "is_told"),
    [
        (KeptSecret("p/never", OLD, None), True),
        (KeptSecret("p/long-ago", OLD, NOW - timedelta(days=91)), True),
        (KeptSecret("p/very-old", datetime(2020, 1, 1, tzinfo=UTC), OLD), True),
        (KeptSecret("p/read", OLD, NEW), False),
        (KeptSecret("p/new", NEW, None), False),
    ],
)
def test_a_secret_that_nobody_reads_is_told(secret: KeptSecret, is_told: bool) -> None:
    found = told(list(unused_secrets(Leftovers(secrets=(secret,)), ENVIRONMENT, SCOPE)))
    assert found == ({f"secrets/{secret.name}": "warn"} if is_told else {})


def repository(*old: datetime) -> Repository:
    return Repository("ohmycoins/backend", 9, 5 * GB, old, GB)


@pytest.mark.parametrize(
    ("one", "is_told"),
    [
        (repository(OLD), True),
        (repository(OLD, OLD, NEW), True),
        (repository(datetime(2020, 1, 1, tzinfo=UTC)), True),
        (repository(NEW), False),
        (repository(), False),
    ],
)
def test_a_repository_with_old_images_is_told(one: Repository, is_told: bool) -> None:
    found = told(list(old_images(Leftovers(repositories=(one,)), ENVIRONMENT, SCOPE)))
    assert found == ({"images/ohmycoins/backend": "warn"} if is_told else {})


def test_the_charts_are_of_the_same_figures() -> None:
    facts = spending()
    daily, largest = daily_costs(facts), largest_usage(facts)
    assert daily is not None
    assert largest is not None
    assert len(daily.labels) == len(facts.days)
    drawn = sum(value or 0.0 for series in daily.series for value in series.values)
    assert drawn == pytest.approx(facts.total(0, len(facts.days)))
    assert {RDS, CACHE} <= {series.name for series in daily.series}
    assert daily_costs(replace(facts, series=())) is None


# ── The part as a whole ─────────────────────────────────────────────────────────────────────────────────────────

[PART] = (part for part in PARTS if part.name == "costs")
QUIET: dict[type, Any] = {
    Spending: spending(),
    RequestWeeks: SAME,
    Budgets: budgets(Budget("omc.toml", 800.0)),
    TasksUsed: TasksUsed((use(cpu=512, memory=1024, tasks=4), use("frontend", 512, 1024, tasks=4))),
    NatTraffic: nat(OUT),
    PublicAddresses: PublicAddresses(tuple(USED)),
    EngineSupport: EngineSupport((database(date(2029, 2, 28)), cache(None, "7.1.0"))),
    LogVolumes: LogVolumes((group(GB, GB),)),
    Leftovers: Leftovers(),
}
"""A stack that is as it should be, but for cheaper options, which somebody has to decide on."""


def reviewed(**facts: Any) -> Review:
    known = {**QUIET, **{type(fact): fact for fact in facts.values()}}
    return review_of(Facts(FakeGateway({}, ENVIRONMENT), SCOPE, known), [PART], NOTHING)


def test_a_quiet_month_has_options_and_nothing_else_and_a_known_one_its_anomalies() -> None:
    options = {f"fargate-options:services/{name}/options" for name in ("backend", "frontend")}
    assert {one.key for one in reviewed().parts[0].findings} == options
    busy = {one.key for one in reviewed(month=spending(*KNOWN)).parts[0].findings}
    assert busy - options == {
        f"cost-anomalies:costs/{slug(EC2)}/2026-11-23",
        f"cost-anomalies:costs/{slug(EC2)}/2026-11-24",
        f"cost-anomalies:costs/{slug(ECS)}/2026-11-26",
        f"cost-rise:costs/{slug(EC2)}",
        f"cost-rise:costs/{slug(ECS)}",
        "fargate-hours:services",  # the days of twice the hours were none of the services' tasks
    }


def test_the_page_of_the_part_has_its_charts() -> None:
    page = render(review_document(reviewed(), ENVIRONMENT))
    assert page.count("<svg") == 2
    assert "Costs a day by service" in page


def test_where_nothing_can_be_read_every_check_is_unknown_and_none_is_ok() -> None:
    review = review_of(Facts(FakeGateway({}, ENVIRONMENT), SCOPE), [PART], NOTHING)
    assert {one.level for one in review.parts[0].report.findings} == {Level.UNKNOWN}
    assert {one.check for one in review.parts[0].report.findings} == {spec_of(one).id for one in PART.checks.checks}
    assert review.parts[0].charts == ()
