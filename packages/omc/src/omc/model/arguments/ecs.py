"""Arguments of the actions on ECS. A revision is ``family:revision``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from omc.model.arguments.base import Arguments, Late


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterRevision(Arguments):
    """A new revision of a task definition."""

    ACTION: ClassVar[str] = "ecs.register_revision"
    service: str
    """For the command to run by hand."""
    definition: Mapping[str, Any]
    """What RegisterTaskDefinition takes, with the values of secrets masked."""
    source: str = ""
    """The revision that those values are taken from; empty: there are none."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Beside those that say which run made it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollService(Arguments):
    """Put a service on a revision, and wait until the outcome is known."""

    ACTION: ClassVar[str] = "ecs.roll_service"
    service: str
    task_definition: Late[str]
    digests: Mapping[str, str]
    """The image of each container that is pinned."""
    force_new: bool = False
    """New tasks even though the revision is already running."""
    instead_of: tuple[Late[str], ...] = ()
    """The revisions that it may replace (none: any), so that an undo leaves alone what somebody else has put there."""
    back: bool = False
    """It is a rollback: ECS must not heed the deployment alarms."""
    settle_seconds: float = 0.0
    """For which the new tasks must stay well where no watch of the release follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopDeployment(Arguments):
    """Roll back a deployment that is still going on."""

    ACTION: ClassVar[str] = "ecs.stop_deployment"
    service: str
    service_deployment: str
    """Its ARN."""
    failing: str
    """The revision that it deploys."""
    settle_seconds: float = 0.0
    """For which new tasks of the revision it is back on must stay well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTask(Arguments):
    """One task that does something and ends."""

    ACTION: ClassVar[str] = "ecs.run_task"
    task_definition: Late[str]
    container: str
    command: tuple[str, ...]
    network: Mapping[str, Any]
    """``networkConfiguration`` as DescribeServices told it."""
    launch: Mapping[str, Any]
    """``launchType`` or ``capacityProviderStrategy``, and ``platformVersion``, as DescribeServices told them."""
    what: str
    """For sentences: ``the migration of backend``."""
    environment: Mapping[str, Late[str]] = field(default_factory=dict)
    """Variables of the container that are other than in the task definition."""
    cluster: str = ""
    """Where it runs; empty: in the environment's own cluster."""
    answers: bool = False
    """Whether it prints a line that begins with ``OMC-RESULT``, and JSON after that: its output ``result``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deregister(Arguments):
    """Make one revision INACTIVE."""

    ACTION: ClassVar[str] = "ecs.deregister"
    task_definition: Late[str]
