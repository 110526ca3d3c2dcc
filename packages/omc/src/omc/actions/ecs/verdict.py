"""What became of a deployment: a pure judgement of one reading. Nothing here asks AWS.

Success is *our* deployment completed, the expected revision and image on every task, all targets healthy, and tasks
wanted at all. ECS settled on an older revision is *rolled back*, whatever a waiter says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from omc.actions.action import Verdict
from omc.facts.rollouts import Rollout
from omc.facts.tasks import RunningTask
from omc.judgement.service_kinds import unsupported
from omc.output.text import counted, verb


@dataclass(frozen=True, slots=True)
class Expected:
    """What shall run at the end."""

    service: str
    task_definition: str
    """``family:revision``."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """Of each container whose image is pinned."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with its sentence, or None and how far it is."""

    verdict: Verdict | None
    sentence: str


def judge(rollout: Rollout, expected: Expected, ours: str) -> Judgement:
    """``ours``: the ARN of our service deployment; empty where the service ran the revision already."""
    service, deployment, newest = rollout.service, rollout.ours, rollout.newest
    name, wanted = expected.service, expected.task_definition
    if service is None:
        return Judgement(Verdict.FAILED, f"{name} does not exist any more.")
    if why := unsupported(service):  # it was made so since the plan
        return Judgement(Verdict.UNKNOWN, f"What became of {wanted} is unknown: {why}")
    if "loadBalancers" in service.unlisted:
        return Judgement(None, f"{name}: ECS doesn't say whether a load balancer checks its tasks")
    if ours and deployment is None:
        return Judgement(None, f"{name}: ECS doesn't show our deployment {ours.rpartition('/')[2]} yet.")
    if deployment is not None and deployment.status in ("ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED"):
        back, why = deployment.back_to or "the revision before", reason_of(rollout)
        if deployment.status == "ROLLBACK_SUCCESSFUL":
            return Judgement(Verdict.ROLLED_BACK, f"ECS rolled {name} back to {back}: {why}.")
        return Judgement(Verdict.FAILED, f"{wanted} failed and ECS could not roll {name} back to {back}: {why}.")
    # An older one is no successor: a list may lag behind the call that made ours, for ECS is eventually consistent.
    if deployment is not None and newest is not None and newest.arn != ours and newest.created >= deployment.created:
        what = f"another deployment, of {newest.task_definition or 'an unknown revision'}, took its place"
        return Judgement(Verdict.SUPERSEDED, f"{name}: {what} at {newest.created:%H:%M:%S} UTC.")
    if deployment is not None and deployment.status == "STOPPED":
        return Judgement(Verdict.FAILED, f"The deployment of {wanted} to {name} was stopped: {reason_of(rollout)}.")
    if deployment is not None and deployment.status.startswith("ROLLBACK"):
        return Judgement(None, f"{name}: ECS rolls back: {reason_of(rollout)}")
    if service.desired == 0:
        return Judgement(Verdict.FAILED, f"{name} is scaled to zero, so nothing of {wanted} runs.")
    if deployment is not None and deployment.status != "SUCCESSFUL":
        return Judgement(None, _progress(rollout, expected))
    if missing := _missing(rollout, expected):
        return Judgement(None, f"{name}: {missing}")
    tasks, targets = len(rollout.tasks), len(rollout.targets)
    return Judgement(
        Verdict.SUCCEEDED,
        f"{name} runs {wanted} on {tasks} task{'s' if tasks != 1 else ''}"
        + (f", {targets} target{'s' if targets != 1 else ''} healthy." if targets else "."),
    )


def all_healthy(rollout: Rollout, expected: Expected) -> bool:
    """As many tasks of the expected revision as are wanted serve, whatever else is still on its way out."""
    service = rollout.service
    if service is None or not service.desired:
        return False
    serving = Counter(target.id for target in rollout.targets if target.state == "healthy")
    good = [task for task in rollout.tasks if _runs(task, expected) and task.status == "RUNNING"]
    groups = len(service.target_groups)
    if groups:  # in each of them
        good = [task for task in good if any(serving[address] >= groups for address in task.addresses)]
    return len(good) >= service.desired


def reason_of(rollout: Rollout) -> str:
    """Why ECS ended it, in ECS's words where it gives any."""
    deployment = rollout.ours
    if deployment is None:
        return "ECS gives no reason"
    if deployment.alarms:
        return f"alarm {', '.join(deployment.alarms)}"
    message = deployment.rollback_reason or deployment.reason
    if deployment.breaker == "TRIGGERED" and "circuit breaker" not in message.lower():
        message = f"circuit breaker: {message}" if message else "circuit breaker"
    return message.rstrip(".") or "ECS gives no reason"


def _missing(rollout: Rollout, expected: Expected) -> str:
    """What is still not as expected; empty where all is."""
    service = rollout.service
    assert service is not None  # judged before  # noqa: S101
    primary = next((each for each in service.deployments if each.status == "PRIMARY"), None)
    if primary is None or primary.task_definition != expected.task_definition:
        return f"its primary deployment is of {primary.task_definition if primary else 'nothing'}"
    if primary.rollout not in ("COMPLETED", None):
        return f"its primary deployment is {primary.rollout}"
    others = [task for task in rollout.tasks if not _runs(task, expected)]
    if others:
        return (
            f"{counted(len(others), 'task')} {verb(len(others), 'runs', 'run')} something else "
            f"({others[0].task_definition})"
        )
    running = [task for task in rollout.tasks if task.status == "RUNNING"]
    if len(running) < service.desired or len(running) < len(rollout.tasks):
        return f"{len(running)} of {max(service.desired, len(rollout.tasks))} tasks run"
    sick = [target for target in rollout.targets if target.state != "healthy"]
    if sick:
        return f"{len(sick)} of {len(rollout.targets)} targets are {sick[0].state}"
    if service.target_groups and len(rollout.targets) < service.desired * len(service.target_groups):
        return f"{counted(len(rollout.targets), 'target')} {verb(len(rollout.targets), 'is', 'are')} registered"
    return ""


def _runs(task: RunningTask, expected: Expected) -> bool:
    """The revision, and the very image: pulled with that digest, or named by it."""
    return task.task_definition == expected.task_definition and all(
        task.digests.get(container) == digest or task.images.get(container, "").endswith(f"@{digest}")
        for container, digest in expected.digests.items()
    )


def _progress(rollout: Rollout, expected: Expected) -> str:
    service = rollout.service
    assert service is not None  # judged before  # noqa: S101
    ours = next((each for each in service.deployments if each.task_definition == expected.task_definition), None)
    old = sum(each.running for each in service.deployments if each is not ours)
    healthy = sum(target.state == "healthy" for target in rollout.targets)
    running, pending, failed = (ours.running, ours.pending, ours.failed) if ours else (0, 0, 0)
    parts = [f"{running} of {service.desired} new tasks run"]
    parts += [f"{pending} starting"] if pending else []
    parts += [f"{failed} failed"] if failed else []
    parts += [f"{old} old"] if old else []
    parts += [f"{healthy} of {len(rollout.targets)} targets healthy"] if rollout.targets else []
    return f"{expected.service}: {', '.join(parts)}"
