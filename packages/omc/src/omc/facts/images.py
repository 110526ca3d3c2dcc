"""Images in ECR: what a reference names, for which processor it was built, and what else is known of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.aws.pages import get_blob
from omc.config import Environment
from omc.errors import AwsRefused, NotFound, Unknown
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.definitions import Definitions
from omc.model.requests import DeployRequest

REFERENCE = re.compile(
    r"(?:(?P<registry>[^/@]+\.[^/@]+)/)?(?P<repository>[a-z0-9][a-z0-9._/-]*)?"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
CONFIGURATION_TYPES = ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")
"""The configuration of an image that can run. Anything else (a chart, a signature) names no processor."""
COMMIT = re.compile(r"(?:build-|sha-|git-)?([0-9a-f]{7,40})")
"""Tags that are a commit, as the workflow puts them on its builds."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An image as a person or a task definition names it."""

    registry: str = ""
    repository: str = ""
    tag: str = ""
    digest: str = ""

    @property
    def by_tag(self) -> bool:
        return not self.digest


ECR = re.compile(r"(?P<account>\d{12})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.[a-z0-9.]+")
"""A private registry of ECR, by any of its endpoints."""


def account_of(registry: str, region: str = "") -> str:
    """The account whose private ECR registry this is (in ``region``, where one is named); empty for any other."""
    found = ECR.fullmatch(registry)
    return found["account"] if found and region in ("", found["region"]) else ""


def parse(text: str) -> Reference | None:
    """The parts of ``registry/repository:tag@digest``; a lone digest or tag too. None: it is no reference."""
    if text.startswith("sha256:"):
        return Reference(digest=text) if DIGEST.fullmatch(text) else None
    if re.fullmatch(r":?[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", text):
        return Reference(tag=text.lstrip(":"))  # a name without a slash, colon or @ is a tag
    found = REFERENCE.fullmatch(text)
    if found is None or not found["repository"]:
        return None
    return Reference(found["registry"] or "", found["repository"], found["tag"] or "", found["digest"] or "")


@dataclass(frozen=True, slots=True)
class Image:
    """One image in a repository."""

    registry: str
    repository: str
    digest: str
    tags: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    """As the registry tells: ``amd64``, ``arm64``. Empty: not known."""
    why_unknown: str = ""
    """Why they aren't known, in a sentence; empty where the image itself doesn't say."""
    pushed: datetime | None = None

    @property
    def pinned(self) -> str:
        """What a task definition should name."""
        return f"{self.registry}/{self.repository}@{self.digest}"

    @property
    def commit(self) -> str:
        """The commit that it was built of, where a tag says; else empty."""
        return next((found[1] for tag in sorted(self.tags) if (found := COMMIT.fullmatch(tag))), "")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for, for one service."""

    requested: str
    image: Image | None
    """None: there is no such image."""
    problem: str = ""
    """Why there is none."""
    tags_move: bool = False
    """The repository lets tags be moved to other images."""


@dataclass(frozen=True, slots=True)
class WantedImages:
    """By service, those that a deployment names."""

    of: Mapping[str, Wanted]
    reading: Reading = NO_READING


@reads
def read_wanted_images(
    aws: Gateway, environment: Environment, request: DeployRequest, definitions: Definitions
) -> WantedImages:
    """Three calls an image: what the repository is, and what is in it. Two more where a single image's configuration
    has to be read for its processor."""
    containers = {service.name: service.container for service in environment.services}

    def look_up(item: tuple[str, str]) -> Wanted:
        service, text = item
        running = definitions.running.get(service)
        current = parse(running.images.get(containers[service], "")) if running else None
        return _wanted(aws, text, current)

    known = [(service, text) for service, text in request.images.items() if service in containers]
    found = parallel_map(look_up, known)
    return WantedImages({service: wanted for (service, _), wanted in zip(known, found, strict=True)})


def _wanted(aws: Gateway, text: str, current: Reference | None) -> Wanted:
    reference = parse(text)
    if reference is None:
        return Wanted(text, None, f'"{text}" is not an image: give a digest, repository@digest or a tag.')
    if current is None or not current.repository:
        return Wanted(text, None, "the service runs no image from a repository that omc can look in.")
    if reference.repository not in ("", current.repository):
        problem = f"it belongs to the repository {reference.repository}, but the service runs {current.repository}."
        return Wanted(text, None, problem)
    if reference.registry not in ("", current.registry):
        return Wanted(text, None, f"it belongs to the registry {reference.registry}, not {current.registry}.")
    ecr = aws.client("ecr")
    try:
        response = ecr.describe_repositories(repositoryNames=[current.repository])["repositories"][0]
    except NotFound:
        return Wanted(text, None, f"there is no repository {current.repository}.")
    moves = response.get("imageTagMutability", "MUTABLE") != "IMMUTABLE"
    image = find_image(aws, current.registry, current.repository, reference)
    if image is None:
        what = f"digest {reference.digest}" if reference.digest else f"tag {reference.tag}"
        return Wanted(text, None, f"there is no image with the {what} in {current.repository}.", moves)
    return Wanted(text, image, "", moves)


def find_image(aws: Gateway, registry: str, repository: str, reference: Reference) -> Image | None:
    """The image that a tag or digest names, with its architectures; None where there is none."""
    ecr = aws.client("ecr")
    identity: Any = {"imageDigest": reference.digest} if reference.digest else {"imageTag": reference.tag}
    try:
        detail = ecr.describe_images(repositoryName=repository, imageIds=[identity])["imageDetails"][0]
    except AwsRefused as error:
        if error.code in ("ImageNotFoundException", "RepositoryNotFoundException", "InvalidParameterException"):
            return None
        raise
    digest = detail["imageDigest"]
    answer = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageDigest": digest}])
    manifest = answer["images"][0].get("imageManifest", "{}") if answer["images"] else "{}"
    processors, why_unknown = _processors(aws, repository, manifest)
    pushed = detail.get("imagePushedAt")
    return Image(
        registry=registry,
        repository=repository,
        digest=digest,
        tags=tuple(detail.get("imageTags", [])),
        architectures=processors,
        why_unknown=why_unknown,
        pushed=pushed.astimezone(UTC) if pushed else None,
    )


def _processors(aws: Gateway, repository: str, manifest: str) -> tuple[tuple[str, ...], str]:
    """(for which processors, why that isn't known). An image index lists them; of a single image, its configuration
    says it, which the registry keeps like a layer."""
    listed, configuration = architectures(manifest), configuration_of(manifest)
    if listed or not configuration:
        return listed, ""
    try:
        found = aws.client("ecr").get_download_url_for_layer(repositoryName=repository, layerDigest=configuration)
        processor = processor_of(get_blob(found.get("downloadUrl", ""), configuration, aws.endpoint))
    except Unknown as error:
        return (), error.message
    return ((processor,), "") if processor else ((), "Its configuration names no processor.")


def architectures(manifest: str) -> tuple[str, ...]:
    """The processors that an image index lists; none of a single image's manifest, which leaves it to its
    configuration."""
    platforms = [entry.get("platform", {}).get("architecture", "") for entry in _object(manifest).get("manifests", [])]
    return tuple(sorted({name for name in platforms if name and name != "unknown"}))


def configuration_of(manifest: str) -> str:
    """The digest of a single image's configuration; empty where the manifest is of something else."""
    payload = _object(manifest).get("config")
    if not isinstance(payload, dict) or payload.get("mediaType") not in CONFIGURATION_TYPES:
        return ""
    digest = str(payload.get("digest"))
    return digest if DIGEST.fullmatch(digest) else ""


def processor_of(configuration: bytes) -> str:
    """``amd64`` of an image's configuration; empty where it names none."""
    payload = _object(configuration).get("architecture")
    return payload if isinstance(payload, str) and payload != "unknown" else ""


def _object(text: str | bytes) -> dict[str, Any]:
    """The JSON object that the text is; an empty one where it is none."""
    try:
        payload = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return payload if isinstance(payload, dict) else {}


def existing_digests(aws: Gateway, images: Sequence[Reference]) -> frozenset[tuple[str, str]]:
    """Of these images, (repository, digest) of those that are in the region's ECR; a call a repository."""
    wanted: dict[tuple[str, str], set[str]] = {}
    for image in images:
        if image.repository and image.digest and (account := account_of(image.registry, aws.environment.region)):
            wanted.setdefault((account, image.repository), set()).add(image.digest)

    def ask(where: tuple[str, str]) -> list[tuple[str, str]]:
        account, repository = where
        identities: Any = [{"imageDigest": digest} for digest in sorted(wanted[where])][:100]
        try:
            answer = aws.client("ecr").batch_get_image(
                registryId=account, repositoryName=repository, imageIds=identities
            )
        except NotFound:
            return []
        return [(repository, image["imageId"].get("imageDigest", "")) for image in answer["images"]]

    return frozenset(pair for pairs in parallel_map(ask, sorted(wanted)) for pair in pairs)
