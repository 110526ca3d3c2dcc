"""What a fault is, and the list of all of them. Starting, keeping and stopping them is ``component``'s."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import localcloud.faults
from localcloud.core.named import Registry

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

Memory = dict[str, Any]
"""What a started fault must remember to be kept up and undone; plain JSON, saved with the cloud."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that whoever starts a fault may choose."""

    default: str
    help: str


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to break the stack. Its functions run outside of the cloud's lock and may take seconds."""

    name: str
    """Words joined by hyphens: ``lock-pile-up``."""
    injected: str
    """The cause that is made, in one sentence."""
    symptom: str
    """What is to be seen through the AWS API, in one sentence."""
    start: Callable[[Cloud, Mapping[str, str]], Memory]
    """Make the cause; the settings are complete (defaults filled in). Raises ``AwsError`` that says why it can't be
    made now (nothing to break, already broken otherwise) with nothing changed."""
    stop: Callable[[Cloud, Memory], None]
    """Undo the cause. Safe to call twice, and where somebody has already mended it by other means."""
    settings: Mapping[str, Setting] = field(default_factory=dict)
    keep: Callable[[Cloud, Memory], None] | None = None
    """Called about each second while the fault is in force, and so also after the cloud's restart: the place to
    start again a worker that has ended. May change the memory."""


NEEDS: Mapping[str, frozenset[str]] = {
    "application": frozenset({"ecr", "ecs"}),
    "backups": frozenset({"rds"}),
    "cache": frozenset({"elasticache"}),
    "credits": frozenset({"rds"}),
    "database": frozenset({"rds"}),
    "dependency": frozenset({"outside-api"}),
    "maintenance": frozenset({"ecr", "ecs", "elasticache", "rds"}),
    "metrics": frozenset({"cloudwatch"}),
    "network": frozenset({"ecr", "ecs", "elasticache", "rds"}),
    "release": frozenset({"ecr", "ecs"}),
    "releasing": frozenset({"ecr", "ecs"}),
    "scaling": frozenset({"application-autoscaling", "ecr", "ecs"}),
    "sessions": frozenset({"ecs"}),
    "traffic": frozenset({"elbv2"}),
    "transactions": frozenset({"rds"}),
}
"""The services (names of entry points) without which a module's faults have nothing to break; its imports load them."""


def all_faults(services: Collection[str] | None = None) -> Registry[str, Fault]:
    """Every fault by its name, those that the modules here list in ``FAULTS``; of these services alone where given."""
    faults: Registry[str, Fault] = Registry("fault")
    names = [each.name for each in pkgutil.iter_modules(localcloud.faults.__path__)]
    offered = [name for name in names if services is None or NEEDS.get(name, frozenset()) <= set(services)]
    modules = [importlib.import_module(f"localcloud.faults.{name}") for name in offered]
    for fault in (fault for module in modules for fault in getattr(module, "FAULTS", ())):
        faults.add(fault.name, fault)
    return faults
