"""What ECR's scan found in the images that the services run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.errors import NotFound, OmcError
from omc.facts.collector import NO_READING, Reading, reads_in
from omc.facts.definitions import Definitions
from omc.facts.images import parse
from omc.times import in_utc


@dataclass(frozen=True, slots=True)
class Scan:
    """Of one image."""

    image: str
    """``repository@sha256:…``, shortened, or with its tag."""
    services: tuple[str, ...]
    status: str
    """COMPLETE, ACTIVE (Inspector looks at it all the time), ``missing``, or what ECR says; ``unread`` with a
    problem."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """By severity: CRITICAL, HIGH, MEDIUM, LOW, INFORMATIONAL, UNDEFINED."""
    worst: tuple[str, ...] = ()
    """Names of critical and high findings, a few."""
    at: datetime | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ImageScans:
    scans: tuple[Scan, ...] = ()
    reading: Reading = NO_READING


@reads_in(2)
def read_image_scans(aws: Gateway, definitions: Definitions) -> ImageScans:
    """One question for each image of ECR's that the services' current revisions name."""
    services: dict[str, list[str]] = {}
    for service, definition in definitions.running.items():
        for image in definition.images.values():
            services.setdefault(image, []).append(service)
    found = parallel_map(lambda one: _scan(aws, one[0], tuple(one[1])), services.items())
    return ImageScans(tuple(one for one in found if one))


def _scan(aws: Gateway, image: str, services: tuple[str, ...]) -> Scan | None:
    reference = parse(image)
    if reference is None or ".ecr" not in reference.registry:
        return None
    name = f"{reference.repository}@{reference.digest[:19]}" if reference.digest else reference.repository + ":" + (
        reference.tag
    )  # fmt: skip
    identity = {"imageDigest": reference.digest} if reference.digest else {"imageTag": reference.tag}
    try:
        answer: Any = aws.client("ecr").describe_image_scan_findings(
            repositoryName=reference.repository,
            imageId=identity,  # type: ignore[arg-type]
            maxResults=100,
        )
    except NotFound:
        return Scan(name, services, "missing")
    except OmcError as error:
        return Scan(name, services, "unread", problem=error.message)
    findings = answer.get("imageScanFindings", {})
    each = [*findings.get("findings", ()), *findings.get("enhancedFindings", ())]
    names = [
        str(one.get("name") or one.get("title", "")) for one in each if one.get("severity") in ("CRITICAL", "HIGH")
    ]
    return Scan(
        name,
        services,
        answer.get("imageScanStatus", {}).get("status", ""),
        dict(findings.get("findingSeverityCounts", {})),
        tuple(dict.fromkeys(names))[:5],
        in_utc(findings.get("imageScanCompletedAt")),
    )
