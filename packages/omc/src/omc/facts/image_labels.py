"""What an image's labels say of its exit codes.

An image documents its own codes with labels in its Dockerfile, one per code::

    LABEL exit-code.2="its settings are wrong or missing"
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from omc.aws.gateway import Gateway
from omc.aws.pages import get_blob
from omc.errors import NotFound
from omc.facts.images import configuration_of, parse

LABEL = re.compile(r"(?:[a-z0-9.-]+\.)?exit-code\.(\d{1,3})")
"""A vendor's prefix (``org.example.exit-code.2``) is taken too."""
MAX_LENGTH = 120
"""Characters of one explanation."""


def exit_codes(aws: Gateway, image: str) -> dict[int, str]:
    """Code to meaning. Empty where the image is in no registry of ECR's, is gone, or has no such label; for an image
    of several processors, those of the first."""
    reference = parse(image)
    if reference is None or ".ecr." not in reference.registry or not (reference.digest or reference.tag):
        return {}
    repository = reference.repository
    identity = {"imageDigest": reference.digest} if reference.digest else {"imageTag": reference.tag}
    manifest = _manifest(aws, repository, identity)
    listed = [each.get("digest", "") for each in manifest.get("manifests", ()) if isinstance(each, dict)]
    if listed:
        manifest = _manifest(aws, repository, {"imageDigest": listed[0]})
    configuration = configuration_of(json.dumps(manifest))
    if not configuration:
        return {}
    url = aws.client("ecr").get_download_url_for_layer(repositoryName=repository, layerDigest=configuration)
    return codes_of(get_blob(url.get("downloadUrl", ""), configuration, aws.endpoint))


def codes_of(configuration: bytes) -> dict[int, str]:
    """The codes that an image's configuration documents by its labels; what can't be read documents none."""
    try:
        labels = json.loads(configuration)["config"]["Labels"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    if not isinstance(labels, Mapping):
        return {}
    found = ((LABEL.fullmatch(str(name)), " ".join(str(text).split())[:MAX_LENGTH]) for name, text in labels.items())
    return {int(label[1]): text.rstrip(".") for label, text in found if label and text}


def _manifest(aws: Gateway, repository: str, identity: Any) -> dict[str, Any]:
    try:
        answer = aws.client("ecr").batch_get_image(repositoryName=repository, imageIds=[identity])
    except NotFound:
        return {}
    for image in answer["images"]:
        try:
            payload = json.loads(image.get("imageManifest", "{}"))
        except ValueError:
            return {}
        return payload if isinstance(payload, dict) else {}
    return {}
