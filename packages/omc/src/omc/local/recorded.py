"""Recorded stacks as files: written whole, read with their version, compared with what omc.toml says."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omc.config import Environment
from omc.errors import WrongUse
from omc.local.recording import VERSION


def write(stack: Mapping[str, Any], file: Path) -> None:
    """Whole or not at all. Names of a company's things are in it, so only the user may read it."""
    fresh = file.with_name(f"{file.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as output:
        output.write(json.dumps(stack, indent=2) + "\n")
    fresh.replace(file)


def read(file: Path) -> dict[str, Any]:
    """Raises ``WrongUse`` for a file that isn't a recorded stack of this version."""
    try:
        stack = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise WrongUse(f"{file} can't be read as a recorded stack: {error}. Record one: omc local clone") from error
    if not isinstance(stack, dict) or stack.get("version") != VERSION:
        raise WrongUse(f"{file} isn't a recorded stack of version {VERSION}. Record it again: omc local clone")
    return stack


def digest(file: Path) -> str:
    """Of what the file says."""
    return hashlib.sha256(json.dumps(read(file), sort_keys=True).encode()).hexdigest()


def require_alike(stack: Mapping[str, Any], environment: Environment) -> None:
    """Refuse to make a stack in which omc wouldn't find what omc.toml names. Raises ``WrongUse``."""
    found = list(differences(stack, environment))
    if found:
        raise WrongUse(
            f"The recorded stack isn't what omc.toml says of {environment.name}: {'; '.join(found)}. Give "
            f"[environments.{environment.name}] the same names and the region of {stack.get('environment')}."
        )


def differences(stack: Mapping[str, Any], environment: Environment) -> Iterator[str]:
    """What omc.toml names otherwise, a phrase each."""
    if stack["region"] != environment.region:
        yield f"its region is {stack['region']}, not {environment.region}"
    made = {(each["cluster"], each["serviceName"]) for each in stack["services"]}
    wanted = {(each.cluster, each.ecs_service) for each in environment.services}
    for cluster, name in sorted(wanted - made):
        yield f"it has no service {name} in the cluster {cluster}"
    families = {(each["cluster"], each["serviceName"]): each["taskDefinition"] for each in stack["services"]}
    log_groups = {each["logGroupName"] for each in stack["log_groups"]}
    groups = {each["Name"] for each in stack["target_groups"]}
    for service in environment.services:
        family = families.get((service.cluster, service.ecs_service))
        if family is None:
            continue
        if family != service.family:
            yield f"the family of {service.ecs_service} is {family}, not {service.family}"
        if service.log_group not in log_groups:
            yield f"it has no log group {service.log_group}"
        for name in service.target_groups:
            if name not in groups:
                yield f"it has no target group {name}"
    database = stack.get("database") or {}
    held = database.get("cluster", {}).get("DBClusterIdentifier") or database.get("instance", {}).get(
        "DBInstanceIdentifier"
    )
    named = environment.database_cluster or environment.database
    if (held or "") != (named or ""):
        yield f"its database is {held or 'none'}, not {named or 'none'}"
    balancers = {each["Name"] for each in stack["load_balancers"]}
    if environment.load_balancer and environment.load_balancer not in balancers:
        yield f"it has no load balancer {environment.load_balancer}"
