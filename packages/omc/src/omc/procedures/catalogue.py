"""Which procedures there are, and how one is made into a plan from what was asked and the facts it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from importlib import import_module
from typing import Any, get_type_hints

from omc.config import Environment
from omc.model.plan import Plan
from omc.model.registry import Registry
from omc.output.text import counted
from omc.procedures.readings import without

__all__ = ["PLANNERS", "planner", "request_type", "schedules", "without"]

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
        "backup-create": "omc.procedures.backups:plan_create",
        "backup-verify": "omc.procedures.backups:plan_verify",
        "backup-restore": "omc.procedures.backup_restore:plan_restore",
        "backup-prune": "omc.procedures.backups:plan_prune_backups",
        "backup-sweep": "omc.procedures.backups:plan_sweep",
        "infra-apply": "omc.procedures.infrastructure_preflight:plan_apply",
        "infra-destroy": "omc.procedures.infrastructure_preflight:plan_destroy",
        "maintenance": "omc.procedures.maintenance:plan_maintenance",
        "database-reboot": "omc.procedures.database:plan_reboot",
        "database-class": "omc.procedures.database:plan_class",
        "database-storage": "omc.procedures.database:plan_storage",
        "database-parameter": "omc.procedures.database:plan_parameter",
        "database-rotate": "omc.procedures.database:plan_rotate",
        "database-certificate": "omc.procedures.database:plan_certificate",
        "database-apply": "omc.procedures.database:plan_apply",
        "database-upgrade": "omc.procedures.database_upgrade:plan_upgrade",
        "database-cleanup": "omc.procedures.database_upgrade:plan_cleanup",
        "cache-failover": "omc.procedures.cache:plan_failover",
        "cache-scale": "omc.procedures.cache:plan_scale",
        "cache-upgrade": "omc.procedures.cache:plan_upgrade",
        "cache-valkey": "omc.procedures.cache:plan_valkey",
        "cache-reboot": "omc.procedures.cache:plan_reboot",
        "cache-apply": "omc.procedures.cache:plan_apply",
    },
)
"""A procedure's name to ``module:function``. Such a function takes ``asked``, a frozen dataclass of plain values that
come back from JSON as ``Asked(**json)``, and facts by their types; it returns the plan, or raises ``WrongUse`` for what
makes no sense (an unknown service) and ``Refused`` where there is no plan to show."""


def schedules(environment: Environment) -> Iterator[tuple[str, timedelta, str]]:
    """What a worker does by itself in an environment: the procedure with an empty request, how often, and why."""
    if days := environment.backups.verify_every_days:
        yield "backup-verify", timedelta(days=days), f"the newest backup is verified every {counted(days, 'day')}"


def planner(procedure: str) -> Callable[..., Plan]:
    """The function that plans a procedure. Raises ``KeyError`` for one that doesn't exist."""
    module, _, name = PLANNERS[procedure].partition(":")
    function: Callable[..., Plan] = getattr(import_module(module), name)
    return function


def request_type(procedure: str) -> type[Any]:
    """The class of what a procedure is asked for."""
    kind: type[Any] = get_type_hints(planner(procedure))["request"]
    return kind
