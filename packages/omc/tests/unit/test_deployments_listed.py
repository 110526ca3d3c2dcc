"""``omc deployments``: a release is said to serve only where it does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from omc.facts.deployments import History
from omc.facts.services import EcsService, Services
from omc.reports.deployments import lines_of
from support import release_facts as example


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
