"""ECR's operations on images; those on repositories are moto's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from localcloud.core import paging
from localcloud.core.registry import Answer, AwsError, Call, operation, patch_response
from localcloud.services.ecr.images import CONFIG_TYPE, digest_of

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud


def repository_of(cloud: Cloud, name: str) -> Any:
    repository = cloud.moto("ecr").repositories.get(name)
    if repository is None:
        raise AwsError(
            "RepositoryNotFoundException",
            f"The repository with name '{name}' does not exist in the registry with id '{cloud.settings.account}'",
        )
    return repository


@operation("ecr", "PutImage")
def put_image(cloud: Cloud, call: Call) -> Answer:
    """A manifest's digest is the hash of its bytes; an immutable repository refuses to move a tag."""
    name, manifest, tag = call.params["repositoryName"], call.params["imageManifest"], call.params.get("imageTag")
    repository = repository_of(cloud, name)
    try:
        media_type = call.params.get("imageManifestMediaType") or json.loads(manifest)["mediaType"]
    except (ValueError, KeyError, TypeError):
        raise AwsError(
            "InvalidParameterException",
            "Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON syntax'",
        ) from None
    digest = digest_of(manifest)
    if call.params.get("imageDigest", digest) != digest:
        raise AwsError(
            "ImageDigestDoesNotMatchException",
            f"The specified image digest '{call.params['imageDigest']}' does not match the digest of the image "
            f"manifest '{digest}'",
        )
    tagged = next((image for image in repository.images if tag and tag in image.image_tags), None)
    known = next((image for image in repository.images if image.get_image_digest() == digest), None)
    if known is not None and (tag is None or tagged is known):
        raise AwsError(
            "ImageAlreadyExistsException",
            f"Image with digest '{digest}' and tag '{tag}' already exists in the repository with name '{name}' in "
            f"registry with id '{cloud.settings.account}'",
        )
    if tagged is not None and repository.is_tag_immutable():
        raise AwsError(
            "ImageTagAlreadyExistsException",
            f"The image tag '{tag}' already exists in the '{name}' repository and cannot be overwritten because the "
            "repository is immutable.",
        )
    if tagged is not None:
        tagged.remove_tag(tag)
    if known is None:
        from moto.ecr.models import Image as MotoImage

        known = MotoImage(cloud.settings.account, tag, manifest, name, media_type, digest)
        repository.images.append(known)
    else:
        known.update_tag(tag)
    cloud.touch()
    return {"image": _image(cloud, known, tag)}


def _image(cloud: Cloud, image: Any, tag: str | None) -> dict[str, Any]:
    identity = {"imageDigest": image.get_image_digest()} | ({"imageTag": tag} if tag else {})
    return {
        "registryId": cloud.settings.account,
        "repositoryName": image.repository_name,
        "imageId": identity,
        "imageManifest": image.image_manifest,
        "imageManifestMediaType": image.image_manifest_media_type,
    }


def _detail(cloud: Cloud, image: Any) -> dict[str, Any]:
    manifest = json.loads(image.image_manifest)
    size = sum(layer.get("size", 0) for layer in manifest.get("layers", []))
    detail: dict[str, Any] = {
        "registryId": cloud.settings.account,
        "repositoryName": image.repository_name,
        "imageDigest": image.get_image_digest(),
        "imageSizeInBytes": size + manifest.get("config", {}).get("size", 0),
        "imagePushedAt": datetime.fromtimestamp(image.image_pushed_at, UTC),
        "imageManifestMediaType": image.image_manifest_media_type,
        "artifactMediaType": manifest.get("config", {}).get("mediaType", CONFIG_TYPE),
    }
    if image.image_tags:
        detail["imageTags"] = list(image.image_tags)
    return detail


def _chosen(repository: Any, identity: Mapping[str, str]) -> Any | None:
    tag, digest = identity.get("imageTag"), identity.get("imageDigest")
    for image in repository.images:
        if (not tag or tag in image.image_tags) and (not digest or digest == image.get_image_digest()):
            return image
    return None


def _page(items: list[Any], params: Mapping[str, Any], default: int) -> tuple[list[Any], dict[str, str]]:
    refused = AwsError("InvalidParameterException", "Invalid parameter at 'nextToken': no page ended with this token.")
    shown, following = paging.page(items, params.get("nextToken"), int(params.get("maxResults") or default), refused)
    return shown, {"nextToken": following} if following else {}


def _filtered(repository: Any, params: Mapping[str, Any]) -> list[Any]:
    status = params.get("filter", {}).get("tagStatus", "ANY")
    return [image for image in repository.images if status == "ANY" or bool(image.image_tags) == (status == "TAGGED")]


@operation("ecr", "DescribeImages")
def describe_images(cloud: Cloud, call: Call) -> Answer:
    """Sizes from the manifest, a stable order, pages; one unknown image is an error of the whole call."""
    repository = repository_of(cloud, call.params["repositoryName"])
    if call.params.get("imageIds"):
        details = []
        for identity in call.params["imageIds"]:
            image = _chosen(repository, identity)
            if image is None:
                digest, tag = identity.get("imageDigest", "null"), identity.get("imageTag", "null")
                raise AwsError(
                    "ImageNotFoundException",
                    f"The image with imageId {{imageDigest:'{digest}', imageTag:'{tag}'}} does not exist within "
                    f"the repository with name '{repository.name}' in the registry with id '{cloud.settings.account}'",
                )
            details.append(_detail(cloud, image))
        return {"imageDetails": details}
    images, more = _page(_filtered(repository, call.params), call.params, 100)
    return {"imageDetails": [_detail(cloud, image) for image in images], **more}


@operation("ecr", "ListImages")
def list_images(cloud: Cloud, call: Call) -> Answer:
    """One entry a tag; an untagged image has an entry with its digest alone."""
    repository = repository_of(cloud, call.params["repositoryName"])
    identities = [
        {"imageDigest": image.get_image_digest()} | ({"imageTag": tag} if tag else {})
        for image in _filtered(repository, call.params)
        for tag in image.image_tags or [None]
    ]
    page, more = _page(identities, call.params, 100)
    return {"imageIds": page, **more}


@operation("ecr", "BatchGetImage")
def batch_get_image(cloud: Cloud, call: Call) -> Answer:
    """Manifests of the images found; the others are failures, not an error."""
    repository = repository_of(cloud, call.params["repositoryName"])
    images, failures = [], []
    for identity in call.params["imageIds"]:
        image = _chosen(repository, identity)
        if image is None:
            failures.append(
                {"imageId": identity, "failureCode": "ImageNotFound", "failureReason": "Requested image not found"}
            )
        else:
            images.append(_image(cloud, image, identity.get("imageTag")))
    return {"images": images, "failures": failures}


@patch_response("ecr", "GetAuthorizationToken")
def get_authorization_token(cloud: Cloud, call: Call, answer: dict[str, Any]) -> Answer:
    """Tokens are good for 12 hours; moto's ran out in 2015."""
    for data in answer.get("authorizationData", []):
        data["expiresAt"] = call.at + timedelta(hours=12)
    return answer
