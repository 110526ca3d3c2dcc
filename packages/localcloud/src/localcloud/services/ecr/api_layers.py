"""ECR: layers of images, and their configurations, as they are downloaded: an address for an hour, and what is there.

AWS keeps them in S3 behind presigned URLs. Here the cloud's own server has them, at addresses signed with its own key.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

from localcloud.core.registry import Answer, AwsError, Call, PageRequest, operation, page
from localcloud.front.identity import Identity
from localcloud.services.ecr.api import repository_of
from localcloud.services.ecr.component import Images
from localcloud.services.ecr.images import digest_of, files_of, image_root, pack

if TYPE_CHECKING:
    from pathlib import Path

    from localcloud.core.cloud import Cloud

PATH = "/_localcloud/layers/"
GOOD_FOR = 3600
"""Seconds, as in AWS."""
TIME = "%Y%m%dT%H%M%SZ"
DIGEST = r"[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+"


@operation("ecr", "GetDownloadUrlForLayer")
def get_download_url_for_layer(cloud: Cloud, call: Call) -> Answer:
    """A layer that no image refers to is inaccessible; one that the repository doesn't have isn't found.

    AWS tells the two apart by repository. Which one an image without a repository was in isn't known here, so that
    its layers are inaccessible in each.
    """
    name, digest = call.params["repositoryName"], call.params["layerDigest"]
    repository = repository_of(cloud, name)
    if not re.fullmatch(DIGEST, digest):
        raise AwsError(
            "InvalidParameterException",
            "Invalid parameter at 'layerDigest' failed to satisfy constraint: "
            f"'must satisfy regular expression '{DIGEST}''",
        )
    images = cloud.part(Images)
    for image in repository.images:
        place = images.place(image.get_image_digest())
        if digest in _referred_to(image.image_manifest) and place.is_dir():
            return {"downloadUrl": _address(cloud, place, digest, call.at), "layerDigest": digest}
    where = f"in the repository with name '{name}' in the registry with id '{cloud.settings.account}'"
    if _is_left_over(cloud, digest):
        raise AwsError(
            "LayerInaccessibleException",
            f"The layer with digest '{digest}' {where} is not associated with an image and may be cleaned up.",
        )
    raise AwsError("LayersNotFoundException", f"The layer with digest '{digest}' does not exist {where}")


@page("layers", signed=True)
def layers_page(cloud: Cloud, request: PageRequest) -> bytes:
    """What GetDownloadUrlForLayer's addresses lead to."""
    return download(cloud, request.path, request.query)


def download(cloud: Cloud, path: str, query: str) -> bytes:
    """What an address leads to. Raises S3's errors for one that was changed or whose time is over."""
    provided = {name: values[0] for name, values in parse_qs(query).items()}
    made, seconds = provided.get("X-Amz-Date", ""), provided.get("X-Amz-Expires", "")
    if not hmac.compare_digest(_signature(cloud, path, made, seconds), provided.get("X-Amz-Signature", "")):
        raise AwsError("SignatureDoesNotMatch", "The request signature we calculated does not match.", 403)
    if cloud.now() > datetime.strptime(made, TIME).replace(tzinfo=UTC) + timedelta(seconds=int(seconds)):
        raise AwsError("AccessDenied", "Request has expired", 403)
    image, digest = path.removeprefix(PATH).split("/")
    content = _content(cloud.part(Images).place(image), digest)
    if content is None:
        raise AwsError("NoSuchKey", "The specified key does not exist.", 404)
    return content


def _content(place: Path, digest: str) -> bytes | None:
    try:
        config = (place / "config.json").read_text(encoding="utf-8")
    except OSError:
        return None
    if digest == digest_of(config):
        return config.encode()
    layer = io.BytesIO()
    pack(place / "rootfs", files_of(place / "rootfs"), layer)  # the store keeps the folder, not the tar
    return layer.getvalue() if digest == f"sha256:{hashlib.sha256(layer.getbuffer()).hexdigest()}" else None


def _address(cloud: Cloud, place: Path, digest: str, at: datetime) -> str:
    path, made, seconds = f"{PATH}{place.name}/{digest}", at.strftime(TIME), str(GOOD_FOR)
    signature = _signature(cloud, path, made, seconds)
    query = urlencode({"X-Amz-Date": made, "X-Amz-Expires": seconds, "X-Amz-Signature": signature})
    return f"{cloud.settings.endpoint}{path}?{query}"


def _signature(cloud: Cloud, path: str, made: str, seconds: str) -> str:
    key = cloud.part(Identity).secret_access_key
    return hmac.new(key.encode(), f"GET\n{path}\n{made}\n{seconds}".encode(), "sha256").hexdigest()


def _referred_to(manifest: str) -> set[str]:
    """The digests of a manifest's layers and of its configuration."""
    payload: dict[str, Any] = json.loads(manifest)
    return {part.get("digest", "") for part in (payload.get("config", {}), *payload.get("layers", []))}


def _is_left_over(cloud: Cloud, digest: str) -> bool:
    """Whether it is in the store, and of no image that any repository has."""
    repositories = cloud.moto("ecr").repositories.values()
    if any(digest in _referred_to(image.image_manifest) for held in repositories for image in held.images):
        return False
    stored = image_root(cloud.settings.state).glob("[0-9a-f]*/manifest.json")
    return any(digest in _referred_to(file.read_text(encoding="utf-8")) for file in stored)
