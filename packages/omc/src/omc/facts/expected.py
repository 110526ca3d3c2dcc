"""What should be there, as Terraform's state has it; without one, see ``omc.facts.expected_without_state``.

The state is read by one GetObject and never kept: of each resource only the attributes that its row in
``omc.facts.expected_kinds`` names are taken. What isn't in the state isn't expected.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from omc.aws.gateway import Gateway
from omc.aws.local import local_endpoint
from omc.config import Environment
from omc.errors import AccessDenied, AwsRefused, NotFound, OmcError
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.expected_kinds import ALIASES, BY_TYPE, Kind
from omc.facts.older_rules import as_single_rules
from omc.facts.terraform_values import Key, Values

STATE_VERSION = 4
"""Of Terraform's state files, since Terraform 0.12."""
NOTHING_THERE = frozenset({"NoSuchBucket", "NoSuchKey", "404"})


@dataclass(frozen=True, slots=True)
class Thing:
    """One resource, as it should be or as it is."""

    type: str
    values: Values
    """In Terraform's words; only what its kind keeps."""
    is_optional: bool = False
    """Where it exists, it should be like this; it need not exist."""

    @property
    def kind(self) -> Kind:
        return BY_TYPE[self.type]

    @property
    def name(self) -> str:
        return self.kind.name(self.values)

    @property
    def keys(self) -> tuple[Key, ...]:
        """What it may be found by, the surest first."""
        return tuple(key(self.values) for key in self.kind.ids)


@dataclass(frozen=True, slots=True)
class Expected:
    """All that should be there."""

    things: tuple[Thing, ...]
    written: datetime | None = None
    """When Terraform wrote the state; None: this doesn't come from Terraform's state."""
    place: str = ""
    """``s3://bucket/key``: where the state is, or would be."""
    problem: str = ""
    """Why this doesn't come from the state, in a sentence; empty where it does, or where omc.toml wants no state."""
    is_none: bool = False
    """There is no state at that place."""
    action: str = ""
    """The IAM action whose lack is the problem; else empty."""
    reading: Reading = NO_READING

    @property
    def is_states(self) -> bool:
        return self.written is not None

    def of(self, *types: str) -> tuple[Thing, ...]:
        return tuple(thing for thing in self.things if thing.type in types)


@reads
def read_expected(aws: Gateway, environment: Environment) -> Expected:
    """One GetObject; one question to STS where omc.toml doesn't give the account that the bucket is named by."""
    if not environment.terraform_state:
        return Expected(())
    bucket, key, owner = _place(aws, environment)
    expected = Expected((), place=f"s3://{bucket}/{key}")
    try:
        whose: Any = {"ExpectedBucketOwner": owner} if owner else {}
        response = aws.client("s3").get_object(Bucket=bucket, Key=key, **whose)
        written, body = response["LastModified"].astimezone(UTC), response["Body"].read()
    except AccessDenied as error:
        return replace(expected, problem=error.message, action=error.action)
    except (NotFound, AwsRefused) as error:
        if isinstance(error, NotFound) or error.code in NOTHING_THERE:
            return replace(expected, problem=f"There is no Terraform state at {expected.place}.", is_none=True)
        return replace(expected, problem=error.message)
    except OmcError as error:
        return replace(expected, problem=error.message)
    try:
        things = things_of(json.loads(body), environment, owner)
    except ValueError as error:
        return replace(expected, problem=f"Terraform's state at {expected.place} can't be used: {error}.")
    return replace(expected, things=things, written=written)


def _place(aws: Gateway, environment: Environment) -> tuple[str, str, str]:
    """Bucket, key, and the account that must own the bucket; empty where nobody need say."""
    account = environment.account or ""
    if environment.local_state is not None:
        account = local_endpoint(environment.local_state).account
    if "{account}" in environment.terraform_state and not account:
        account = str(aws.client("sts").get_caller_identity()["Account"])
    return *environment.state_in(account), account


def things_of(state: Any, environment: Environment, account: str = "") -> tuple[Thing, ...]:
    """What a state file holds of the kinds that are looked for, in this account and region.

    ``ValueError`` with the reason where it is no state that this omc can read.
    """
    if not isinstance(state, Mapping) or "encrypted_data" in state:
        raise ValueError("it is encrypted, or isn't a state")
    if state.get("version") != STATE_VERSION:
        raise ValueError(f"it has version {state.get('version')}, and omc reads version {STATE_VERSION}")
    resources = list(as_single_rules(_resources(state)))
    names = {
        str(values["id"]): str(values.get("name") or (values.get("tags") or {}).get("Name"))
        for _, values in resources
        if values.get("id") and (values.get("name") or (values.get("tags") or {}).get("Name"))
    }
    ports = {values.get("arn"): values.get("port") for kind, values in resources if kind == "aws_lb_listener"}
    return tuple(
        Thing(kind, _kept(kind, values, names, ports))
        for kind, values in resources
        if kind in BY_TYPE and _is_here(values, environment, account)
    )


def _resources(state: Mapping[str, Any]) -> Iterator[tuple[str, Values]]:
    for resource in state.get("resources") or ():
        if resource.get("mode") != "managed":
            continue
        kind = str(resource.get("type"))
        for instance in resource.get("instances") or ():
            if isinstance(attributes := instance.get("attributes"), Mapping) and not instance.get("deposed"):
                yield ALIASES.get(kind, kind), attributes


def _kept(kind: str, values: Values, names: Mapping[str, str], ports: Mapping[Any, Any]) -> dict[str, Any]:
    kept = {name: values[name] for name in BY_TYPE[kind].keeps.split() if name in values}
    if kind == "aws_lb_listener_rule":
        kept["_port"] = ports.get(values.get("listener_arn"))
    if kind.endswith("gress_rule"):
        kept["egress"] = "egress" in kind
    record = {str(value): names[str(value)] for value in kept.values() if isinstance(value, str) and value in names}
    return kept | ({"_names": record} if record else {})


def _is_here(values: Values, environment: Environment, account: str) -> bool:
    """What another provider of the same root made, in another region or account, isn't seen from here."""
    if values.get("region", environment.region) != environment.region:
        return False
    if values.get("service_namespace", "ecs") != "ecs":
        return False
    parts = str(values.get("arn") or "").split(":")
    if len(parts) < 6:
        return True
    return parts[3] in ("", environment.region) and (not account or parts[4] in ("", account))
