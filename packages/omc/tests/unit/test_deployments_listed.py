"""``omc deployments``: a release is said to serve only where it does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from omc.facts.deployments import History
from omc.facts.services import EcsService, Services
from omc.facts.serving import Served, Serving, read_serving
from omc.facts.tasks import RunningTask
from omc.output.markdown import render
from omc.reports.deployments import deployments_document, lines_of, served_now
from support import release_facts as example
from support.fake_gateway import FakeGateway


def service(name: str, **tasks: int) -> EcsService:
    """Running so many tasks of each revision: ``r7=2``."""
    numbers = {int(key[1:]): count for key, count in tasks.items()}
    made = example.service(name, max(numbers, default=7))
    deployments = tuple(
        replace(made.deployments[0], task_definition=f"ohmycoins-{name}:{number}", running=count)
        for number, count in numbers.items()
    )
    return replace(made, deployments=deployments)


FRONTEND = service("frontend", r3=2)


@pytest.mark.parametrize(
    ("services", "missing", "state", "expected"),
    [
        ((service("backend", r7=2), FRONTEND), (), "serving", ""),
        ((service("backend", r7=1), FRONTEND), (), "serving", ""),
        ((service("backend", r9=2), FRONTEND), (), "serving in part", "backend runs ohmycoins-backend:9"),
        ((service("backend", r7=1, r9=1), FRONTEND), (), "serving in part", "backend runs ohmycoins-backend:9"),
        (
            (service("backend", r9=2), service("frontend", r4=2)),
            (),
            "not serving",
            "frontend runs ohmycoins-frontend:4",
        ),
        ((service("backend", r7=0), FRONTEND), (), "serving in part", "no task of backend runs"),
        ((service("backend", r7=0), service("frontend", r3=0)), (), "not serving", "no task of frontend runs"),
        ((service("backend", r7=0, r6=2), FRONTEND), (), "serving in part", "backend runs ohmycoins-backend:6"),
        ((FRONTEND,), ("backend",), "serving in part", "backend does not exist any more"),
        ((), ("backend", "frontend"), "not serving", "frontend does not exist any more"),
    ],
)
def test_what_serves_is_what_runs(services: Any, missing: tuple[str, ...], state: str, expected: str) -> None:
    release = example.release(1, 1, 7, 3)
    [line] = lines_of(History({}), example.ledger(release), Services(services, missing))
    assert line.state == state
    assert expected in line.proof
    [over] = lines_of(History({}), example.ledger(replace(release, ended=example.NOW)), Services(services, missing))
    assert over.state == "ended"


@pytest.mark.parametrize("watched", [True, False])
def test_a_way_back_that_nobody_watched_is_unwatched_too(watched: bool) -> None:
    release = example.release(1, 1, 7, 3, proof={"watched": True} if watched else {"backend": 9.0}, is_rollback=True)
    [line] = lines_of(History({}), example.ledger(release), Services((service("backend", r7=2), FRONTEND)))
    assert ("unwatched" in line.proof) is not watched


def task(
    letter: str, hours_ago: float, *, number: str = "1", status: str = "RUNNING", revision: int = 7
) -> RunningTask:
    return RunningTask(
        id=number,
        task_definition=f"ohmycoins-backend:{revision}",
        status=status,
        health="HEALTHY",
        images={"backend": example.pinned("backend", letter)},
        digests={"backend": example.digest(letter)},
        started=example.NOW - timedelta(hours=hours_ago),
    )


@pytest.mark.parametrize(
    ("tasks", "shown"),
    [
        ([task("a", 5), task("a", 3)], [("a", 2, 5, False)]),
        ([task("a", 5), task("b", 1, revision=9)], [("a", 1, 5, False), ("b", 1, 1, True)]),
        ([task("b", 2, revision=9), task("b", 1, status="PENDING")], [("b", 1, 2, True)]),
        ([], [("", 0, None, True)]),
    ],
)
def test_what_runs_is_shown_by_image_beside_the_ledger_with_since_when_it_differs(
    tasks: list[RunningTask], shown: list[tuple[str, int, float | None, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omc.facts.serving.running_tasks_of", lambda _, __: {"backend": tuple(tasks)})
    services = Services((service("backend", r7=2),))
    serving = read_serving(FakeGateway({}), services)
    ledger = example.ledger(example.release(1, 5, 7, 3))
    found = served_now(serving, services, ledger)
    assert [
        (each.tasks, each.since and (example.NOW - each.since) / timedelta(hours=1), each.differs) for each in found
    ] == [(count, ago, differs) for _, count, ago, differs in shown]
    for each, (letter, *_) in zip(found, shown, strict=True):
        assert each.images == ((f"backend {example.digest(letter).removeprefix('sha256:')[:12]}",) if letter else ())
    document = deployments_document(History({}), ledger, services, serving, example.environment(), 5)
    assert [each["differs"] for each in document.data["running"]] == [differs for *_, differs in shown]
    text = render(document)
    assert ("differs from the ledger" in text) is any(differs for *_, differs in shown)


def test_what_omc_never_released_differs_from_nothing() -> None:
    services = Services((service("backend", r7=2),))
    served = Served("backend", {"backend": example.digest("a")}, ("ohmycoins-backend:7",), 2, example.NOW)
    [now] = served_now(Serving((served,)), services, example.ledger())
    assert (now.differs, now.beside) == (False, "omc has released nothing of it")
