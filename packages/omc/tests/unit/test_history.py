"""ECS's own history: all its pages, by time, and no sentence that claims more than was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omc.errors import BadAnswer, Refused
from omc.facts import deployments
from omc.facts.definitions import Definitions
from omc.facts.deployments import History, list_deployments, read_history
from omc.facts.releases import Ledger
from omc.facts.rollouts import read_rollout
from omc.facts.services import Services
from omc.model.requests import RollbackRequest
from omc.procedures.candidates import candidates, last_good, reach, rolled_back_from, stays
from support import release_facts as example

B = "ohmycoins-backend"
ZONE = "Australia/Sydney"


@dataclass
class Ecs:
    """ECS's history of one service: revisions from the oldest on, a deployment an hour."""

    revisions: list[str]
    page: int = 100
    shuffled: bool = False
    calls: list[str] = field(default_factory=list)
    environment: Any = field(default_factory=example.environment)

    def client(self, _: str) -> Ecs:
        return self

    def get_paginator(self, _: str) -> Any:
        return self

    def paginate(self, **_: Any) -> list[Any]:
        return [{"taskArns": []}]

    def describe_services(self, **_: Any) -> Mapping[str, Any]:
        return {"services": []}

    def list_service_deployments(self, *, maxResults: int, nextToken: str = "0", **_: Any) -> Mapping[str, Any]:  # noqa: N803
        self.calls.append("list")
        order = list(reversed(range(len(self.revisions))))
        if self.shuffled:  # ECS promises no order
            order = order[1::2] + order[::2]
        size, begin = min(maxResults, self.page), int(nextToken)
        more = {"nextToken": str(begin + size)} if begin + size < len(order) else {}
        briefs = [{"serviceDeploymentArn": f"d{number}", "createdAt": self.at(number)} for number in order]
        return {"serviceDeployments": briefs[begin : begin + size], **more}

    def at(self, number: int) -> Any:
        return example.NOW - timedelta(hours=len(self.revisions) - number)

    def describe_service_deployments(self, *, serviceDeploymentArns: list[str]) -> Mapping[str, Any]:  # noqa: N803
        assert len(serviceDeploymentArns) <= deployments.A_CALL
        self.calls.append("describe")
        return {
            "serviceDeployments": [
                {
                    "serviceDeploymentArn": arn,
                    "status": "SUCCESSFUL",
                    "createdAt": self.at(int(arn[1:])),
                    "finishedAt": self.at(int(arn[1:])),
                    "targetServiceRevision": {"arn": f"r{arn[1:]}"},
                }
                for arn in serviceDeploymentArns
            ]
        }

    def describe_service_revisions(self, *, serviceRevisionArns: list[str]) -> Mapping[str, Any]:  # noqa: N803
        assert len(serviceRevisionArns) <= deployments.A_CALL
        return {
            "serviceRevisions": [
                {"serviceRevisionArn": arn, "taskDefinition": f"x/{self.revisions[int(arn[1:])]}"}
                for arn in serviceRevisionArns
            ]
        }


def history_of(revisions: list[str], **more: Any) -> History:
    ecs: Any = Ecs(revisions, **more)
    return read_history(ecs, Services((example.service("backend", 8),)))


def revisions_read(history: History) -> list[str]:
    return [deployment.left for deployment in history.of["backend"]]


@pytest.mark.parametrize("restarts", [0, 1, 38, 39, 40, 41, 42, 89, 99, 100, 101, 250, 700])
@pytest.mark.parametrize("page", [7, 20, 100])
def test_the_revision_before_is_found_however_often_the_running_one_was_deployed_anew(restarts: int, page: int) -> None:
    """Nightly restarts: case 04 has 42 of them."""
    history = history_of([f"{B}:7", *[f"{B}:8"] * (restarts + 1)], page=page)
    found = last_good(candidates("backend", f"{B}:8", history, Ledger(()), example.NOW))
    assert found is not None
    assert found.task_definition == f"{B}:7"
    assert history.read_back_to == {}


def test_a_page_that_leads_to_itself_is_not_read_for_ever() -> None:
    class Circle(Ecs):
        def list_service_deployments(self, **request: Any) -> Mapping[str, Any]:
            return {**super().list_service_deployments(maxResults=request["maxResults"]), "nextToken": "0"}

    ecs: Any = Circle([f"{B}:7"])
    with pytest.raises(BadAnswer, match="as the next page"):
        read_history(ecs, Services((example.service("backend", 7),)))


def test_no_more_is_read_than_is_wanted_and_it_is_said_how_far() -> None:
    ecs: Any = Ecs([f"{B}:{number}" for number in range(1, 301)])
    services: Any = Services((example.service("backend", 300),))
    history = read_history(ecs, services)
    assert ecs.calls == ["list"] * 3 + ["describe"] * 2
    assert revisions_read(history)[:2] == [f"{B}:300", f"{B}:299"]
    assert history.read_back_to == {"backend": example.NOW - timedelta(hours=40)}
    assert reach(services.services[0], history, ZONE).startswith("Of backend, the 40 newest deployments that ECS knows")


@pytest.mark.parametrize(
    ("revisions", "sentence"),
    [
        ([f"{B}:7"], "Of backend, the one deployment that ECS knows was read; it keeps 90 days."),
        ([f"{B}:7", f"{B}:8"], "Of backend, all 2 deployments that ECS knows were read; it keeps 90 days."),
    ],
)
def test_one_deployment_is_reported_as_one(revisions: list[str], sentence: str) -> None:
    assert reach(example.service("backend", 8), history_of(revisions), ZONE) == sentence


def test_a_history_without_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployments, "MOST_LISTED", 200)
    history = history_of([f"{B}:7", *[f"{B}:8"] * 500])
    assert len(history.of["backend"]) == 200
    assert "backend" in history.read_back_to
    with pytest.raises(Refused, match=r"the 200 newest deployments that ECS knows were read, back to"):
        rollback(history)


def rollback(history: History, **more: Any) -> Any:
    facts = example.facts(services=Services((example.service("backend", 8), example.service("frontend", 3))))
    new, frontend = example.definition("backend", 8, "b"), example.definition("frontend", 3, "a")
    there = {
        "services": more.get("services", facts["services"]),
        "definitions": Definitions({"backend": new, "frontend": frontend}, {}),
        "history": history,
        "found": example.candidates(example.definition("backend", 7, "a"), new, frontend),
        "ledger": example.ledger(),
    }
    return example.planned("rollback", RollbackRequest(services=["backend"]), **there)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=60), st.integers(1, 30))
def test_newest_is_by_time_whatever_the_order_and_size_of_pages(numbers: list[int], page: int) -> None:
    revisions = [f"{B}:{number}" for number in numbers]
    ecs: Any = Ecs(revisions, page=page, shuffled=True)
    assert list_deployments(ecs, "backend", 1) == (f"d{len(numbers) - 1}",)
    newest = read_rollout(ecs, "backend", "d0").newest
    assert newest is not None
    assert newest.task_definition == revisions[-1]
    read = revisions_read(history_of(revisions, page=page, shuffled=True))
    assert read == list(reversed(revisions))[: len(read)]


@dataclass
class Replaced(Ecs):
    """The newest deployment is stopped by another one that is made between the two calls of a reading."""

    def describe_service_deployments(self, **asked: Any) -> Mapping[str, Any]:
        if self.calls == ["list"]:
            self.revisions.append(f"{B}:9")
        answer = super().describe_service_deployments(**asked)
        for record in answer["serviceDeployments"]:
            if record["serviceDeploymentArn"] == "d1":
                record["status"] = "STOPPED"
        return answer


def test_what_stopped_ours_is_read_though_it_was_made_after_the_list() -> None:
    ecs: Any = Replaced([f"{B}:7", f"{B}:8"])
    rollout = read_rollout(ecs, "backend", "d1")
    assert rollout.ours is not None
    assert rollout.newest is not None
    assert (rollout.ours.status, rollout.newest.arn, rollout.newest.task_definition) == ("STOPPED", "d2", f"{B}:9")


def test_nothing_is_read_twice_of_one_that_was_only_stopped() -> None:
    ecs: Any = Replaced([f"{B}:7", f"{B}:8"], calls=["before"])
    rollout = read_rollout(ecs, "backend", "d1")
    assert rollout.newest == rollout.ours
    assert ecs.calls == ["before", "list", "describe", "list"]


def test_what_ecs_no_longer_knows_is_not_what_never_was() -> None:
    """A service that runs COMPLETED what was deployed before the ninety days."""
    backend = example.service("backend", 8)
    nothing = History({"backend": ()})
    assert "not known to ECS any more: it keeps 90 days" in reach(backend, nothing, ZONE)
    assert reach(replace(backend, deployments=()), nothing, ZONE) == (
        "ECS knows of no deployment to backend; it keeps 90 days."
    )
    with pytest.raises(Refused, match="not known to ECS any more: it keeps 90 days") as refused:
        rollback(nothing)
    assert "was deployed" not in refused.value.message.replace("What was deployed to backend before is not", "")


V1, V2 = "backend-v1", "backend-v2"


@pytest.mark.parametrize(
    ("sequence", "left"),
    [
        ([f"{V1}:12", f"{V2}:1"], set()),
        ([f"{V1}:12", f"{V2}:1", f"{V2}:2"], set()),
        ([f"{V1}:12", f"{V2}:1", f"{V1}:12"], {f"{V2}:1"}),
        ([f"{V1}:12", f"{V2}:1", f"{V1}:13"], set()),
        ([f"{V2}:1", f"{V1}:12"], set()),
        ([f"{V1}:1", f"{V1}:2", f"{V1}:1"], {f"{V1}:2"}),
        ([f"{V1}:2", f"{V1}:1"], {f"{V1}:2"}),
        ([f"{V1}:1", f"{V1}:2", f"{V1}:1", f"{V1}:2"], set()),
        ([f"{V1}:1", f"{V1}:2", f"{V1}:3", f"{V1}:1"], {f"{V1}:3"}),
        ([f"{V1}:1", f"{V2}:9", f"{V1}:1", f"{V2}:10"], {f"{V2}:9"}),
        ([f"{V1}:100", f"{V2}:99", f"{V2}:100"], set()),
        ([f"{V1}:9", f"{V1}:10", f"{V1}:11"], set()),
    ],
)
def test_numbers_of_two_families_are_not_compared(sequence: list[str], left: set[str]) -> None:
    deployed = [example.deployed(name, len(sequence) - place) for place, name in enumerate(sequence)]
    found = stays("backend", History({"backend": tuple(reversed(deployed))}), Ledger(()))
    assert rolled_back_from(found) == left


def test_a_change_of_family_can_be_gone_back_over() -> None:
    history = History({"backend": (example.deployed(f"{V2}:1", 1), example.deployed(f"{V1}:12", 24))})
    found = last_good(candidates("backend", f"{V2}:1", history, Ledger(()), example.NOW))
    assert found is not None
    assert found.task_definition == f"{V1}:12"


def test_a_definition_of_another_family_is_newer_only_by_its_date() -> None:
    one = replace(example.definition("backend", 12, "a"), registered=example.NOW)
    other = replace(example.definition("backend", 1, "b"), name=f"{V2}:1", registered=example.NOW + timedelta(hours=1))
    assert other.is_newer_than(one)
    assert not one.is_newer_than(other)
    assert not replace(one, registered=None).is_newer_than(other)
    assert replace(one, name=f"{V2}:2", registered=None).is_newer_than(other)
