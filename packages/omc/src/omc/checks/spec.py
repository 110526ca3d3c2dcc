"""What a check is: a function from facts to findings, and beside it what it asks and how bad its answer can be.

``CHECKS`` has every check whose module is imported; a ``CheckList`` (``omc.checks.run``) those that are run together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from omc.checks.finding import Finding, Level, Procedure
from omc.model.registry import Registry

Check: TypeAlias = "Callable[..., Iterator[Finding]]"
"""It names the facts that it needs by the types of its parameters."""
Function = TypeVar("Function", bound=Check)


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """What is known of a check before it is run."""

    id: str
    """``services-running``: the ``check`` of its findings."""
    title: str
    question: str
    severity: Level
    """The worst that it says of what it read, fail or warn; *unknown* for one that only reports. Any check says
    *unknown* of what it could not read."""
    runbook: Procedure
    """The section that answers its worst finding."""


CHECKS: Registry[str, Check] = Registry("check")
"""By id."""
_SPECS: dict[Check, CheckSpec] = {}


def check(
    id: str,  # noqa: A002 - the spec's own word
    *,
    title: str,
    question: str,
    severity: Level,
    runbook: Procedure,
    registry: Registry[str, Check] = CHECKS,
) -> Callable[[Function], Function]:
    """Register the function below as the check of this id. ``RuntimeError`` where another has it."""
    spec = CheckSpec(id, title, question, severity, runbook)

    def register(function: Function) -> Function:
        registry.add(id, function)
        _SPECS[function] = spec
        return function

    return register


def spec_of(function: Check) -> CheckSpec:
    """Raises ``RuntimeError`` for a function that isn't registered as a check."""
    try:
        return _SPECS[function]
    except KeyError:
        raise RuntimeError(f"{function.__name__} is no check: it lacks @check(…).") from None
