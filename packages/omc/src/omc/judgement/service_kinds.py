"""Which kinds of ECS service omc can change and judge: one table, for every command alike.

omc knows one kind well: Fargate tasks that ECS itself replaces by the rolling strategy. Of every other kind its verdict
would be wrong (it would wait for targets in a group that no request reaches, or undo a good release), so a change of
it is refused before anything is done, and the morning check leaves its deployments to whoever makes them.
"""

from __future__ import annotations

from collections.abc import Mapping

from omc.facts.services import EcsService

CONTROLLER, STRATEGY, SCHEDULING, LAUNCH, PROVIDER = "controller", "strategy", "scheduling", "launch type", "provider"
_ELSEWHERE = "so change it by Terraform or by ECS itself"
_BY_GROUPS = (
    f"by ECS's {{value}} strategy, which moves requests between two target groups; omc knows rolling only, {_ELSEWHERE}"
)
_INSTANCES = "runs on {value}, not on Fargate; omc knows Fargate tasks only, " + _ELSEWHERE

KINDS: Mapping[str, Mapping[str, str]] = {
    CONTROLLER: {
        "ECS": "",
        "CODE_DEPLOY": "is deployed by CODE_DEPLOY, not by ECS; change it there",
        "EXTERNAL": "is deployed by an EXTERNAL controller through task sets, not by ECS; change it there",
    },
    STRATEGY: {
        "ROLLING": "",
        "BLUE_GREEN": f"is deployed {_BY_GROUPS}",
        "LINEAR": f"is deployed {_BY_GROUPS}",
        "CANARY": f"is deployed {_BY_GROUPS}",
    },
    SCHEDULING: {
        "REPLICA": "",
        "DAEMON": "is a DAEMON service, one task on each instance; omc knows REPLICA services only, " + _ELSEWHERE,
    },
    LAUNCH: {"FARGATE": "", "EC2": _INSTANCES, "EXTERNAL": _INSTANCES, "MANAGED_INSTANCES": _INSTANCES},
    PROVIDER: {"FARGATE": "", "FARGATE_SPOT": ""},
}
"""What is said of each value; empty: supported. Values as in ECS's API model."""
_UNKNOWN: Mapping[str, str] = {
    PROVIDER: "takes its tasks from the capacity provider {value}, not from Fargate; omc knows Fargate tasks only, "
    + _ELSEWHERE,
}


def unsupported(service: EcsService) -> str:
    """Why omc can't change or judge this service, in a sentence with its name; empty where it can."""
    for kind, value in _kinds_of(service):
        message = KINDS[kind].get(value, _UNKNOWN.get(kind, f"has the {kind} {{value}}, which this omc doesn't know"))
        if message:
            return f"{service.name} {message.format(value=value)}."
    return ""


def is_rolled_by_ecs(service: EcsService) -> bool:
    """Its deployments are ECS's own rolling ones, so that what ECS says of them can be judged."""
    return service.controller == "ECS" and service.strategy == "ROLLING"


def _kinds_of(service: EcsService) -> list[tuple[str, str]]:
    """What ECS doesn't tell is what it takes by default; a service has a launch type or capacity providers."""
    found = [
        (CONTROLLER, service.controller),
        (STRATEGY, service.strategy),
        (SCHEDULING, service.scheduling),
    ]
    if launch := service.launch.get("launchType"):
        found.append((LAUNCH, str(launch)))
    providers = service.launch.get("capacityProviderStrategy", ())
    return found + [(PROVIDER, str(each.get("capacityProvider", ""))) for each in providers]
