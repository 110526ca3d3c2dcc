"""A run whose plan another version of omc made: what this one's actions don't take is said before anything of it is
done, and the run comes to its end, so that its environment can be changed again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from omc.actions import action as actions
from omc.actions.action import Action
from omc.engine import journal, planning
from omc.engine.actors import Actor
from omc.engine.execution import execute
from omc.engine.runner import NullReporter
from omc.engine.undoing import UndoRequest
from omc.errors import Refused
from omc.model.arguments.base import Arguments
from omc.model.plan import Plan, Risk, Step, Undo
from omc.procedures import catalogue
from omc.store.models import Run
from omc.store.opened import Store
from support.engine_world import World, opened_at
from support.fake_world import _commands, _look, _perform, _watch

ALICE = Actor("alice")
SET = {"key": "two", "value": "2"}
FIRST = Step(
    "one",
    "fake.set",
    {"key": "one", "value": "1"},
    "Set one",
    undo=Undo("fake.set", {"key": "one", "value": None}, "back"),
)


def begun(world: World, store: Store, steps: Sequence[Step]) -> Run:
    """A run that another version began, and that nobody holds any more."""
    environment = world.stack.environments["local"]
    plan = Plan("fake", "local", {"values": {"one": 1}}, "Set one", Risk.LOW, tuple(steps))
    run = journal.create(store, plan, ALICE, environment.approvals)
    lease = journal.claim(store, run.id, "alice")
    assert lease is not None
    journal.begin(lease, "alice")
    journal.release(lease, "alice")
    return run


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (Step("two", "fake.set", SET | {"colour": "red"}, "Set two"), 'step "two" (fake.set): colour: '),
        (Step("two", "fake.set", {"key": "two"}, "Set two"), 'step "two" (fake.set): value is missing'),
        (Step("two", "fake.set", SET | {"key": 2}, "Set two"), 'step "two" (fake.set): key: 2 is no str'),
        (
            Step("two", "fake.set", SET | {"password": None}, "Set two"),
            'step "two" (fake.set): password: None is no str',
        ),
        (
            Step("two", "fake.set", SET, "Set two", undo=Undo("fake.set", {"key": "two"}, "back")),
            'undo of the step "two" (fake.set): value is missing',
        ),
        (
            Step("two", "ecs.roll_service", {"service": "backend", "digests": {}}, "Roll"),
            'step "two" (ecs.roll_service): task_definition is missing',
        ),
    ],
)
def test_a_run_with_a_step_of_another_version_ends_before_anything_is_done(
    world: World, step: Step, expected: str
) -> None:
    with opened_at(world.place) as store:
        run = begun(world, store, (FIRST, step))
    refused = world.omc("runs", "resume", run.id)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1), refused.stderr
    for part in (f"the run {run.id} (fake)", expected, f"omc runs show {run.id}", "make the plan again"):
        assert part in refused.stderr
    assert world.effects() == []
    assert [(row["state"], row["verdict"]) for row in world.runs()] == [("ended", "unknown")]
    shown = world.omc("runs", "show", run.id)
    assert shown.returncode == 0, shown.stderr
    assert "Set one" in shown.stdout
    assert world.proof().returncode == 0
    assert world.set("three=3").returncode == 0


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (
            Step("two", "fake.polish", SET, "Polish"),
            "Polish: this omc can't perform fake.polish, which it lacks",
        ),
        (
            Step("two", "fake.set", {"key": "two", "value": {"output_of": "one", "key": "colour"}}, "Set two"),
            "Set two: an earlier step has no output 'colour', which fake.set needs.",
        ),
    ],
)
def test_what_only_turns_out_at_a_step_fails_it_and_the_steps_before_are_undone(
    world: World, step: Step, expected: str
) -> None:
    with opened_at(world.place) as store:
        run = begun(world, store, (FIRST, step))
    done = world.omc("runs", "resume", run.id)
    assert done.returncode != 0
    assert expected in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert world.values().get("one") is None
    assert world.proof().returncode == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OlderSet(Arguments):
    """What an older omc's action took."""

    ACTION: ClassVar[str] = "fake.set"
    key: str
    value: Any
    colour: str


@contextmanager
def an_older_omc() -> Iterator[None]:
    current = actions.ACTIONS.remove("fake.set")
    older: Any = OlderSet  # has what those of today's action read
    actions.register(Action(older, _perform, _look, _watch, _commands, 0.02))
    try:
        yield
    finally:
        actions.ACTIONS.remove("fake.set")
        actions.register(current)


def test_a_run_of_an_older_omc_can_be_read_and_is_not_undone_by_what_does_not_know_its_steps(world: World) -> None:
    red: dict[str, Any] = {"key": "one", "value": "1", "colour": "red"}
    step = Step("one", "fake.set", red, "Set one", undo=Undo("fake.set", red | {"value": None}, "back to None"))
    with opened_at(world.place) as store:
        site = planning.run_context(world.stack, world.stack.environments["local"], store, catalogue)
        with an_older_omc():
            run = begun(world, store, (step,))
            assert execute(site, run.id, "alice", NullReporter())
        assert world.values()["one"] == "1"
        with pytest.raises(Refused) as caught:
            planning.make(site, journal.UNDO, UndoRequest(run.id))
    assert str(caught.value) == (
        f'This omc can\'t undo the run {run.id}, whose plan another version made: step "undo-one" (fake.set): colour: '
        f"FakeSet has no such field. Nothing was changed. Undo it with that version, or by hand: omc runs show {run.id}"
    )
    refused = world.omc("runs", "undo", run.id, "--yes")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1), refused.stderr
    assert world.omc("runs", "show", run.id).returncode == 0
