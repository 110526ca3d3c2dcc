"""Scaling and restarting, planned from plain values: what is done, what is refused with the sum, what is only said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omc.config import load
from omc.errors import OmcError, Refused, WrongUse
from omc.facts.connections import Connections
from omc.facts.definitions import Definition, Definitions
from omc.facts.quotas import Quotas
from omc.facts.scaling import ScalableTarget, Scaling
from omc.facts.services import Deployment, EcsService, Services
from omc.facts.subnets import Subnet, Subnets
from omc.facts.temporary import ScaledForAWhile, Temporary
from omc.facts.workers import Workers
from omc.model.plan import Plan, Risk, from_json, to_json
from omc.model.requests import RestartRequest as Restart
from omc.model.requests import ScaleRequest
from support import release_facts as example

STACK = load(Path(__file__).parents[4] / "omc.toml")
STAGING, PRODUCTION = STACK.environments["staging"], STACK.environments["production"]
NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


def deployment(
    status: str = "PRIMARY", rollout: str = "COMPLETED", revision: str = "ohmycoins-backend:7"
) -> Deployment:
    return Deployment("ecs-svc/1", status, rollout, "", 2, 2, 0, 0, "ohmycoins-backend:7", NOW, NOW)


def service(name: str = "backend", desired: int = 2, **more: Any) -> EcsService:
    plain = EcsService(
        name=name,
        status="ACTIVE",
        desired=desired,
        running=desired,
        pending=0,
        task_definition=f"ohmycoins-{name}:7",
        deployments=(deployment(),),
        events=(),
        breaker=True,
    )
    return replace(plain, **more)


TARGETS = (
    ScalableTarget("backend", 2, 10, suspended=False, policies=("cpu", "memory")),
    ScalableTarget("frontend", 2, 10, suspended=False, policies=("cpu",)),
)


def definition(name: str, image: str) -> Definition:
    body = {"containerDefinitions": [{"name": name, "image": image}]}
    return Definition(f"ohmycoins-{name}:7", f"arn:{name}", "ACTIVE", body)


DEFINITIONS = Definitions(
    running={
        "backend": definition(
            "backend",
            f"registry/ohmycoins/backend@sha256:{'a' * 64}",
        ),
        "frontend": definition("frontend", "registry/ohmycoins/frontend:latest"),
    },
    applied={},
)


FACTS: Mapping[str, Any] = {
    "environment": STAGING,
    "workers": Workers(),
    "services": Services((service(), service("frontend"))),
    "scaling": Scaling(TARGETS),
    "connections": Connections(80, {"backend": 6}),
    "subnets": Subnets({"backend": (Subnet("subnet-a", "2a", 240), Subnet("subnet-b", "2b", 239))}),
    "quotas": Quotas(64.0, {"backend": 1.0, "frontend": 0.25}, 2.5),
    "definitions": DEFINITIONS,
}


def planned(request: ScaleRequest, **facts: Any) -> Plan:
    return example.planned("scale", request, **{**FACTS, **facts})


def restarted(request: Restart, **facts: Any) -> Plan:
    return example.planned("restart", request, **{**FACTS, **facts})


def arguments(plan: Plan) -> list[tuple[str, dict[str, Any]]]:
    return [(step.action, {k: v for k, v in step.arguments.items() if k != "service"}) for step in plan.steps]


def kept(plan: Plan) -> tuple[int, int]:
    """The limits that the autoscaler gets."""
    [(_, wish)] = arguments(plan)
    return wish["minimum"], wish["maximum"]


def test_a_count_becomes_the_autoscalers_minimum_first_so_that_it_is_not_undone() -> None:
    plan = planned(ScaleRequest("backend", 4))
    assert arguments(plan) == [
        ("scaling.set", {"minimum": 4, "maximum": 10, "at_least": 4, "at_most": 4, "settle_seconds": 90})
    ]
    [step] = plan.steps
    assert (step.before, step.after) == ("2 tasks, limits 2-10", "4 tasks, limits 4-10")
    assert step.undo is not None
    assert step.undo.description == "back to 2 tasks, limits 2-10"
    assert step.undo.arguments == {
        "service": "backend",
        "minimum": 2,
        "maximum": 10,
        "at_least": 2,
        "at_most": 2,
        "settle_seconds": 90,
    }
    assert (plan.risk, plan.refusals) == (Risk.LOW, ())
    assert any("won't go below 4" in note for note in plan.notes)


@pytest.mark.parametrize(
    ("count", "note"),
    [
        (3, "The autoscaler won't go below 3 tasks until its minimum is set again: --min."),
        (10, "The autoscaler won't go below 10 tasks until its minimum is set again: --min."),
        (2, None),
        (1, "The autoscaler may go down to 1 task until its minimum is set again: --min."),
        (0, "The autoscaler may go down to 0 tasks until its minimum is set again: --min."),
    ],
)
def test_the_plan_says_what_becomes_of_the_autoscalers_minimum(count: int, note: str | None) -> None:
    notes = [each for each in planned(ScaleRequest("backend", count)).notes if each.startswith("The autoscaler")]
    assert notes == ([note] if note else [])


def test_fewer_tasks_than_the_minimum_lower_it() -> None:
    plan = planned(ScaleRequest("backend", 3), services=Services((service(desired=6), service("frontend"))))
    assert kept(plan) == (3, 10)
    assert plan.risk is Risk.LOW


@pytest.mark.parametrize(
    ("requested", "limits"),
    [
        (ScaleRequest("backend", 10), (10, 10)),
        (ScaleRequest("backend", 12), (12, 12)),
        (ScaleRequest("backend", 1), (1, 10)),
        (ScaleRequest("backend", 4, maximum=6), (4, 6)),
        (ScaleRequest("backend", 4, minimum=2), (2, 10)),
        (ScaleRequest("backend", minimum=3), (3, 10)),
        (ScaleRequest("backend", minimum=12), (12, 12)),
        (ScaleRequest("backend", minimum=3, maximum=8), (3, 8)),
    ],
)
def test_limits_follow_from_what_is_asked(requested: ScaleRequest, limits: tuple[int, int]) -> None:
    plan = planned(requested, connections=Connections(1000, {"backend": 6}))
    assert kept(plan) == limits
    within = limits[0] >= 2 and limits[1] <= 10
    assert plan.risk is (Risk.LOW if within else Risk.HIGH)
    assert any("Outside the limits of omc.toml" in note for note in plan.notes) is not within


def test_limits_alone_do_not_depend_on_how_many_run() -> None:
    few = planned(ScaleRequest("backend", minimum=3, maximum=8))
    many = planned(
        ScaleRequest("backend", minimum=3, maximum=8), services=Services((service(desired=5), service("frontend")))
    )
    assert few.hash == many.hash
    assert arguments(few) == [
        ("scaling.set", {"minimum": 3, "maximum": 8, "at_least": 3, "at_most": 8, "settle_seconds": 90})
    ]


def test_a_count_that_has_changed_since_makes_another_plan() -> None:
    """Four tasks instead of two is help; four instead of six, which the autoscaler has made of it, is not."""
    before = planned(ScaleRequest("backend", 4))
    after = planned(ScaleRequest("backend", 4), services=Services((service(desired=6), service("frontend"))))
    assert before.hash != after.hash


def test_for_a_while_sets_the_timer_before_anything_is_changed() -> None:
    plan = planned(ScaleRequest("backend", 4, seconds=7200))
    assert [step.action for step in plan.steps] == ["timers.set", "scaling.set"]
    timer = plan.steps[0].arguments
    assert (timer["seconds"], timer["procedure"]) == (7200, "scale")
    assert "for 2h: back to 2-10 tasks" in str(timer["why"])
    back = ScaleRequest(**json.loads(json.dumps(timer["request"])))
    assert (back.minimum, back.maximum, back.count) == (2, 10, None)

    scaled = Scaling((replace(TARGETS[0], minimum=4), TARGETS[1]))
    restored = planned(back, scaling=scaled, services=Services((service(desired=4), service("frontend"))))
    assert arguments(restored) == [
        ("scaling.set", {"minimum": 2, "maximum": 10, "at_least": 2, "at_most": 10, "settle_seconds": 90})
    ]
    assert restored.risk is Risk.LOW

    changed = Scaling((replace(TARGETS[0], minimum=5), TARGETS[1]))
    left = planned(back, scaling=changed)
    assert left.steps == ()
    assert left.title == "Leave backend at 5-10: it was to be set back from 4-10, and was changed since"


def test_a_timer_that_is_to_come_is_named() -> None:
    until = datetime(2026, 11, 30, 10, tzinfo=UTC)
    pending = ScaledForAWhile("backend", "0vqk3m7x", "jo", until, (4, 10), (2, 10))
    notes = " ".join(planned(ScaleRequest("backend", 6), temporary=Temporary((pending,))).notes)
    assert "The timer 0vqk3m7x (jo) is to set backend back to 2-10" in notes
    assert "omc runs cancel 0vqk3m7x" in notes
    assert "timer" not in " ".join(planned(ScaleRequest("frontend", 2), temporary=Temporary((pending,))).notes)
    back = ScaleRequest("backend", minimum=2, maximum=10, gives_back=(2, 10))
    assert "timer" not in " ".join(planned(back, temporary=Temporary((pending,))).notes)


def test_without_an_autoscaler_the_count_is_all_there_is() -> None:
    plan = planned(ScaleRequest("backend", 4, seconds=600), scaling=Scaling(()))
    assert [step.action for step in plan.steps] == ["timers.set", "scaling.set"]
    back = ScaleRequest(**json.loads(json.dumps(plan.steps[0].arguments["request"])))
    assert (back.count, back.gives_back) == (2, [4])
    assert any("no autoscaler" in note for note in plan.notes)
    with pytest.raises(Refused, match="has no limits to set"):
        planned(ScaleRequest("backend", minimum=4), scaling=Scaling(()))


def test_more_connections_than_the_database_has_are_refused_with_the_sum() -> None:
    plan = planned(ScaleRequest("backend", 11))
    [refusal] = plan.refusals
    assert "11 tasks of backend may open 66 database connections (11 backend at 6 each)" in refusal
    assert "more than the 64 that are for tasks (80 % of max_connections, 80)" in refusal
    assert "--override" in refusal

    overridden = planned(ScaleRequest("backend", 11, override="the sale starts"))
    assert overridden.refusals == ()
    assert overridden.notes[0].startswith("Overridden (the sale starts): 11 tasks of backend may open 66")
    assert overridden.hash != plan.hash


def test_a_maximum_that_is_too_high_already_does_not_stop_a_small_step() -> None:
    narrow = Connections(40, {"backend": 6})
    assert planned(ScaleRequest("backend", 4), connections=narrow).refusals == ()
    assert planned(ScaleRequest("backend", 6), connections=narrow).refusals
    assert planned(ScaleRequest("backend", maximum=11), connections=narrow).refusals


def test_a_limit_that_is_a_formula_is_said_to_be_unknown() -> None:
    plan = planned(
        ScaleRequest("backend", 4), connections=Connections(None, {"backend": 6}, "the group sets no number")
    )
    message = (
        "the database has enough connections is not known: more tasks may be refused theirs. The group sets no number."
    )
    assert any(message in note for note in plan.notes)


def test_addresses_that_are_not_there_are_refused() -> None:
    full = Subnets({"backend": (Subnet("subnet-a", "2a", 1), Subnet("subnet-b", "2b", 0))})
    [refusal] = planned(ScaleRequest("backend", 4), subnets=full).refusals
    assert "2 more tasks of backend need 2 addresses, and its subnets have 1 left (2a 1, 2b 0)" in refusal
    assert planned(ScaleRequest("backend", 3), subnets=full).refusals == ()
    assert planned(ScaleRequest("backend", 1), subnets=full).refusals == ()


def test_a_quota_that_is_too_small_is_refused_and_one_that_is_unknown_is_not_compared() -> None:
    small = Quotas(6.0, {"backend": 1.0}, 2.5)
    [refusal] = planned(ScaleRequest("backend", 8), quotas=small).refusals
    assert (
        "6 more tasks of backend (1 vCPUs each) make 8.5 vCPUs, 2.5 of them now, more than the 6 that Fargate"
        in refusal
    )
    assert planned(ScaleRequest("backend", 5), quotas=small).refusals == ()
    unknown = planned(ScaleRequest("backend", 8), quotas=Quotas(None, {}, 0.0))
    assert unknown.refusals == ()
    assert not any("quota was compared" in note for note in unknown.notes)


def test_production_is_not_scaled_to_nothing_without_a_reason() -> None:
    [refusal] = planned(ScaleRequest("backend", 0), environment=PRODUCTION).refusals
    assert "serves nobody, and this is production" in refusal
    assert planned(ScaleRequest("backend", 0, override="it is under attack"), environment=PRODUCTION).refusals == ()
    staging = planned(ScaleRequest("backend", 0))
    assert (staging.refusals, staging.risk) == ((), Risk.HIGH)
    assert any("serves nobody" in note for note in staging.notes)


def test_a_deployment_in_progress_is_reported() -> None:
    going_on = service(deployments=(deployment(rollout="IN_PROGRESS"), deployment("ACTIVE")))
    plan = planned(ScaleRequest("backend", 1), services=Services((going_on, service("frontend"))))
    assert "A deployment of ohmycoins-backend:7 to backend is in progress." in plan.notes
    assert any(
        note.startswith("The deployment in progress goes on") and "Scaling in removes" in note for note in plan.notes
    )


@pytest.mark.parametrize(
    ("requested", "sentence"),
    [
        (
            ScaleRequest("backnd", 4),
            'staging has no service "backnd"; it has backend, frontend. Did you mean "backend"',
        ),
        (ScaleRequest("backend"), "Say what to scale to"),
        (ScaleRequest("backend", minimum=8, maximum=3), "The minimum, 8, is more than the maximum, 3"),
        (ScaleRequest("backend", 4, minimum=5), "4 tasks are not between 5 and 10"),
        (ScaleRequest("backend", 4, maximum=3), "minimum, 4, is more than the maximum, 3"),
    ],
)
def test_what_makes_no_sense_is_wrong_use(requested: ScaleRequest, sentence: str) -> None:
    with pytest.raises(WrongUse, match=sentence):
        planned(requested)


def test_a_service_that_is_gone_is_refused() -> None:
    with pytest.raises(
        Refused,
        match=r"There is no service backend in the cluster ohmycoins-staging; .* it has frontend",
    ):
        planned(ScaleRequest("backend", 4), services=Services((service("frontend"),), ("backend",)))


numbers = st.none() | st.integers(0, 40)


@given(
    count=numbers,
    minimum=numbers,
    maximum=numbers,
    now=st.integers(0, 20),
    limits=st.tuples(st.integers(0, 20), st.integers(0, 20)).map(lambda pair: (min(pair), max(pair))),
    override=st.sampled_from(["", "because"]),
)
def test_whatever_is_asked_the_plan_survives_json_and_the_autoscaler_holds_the_count(
    count: int | None, minimum: int | None, maximum: int | None, now: int, limits: tuple[int, int], override: str
) -> None:
    request = ScaleRequest("backend", count, minimum, maximum, override=override)
    facts = {
        "scaling": Scaling((ScalableTarget("backend", *limits, suspended=False, policies=()),)),
        "services": Services((service(desired=now), service("frontend"))),
    }
    try:
        plan = planned(request, **facts)
    except OmcError:
        return
    assert from_json(json.loads(json.dumps(to_json(plan)))).hash == plan.hash
    [(_, wish)] = arguments(plan)
    assert wish["minimum"] <= wish["at_least"] <= wish["at_most"] <= wish["maximum"]
    if count is not None:
        assert wish["at_least"] == wish["at_most"] == count
    assert planned(ScaleRequest(**json.loads(json.dumps(plan.request))), **facts).hash == plan.hash


# -- restart


def test_a_restart_is_new_tasks_of_the_same_revision_one_service_after_the_other() -> None:
    plan = restarted(Restart(("all",)), services=Services((service(), service("frontend"))))
    assert [step.name for step in plan.steps] == ["restart-backend", "restart-frontend"]
    assert plan.steps[0].action == "ecs.roll_service"
    assert plan.steps[0].arguments == {
        "service": "backend",
        "task_definition": "ohmycoins-backend:7",
        "digests": {"backend": f"sha256:{'a' * 64}"},
        "force_new": True,
        "instead_of": ["ohmycoins-backend:7"],
        "settle_seconds": 90,
    }
    assert plan.steps[1].arguments["digests"] == {}, "a tag may have moved since: nothing is expected of it"
    assert (plan.risk, plan.refusals, plan.notes) == (Risk.LOW, (), ())
    assert [s.name for s in restarted(Restart(["frontend"])).steps] == ["restart-frontend"]


def test_a_restart_does_not_take_the_place_of_a_deployment() -> None:
    going_on = service(deployments=(deployment(rollout="IN_PROGRESS"), deployment("ACTIVE")))
    [refusal] = restarted(Restart(("backend",)), services=Services((going_on,))).refusals
    assert "A deployment of ohmycoins-backend:7 to backend is in progress. Wait for it" in refusal
    asleep = Services((service(desired=0),))
    [refusal] = restarted(Restart(("backend",)), services=asleep).refusals
    assert "scaled to zero" in refusal


def test_a_restart_of_a_deregistered_revision_is_refused_with_what_to_do_instead() -> None:
    gone = replace(DEFINITIONS.running["backend"], status="INACTIVE")
    there = Definitions({**DEFINITIONS.running, "backend": gone}, {})
    [refusal] = restarted(Restart(), definitions=there).refusals
    assert refusal.startswith("ohmycoins-backend:7 of backend is INACTIVE")
    assert "omc deploy --force-new backend" in refusal


def test_a_restart_of_what_is_not_there_is_wrong_use() -> None:
    with pytest.raises(WrongUse, match=r'staging has no service "fronted"; .* Did you mean "frontend"'):
        restarted(Restart(("fronted",)))
    with pytest.raises(
        Refused,
        match=r"There is no service frontend in the cluster ohmycoins-staging; .* it has backend",
    ):
        restarted(Restart(), services=Services((service(),)))
