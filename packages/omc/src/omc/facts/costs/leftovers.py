"""What is kept and perhaps no longer used: snapshots, secrets, images, volumes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.definitions import Definitions
from omc.times import in_utc


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One that somebody made: AWS removes its own by itself."""

    kind: str
    """``database``, ``cache`` or ``volume``."""
    name: str
    made: datetime | None
    gib: float
    """Of the source, which is the most that it can be: AWS doesn't tell what a snapshot itself takes."""


@dataclass(frozen=True, slots=True)
class KeptSecret:
    name: str
    made: datetime | None
    last_read: datetime | None
    """A day's exactness (Secrets Manager, ``LastAccessedDate``); None: never, since AWS keeps this."""


@dataclass(frozen=True, slots=True)
class Repository:
    """Of images, that the environment's tasks run from."""

    name: str
    images: int
    bytes: float
    old: tuple[datetime, ...]
    """Of images that no tag is on, when each was pushed or pulled last."""
    old_bytes: float
    """Of those."""


@dataclass(frozen=True, slots=True)
class Volume:
    """A disk that no machine has."""

    id: str
    gib: float
    made: datetime | None


@dataclass(frozen=True, slots=True)
class Leftovers:
    snapshots: tuple[Snapshot, ...] = ()
    secrets: tuple[KeptSecret, ...] = ()
    repositories: tuple[Repository, ...] = ()
    volumes: tuple[Volume, ...] = ()
    reading: Reading = NO_READING


@reads
def read_leftovers(aws: Gateway, environment: Environment, definitions: Definitions) -> Leftovers:
    """Six listings, side by side; of images those of the repositories that the running task definitions name."""
    images = [image for one in definitions.running.values() for image in one.images.values()]
    names = sorted({name for image in images if (name := _repository(image))})
    readings = (_database_snapshots, _cache_snapshots, _volume_snapshots)
    snapshots = parallel_map(lambda read: read(aws, environment), readings)
    secrets = _secrets(aws, environment)
    running = {image.partition("@")[2] for image in images}
    repositories = parallel_map(lambda name: _images(aws, name, running), names)
    return Leftovers(
        tuple(one for some in snapshots for one in some),
        tuple(secrets),
        tuple(one for one in repositories if one.images),
        tuple(_volumes(aws)),
    )


def _repository(image: str) -> str:
    """``ohmycoins/backend`` of an image in ECR, else empty."""
    registry, _, rest = image.partition("/")
    return rest.partition("@")[0].partition(":")[0] if ".dkr.ecr." in registry else ""


def _database_snapshots(aws: Gateway, environment: Environment) -> list[Snapshot]:
    pages = aws.client("rds").get_paginator("describe_db_snapshots").paginate(SnapshotType="manual")
    return [
        Snapshot(
            "database",
            one["DBSnapshotIdentifier"],
            in_utc(one.get("SnapshotCreateTime")),
            float(one.get("AllocatedStorage", 0)),
        )
        for page in pages
        for one in page["DBSnapshots"]
        if one.get("DBInstanceIdentifier", "").startswith(environment.prefix)
    ]


def _cache_snapshots(aws: Gateway, environment: Environment) -> list[Snapshot]:
    pages = aws.client("elasticache").get_paginator("describe_snapshots").paginate(SnapshotSource="user")
    found = []
    for page in pages:
        for one in page["Snapshots"]:
            source = one.get("ReplicationGroupId") or one.get("CacheClusterId") or ""
            if source.startswith(environment.prefix):
                nodes: Any = one.get("NodeSnapshots") or ({},)
                size = sum(_gib(node.get("CacheSize", "")) for node in nodes)
                found.append(Snapshot("cache", one["SnapshotName"], in_utc(nodes[0].get("SnapshotCreateTime")), size))
    return found


def _gib(text: str) -> float:
    """``CacheSize`` is ``6 MB`` or ``2 GB``."""
    number, _, unit = text.partition(" ")
    try:
        return float(number) / {"KB": 1024**2, "MB": 1024, "GB": 1}[unit]
    except (KeyError, ValueError):
        return 0.0


def _volume_snapshots(aws: Gateway, _: Environment) -> list[Snapshot]:
    """All that the account made in the region: nothing of the stack has disks of its own."""
    pages = aws.client("ec2").get_paginator("describe_snapshots").paginate(OwnerIds=["self"])
    return [
        Snapshot("volume", one["SnapshotId"], in_utc(one["StartTime"]), float(one["VolumeSize"]))
        for page in pages
        for one in page["Snapshots"]
        if not one.get("Description", "").startswith("Created by CreateImage")
    ]


def _secrets(aws: Gateway, environment: Environment) -> list[KeptSecret]:
    wanted: Any = [{"Key": "name", "Values": [environment.prefix]}]
    pages = aws.client("secretsmanager").get_paginator("list_secrets").paginate(Filters=wanted)
    return [
        KeptSecret(one["Name"], in_utc(one.get("CreatedDate")), in_utc(one.get("LastAccessedDate")))
        for page in pages
        for one in page["SecretList"]
        if not one.get("DeletedDate") and not one.get("OwningService")
    ]


def _images(aws: Gateway, name: str, running: Collection[str]) -> Repository:
    pages = aws.client("ecr").get_paginator("describe_images").paginate(repositoryName=name)
    images: list[Mapping[str, Any]] = [one for page in pages for one in page["imageDetails"]]
    untagged = [one for one in images if not one.get("imageTags") and one.get("imageDigest") not in running]
    used = [at for one in untagged if (at := in_utc(one.get("lastRecordedPullTime") or one.get("imagePushedAt")))]
    return Repository(
        name,
        len(images),
        sum(float(one.get("imageSizeInBytes", 0)) for one in images),
        tuple(sorted(used)),
        sum(float(one.get("imageSizeInBytes", 0)) for one in untagged),
    )


def _volumes(aws: Gateway) -> list[Volume]:
    wanted: Any = [{"Name": "status", "Values": ["available"]}]
    pages = aws.client("ec2").get_paginator("describe_volumes").paginate(Filters=wanted)
    return [
        Volume(one["VolumeId"], float(one["Size"]), in_utc(one["CreateTime"]))
        for page in pages
        for one in page["Volumes"]
    ]
