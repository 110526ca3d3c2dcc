"""Which procedures there are, and how one is made into a plan from what was asked and the facts it needs."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, get_type_hints

from omc.model.plan import Plan
from omc.model.registry import Registry
from omc.procedures.readings import without

__all__ = ["PLANNERS", "planner", "request_type", "without"]

PLANNERS: Registry[str, str] = Registry(
    "procedure",
    {
        "deploy": "omc.procedures.deploy:plan_deploy",
        "migrate": "omc.procedures.migrate:migrate",
        "restart": "omc.procedures.restart:restart",
        "scale": "omc.procedures.scale:scale",
        "rollback": "omc.procedures.rollback:plan_rollback",
        "run-task": "omc.procedures.run_task:run_task",
        "prune": "omc.procedures.prune:plan_prune",
        "infra-apply": "omc.procedures.infrastructure_preflight:plan_apply",
        "infra-destroy": "omc.procedures.infrastructure_preflight:plan_destroy",
    },
)
"""A procedure's name to ``module:function``. Such a function takes ``asked``, a frozen dataclass of plain values that
come back from JSON as ``Asked(**json)``, and facts by their types; it returns the plan, or raises ``WrongUse`` for what
makes no sense (an unknown service) and ``Refused`` where there is no plan to show."""


def planner(procedure: str) -> Callable[..., Plan]:
    """The function that plans a procedure. Raises ``KeyError`` for one that doesn't exist."""
    module, _, name = PLANNERS[procedure].partition(":")
    function: Callable[..., Plan] = getattr(import_module(module), name)
    return function


def request_type(procedure: str) -> type[Any]:
    """The class of what a procedure is asked for."""
    kind: type[Any] = get_type_hints(planner(procedure))["request"]
    return kind
