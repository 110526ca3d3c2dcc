"""What an image's labels say of its exit codes, and of how long its server keeps an idle connection.

An image documents its own codes with labels in its Dockerfile, one per code, and its server's keep-alive::

    LABEL exit-code.2="its settings are wrong or missing"
    LABEL keep-alive-seconds="75"
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
KEEP_ALIVE = re.compile(r"(?:[a-z0-9.-]+\.)?keep-alive-seconds")
MAX_LENGTH = 120
"""Characters of one explanation."""


def exit_codes(aws: Gateway, image: str) -> dict[int, str]:
    """Code to meaning. Empty where the image is in no registry of ECR's, is gone, or has no such label; for an image
    of several processors, those of the first."""
    configuration = _configuration(aws, image)
    return codes_of(configuration) if configuration else {}


def keep_alive(aws: Gateway, image: str) -> float | None:
    """Seconds for which its server keeps an idle connection, by its label ``keep-alive-seconds``; None without one."""
    configuration = _configuration(aws, image)
    return keep_alive_of(configuration) if configuration else None


def _configuration(aws: Gateway, image: str) -> bytes:
    """Empty where the image is in no registry of ECR's, or is gone."""
    reference = parse(image)
    if reference is None or ".ecr." not in reference.registry or not (reference.digest or reference.tag):
        return b""
    repository = reference.repository
    identity = {"imageDigest": reference.digest} if reference.digest else {"imageTag": reference.tag}
    manifest = _manifest(aws, repository, identity)
    listed = [each.get("digest", "") for each in manifest.get("manifests", ()) if isinstance(each, dict)]
    if listed:
        manifest = _manifest(aws, repository, {"imageDigest": listed[0]})
    configuration = configuration_of(json.dumps(manifest))
    if not configuration:
        return b""
    url = aws.client("ecr").get_download_url_for_layer(repositoryName=repository, layerDigest=configuration)
    return get_blob(url.get("downloadUrl", ""), configuration, aws.endpoint)


def codes_of(configuration: bytes) -> dict[int, str]:
    """The codes that an image's configuration documents by its labels; what can't be read documents none."""
    labels = _labels(configuration)
    found = ((LABEL.fullmatch(str(name)), " ".join(str(text).split())[:MAX_LENGTH]) for name, text in labels.items())
    return {int(label[1]): text.rstrip(".") for label, text in found if label and text}


def keep_alive_of(configuration: bytes) -> float | None:
    """What the label says; None where there is none, or it says no number."""
    for name, text in _labels(configuration).items():
        if KEEP_ALIVE.fullmatch(str(name)) and re.fullmatch(r"\d{1,6}(\.\d{1,3})?", str(text)):
            return float(text)
    return None


def _labels(configuration: bytes) -> Mapping[str, Any]:
    try:
        labels = json.loads(configuration)["config"]["Labels"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return labels if isinstance(labels, Mapping) else {}


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
