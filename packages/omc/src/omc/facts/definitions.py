"""Task definitions: what the services run, whole, and what Terraform would have them run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.config import Environment, Service
from omc.errors import AwsRefused
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.services import Services

if TYPE_CHECKING:
    from types_boto3_ecs.type_defs import DescribeTaskDefinitionResponseTypeDef

ANSWERED_ONLY = frozenset(
    {
        *("taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities", "registeredAt"),
        *("registeredBy", "deregisteredAt", "deleteRequestedAt"),
    }
)
"""Members of an answer that RegisterTaskDefinition doesn't take."""
NEWEST = 10
"""Revisions of a family that are looked through for the newest one that Terraform made."""
RUN_TAG, STEP_TAG = "omc:run", "omc:step"
"""Tags that omc puts on the revisions that it registers."""
TERRAFORM_TAG = ("ManagedBy", "terraform")
"""A tag that the stack's Terraform puts on everything that it makes."""
IMAGE_TAG = "Image"
"""A tag with the image for which the stack's Terraform made the revision. Tools that deploy another image copy it."""
OWN_TAGS = (RUN_TAG, STEP_TAG, TERRAFORM_TAG[0], IMAGE_TAG)
"""Tags that say who made a revision, so that they mustn't be copied to another."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One revision of a task definition."""

    name: str
    """``family:revision``."""
    arn: str
    status: str
    """ACTIVE, INACTIVE or DELETE_IN_PROGRESS."""
    body: Mapping[str, Any]
    """What RegisterTaskDefinition takes to make the same again, without tags."""
    tags: Mapping[str, str] = field(default_factory=dict)
    registered: datetime | None = None

    @property
    def revision(self) -> int:
        return int(self.name.rpartition(":")[2])

    @property
    def family(self) -> str:
        return self.name.rpartition(":")[0]

    def is_newer_than(self, other: Definition) -> bool:
        """By when they were registered. Numbers show that only within one family."""
        if self.registered and other.registered:
            return self.registered > other.registered
        return self.family == other.family and self.revision > other.revision

    @property
    def is_active(self) -> bool:
        """Whether a service can be put on it."""
        return self.status == "ACTIVE"

    @property
    def images(self) -> Mapping[str, str]:
        """Each container's image reference."""
        return {container["name"]: container["image"] for container in self.body["containerDefinitions"]}

    @property
    def made_by_omc(self) -> bool:
        return RUN_TAG in self.tags

    @property
    def made_by_terraform(self) -> bool:
        key, value = TERRAFORM_TAG
        is_copy = self.tags.get(IMAGE_TAG) not in (None, *self.images.values())
        return not self.made_by_omc and self.tags.get(key) == value and not is_copy

    @property
    def tags_to_copy(self) -> Mapping[str, str]:
        """Those that a revision made from it gets too."""
        return {key: value for key, value in self.tags.items() if key not in OWN_TAGS and not key.startswith("aws:")}


@dataclass(frozen=True, slots=True)
class Definitions:
    """By service."""

    running: Mapping[str, Definition]
    """What the service is set to."""
    applied: Mapping[str, Definition]
    """The newest of the family that Terraform made, where there is one among its newest ten."""
    migrating: Mapping[str, Definition] = field(default_factory=dict)
    """Of services whose migration has a family of its own: its newest that Terraform made, or else its newest."""
    reading: Reading = NO_READING


@reads
def read_definitions(aws: Gateway, environment: Environment, services: Services) -> Definitions:
    """A call for each revision; one listing a family."""
    ours = [service for service in services.services if service.task_definition]
    running = parallel_map(lambda service: describe_definition(aws, service.task_definition), ours)
    names = [service.name for service in ours]
    known = [service for service in environment.services if service.name in names]
    applied = parallel_map(lambda service: newest_definition(aws, service.family, terraforms=True), known)
    migrations = [service for service in known if service.migrate_family]
    migrating = parallel_map(lambda service: newest_migration(aws, service), migrations)
    return Definitions(
        running={name: found for name, found in zip(names, running, strict=True) if found},
        applied={service.name: found for service, found in zip(known, applied, strict=True) if found},
        migrating={service.name: found for service, found in zip(migrations, migrating, strict=True) if found},
    )


def newest_migration(aws: Gateway, service: Service) -> Definition | None:
    """What the next migration of a service starts from, where migrations have a family of their own.

    Revisions of omc's are Terraform's with another image, so that the newest of any will do where ten of them were
    made since Terraform's.
    """
    family = service.migrate_family or service.family
    return newest_definition(aws, family, terraforms=True) or newest_definition(aws, family, terraforms=False)


def newest_definition(aws: Gateway, family: str, *, terraforms: bool) -> Definition | None:
    """The newest ACTIVE revision of a family; with ``terraforms``, the newest that Terraform made of its last ten."""
    response = aws.client("ecs").list_task_definitions(familyPrefix=family, sort="DESC", maxResults=NEWEST)
    for arn in response["taskDefinitionArns"]:
        definition = describe_definition(aws, arn)
        if definition is not None and (definition.made_by_terraform or not terraforms):
            return definition
    return None


def describe_definition(aws: Gateway, name: str) -> Definition | None:
    """One revision with its tags; None where there is no such revision."""
    try:
        return definition_of(aws.client("ecs").describe_task_definition(taskDefinition=name, include=["TAGS"]))
    except AwsRefused as error:
        if error.code == "ClientException":  # ECS's word for a revision that doesn't exist
            return None
        raise


def describe_definitions(aws: Gateway, names: Sequence[str]) -> Mapping[str, Definition]:
    """Those of the revisions that exist, by the name that was asked for."""
    found = parallel_map(lambda name: describe_definition(aws, name), names)
    return {name: definition for name, definition in zip(names, found, strict=True) if definition}


def definition_of(answer: DescribeTaskDefinitionResponseTypeDef) -> Definition:
    record: Mapping[str, Any] = answer["taskDefinition"]
    registered = record.get("registeredAt")
    return Definition(
        name=f"{record['family']}:{record['revision']}",
        arn=record["taskDefinitionArn"],
        status=record.get("status", "ACTIVE"),
        body={key: value for key, value in record.items() if key not in ANSWERED_ONLY},
        tags={tag.get("key", ""): tag.get("value", "") for tag in answer.get("tags", [])},
        registered=registered.astimezone(UTC) if registered else None,
    )
