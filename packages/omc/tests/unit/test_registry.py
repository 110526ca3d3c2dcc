"""One mechanism for all that registers itself by name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from omc.actions.action import ACTIONS, action_named
from omc.checks.spec import CHECKS
from omc.cli.main import COMMANDS
from omc.model.registry import NotRegistered, Registry
from omc.procedures.catalogue import PLANNERS, planner


def test_a_name_is_given_once() -> None:
    tools: Registry[str, Callable[[], None]] = Registry("tool")

    @tools.register("hammer")
    def hammer() -> None: ...

    with pytest.raises(RuntimeError, match=r"The tool hammer is registered twice: .*hammer and .*another"):

        @tools.register("hammer")
        def another() -> None: ...

    assert dict(tools) == {"hammer": hammer}


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("hamer", "There is no tool hamer. Did you mean hammer?"),
        ("spanner", "There is no tool spanner."),
        ("", "There is no tool ."),
    ],
)
def test_an_unknown_name_is_reported_with_what_comes_near(asked: str, sentence: str) -> None:
    with pytest.raises(NotRegistered) as caught:
        Registry("tool", {"hammer": 1})[asked]
    assert str(caught.value) == sentence


def test_names_in_two_parts_are_reported_with_a_dot() -> None:
    with pytest.raises(NotRegistered, match=r"no operation ecs.UpdateServise. Did you mean ecs.UpdateService\?"):
        Registry("operation", {("ecs", "UpdateService"): 1})["ecs", "UpdateServise"]


@pytest.mark.parametrize("registry", [ACTIONS, CHECKS, PLANNERS, COMMANDS], ids=lambda registry: registry.kind)
def test_what_omc_has_by_name_is_in_registries(registry: Registry[str, object]) -> None:
    assert isinstance(registry, Registry)
    with pytest.raises(NotRegistered, match=f"There is no {registry.kind} no such"):
        registry["no such"]


@pytest.mark.parametrize("name", ["ecs.rol_service", "nothing.at_all", "ecs", "../x.y", ""])
def test_an_action_of_another_omc_is_no_traceback(name: str) -> None:
    with pytest.raises(NotRegistered, match="There is no action"):
        action_named(name)


def test_a_procedure_that_is_not_there_is_reported() -> None:
    with pytest.raises(KeyError, match=r"There is no procedure deplyo\. Did you mean deploy"):
        planner("deplyo")
