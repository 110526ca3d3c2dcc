"""``ecr.protect_image``: a tag that keeps the image of a verified release from expiring.

The registry's lifecycle policy (infrastructure/terraform/modules/registry) keeps images tagged ``release-…`` whatever
else it expires. A registry that says no costs the release nothing: it is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from omc.actions.action import Action, Context, Outcome, Verdict, register
from omc.config import Environment
from omc.errors import AccessDenied, AwsRefused
from omc.model.arguments.ecr import ProtectImage
from omc.model.plan import Json

PREFIX = "release-"


def _tag(context: Context) -> str:
    return f"{PREFIX}{context.environment.name}-{context.run}"[:128]


def _is_applied(context: Context, arguments: ProtectImage) -> bool:
    """Any release's tag protects the digest; one of this environment is enough."""
    wanted: Any = [{"imageDigest": arguments.digest}]
    found = context.gateway.client("ecr").describe_images(repositoryName=arguments.repository, imageIds=wanted)
    tags = [tag for detail in found["imageDetails"] for tag in detail.get("imageTags", [])]
    ours = [tag for tag in tags if tag.startswith(f"{PREFIX}{context.environment.name}-")]
    if ours:
        context.checkpoint({"tag": ours[0]})
    return bool(ours)


def _apply(context: Context, arguments: ProtectImage) -> Mapping[str, Json]:
    ecr, repository, tag = context.gateway.client("ecr"), arguments.repository, _tag(context)
    wanted: Any = [{"imageDigest": arguments.digest}]
    try:
        found = ecr.batch_get_image(repositoryName=repository, imageIds=wanted)["images"]
        if not found:
            return {"problem": f"there is no image {arguments.digest} in {repository}"}
        image = found[0]
        more: Any = {key: image[key] for key in ("imageManifestMediaType",) if key in image}
        ecr.put_image(
            repositoryName=repository,
            imageManifest=image["imageManifest"],
            imageTag=tag,
            imageDigest=arguments.digest,
            **more,
        )
    except (AccessDenied, AwsRefused) as error:
        if isinstance(error, AwsRefused) and error.code == "ImageAlreadyExistsException":
            return {"tag": tag}
        return {"problem": error.message}
    return {"tag": tag}


def _poll(context: Context, arguments: ProtectImage) -> Outcome:
    where, problem = f"{arguments.repository}@{arguments.digest[:19]}", context.state.get("problem")
    if problem:
        sentence = f"{where} is NOT kept from expiring: {problem}"
        return Outcome(Verdict.SUCCEEDED, sentence, {"problem": problem}, {"tag": None})
    tag = context.state["tag"]
    return Outcome(Verdict.SUCCEEDED, f"{where} is kept: tag {tag}.", {"tag": tag}, {"tag": tag})


def _commands(environment: Environment, arguments: ProtectImage) -> Sequence[str]:
    repository, digest = arguments.repository, arguments.digest
    where = f"--repository-name {repository} --region {environment.region}"
    return [
        f"MANIFEST=$(aws ecr batch-get-image {where} --image-ids imageDigest={digest} "
        "--query 'images[0].imageManifest' --output text)",
        f'aws ecr put-image {where} --image-tag {PREFIX}{environment.name}-N --image-manifest "$MANIFEST"',
    ]


ACTION = register(Action(ProtectImage, _apply, _is_applied, _poll, _commands))
