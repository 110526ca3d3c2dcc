"""The store of images: from a repository and a tag or digest to the folder of an image."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcloud.core.images import Image, ImageError, ImageStore
from localcloud.core.registry import component
from localcloud.services.ecr.images import REFERENCE, image_root, read_config

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud


@component(order=40)
class Images(ImageStore):
    """From a repository and a tag or digest to the folder of that image. All of its state is ECR's and the disk's."""

    name = "images"

    def __init__(self) -> None:
        self._cloud: Cloud | None = None

    def start(self, cloud: Cloud) -> None:
        self._cloud = cloud
        root = image_root(cloud.settings.state)
        if root.is_dir():
            for leftover in root.glob(".building-*"):
                shutil.rmtree(leftover, ignore_errors=True)

    def dump(self) -> object:
        return None

    def load(self, state: Any) -> None:
        """Nothing: what was pushed lies on disk, and moto's records come back with moto."""

    def stop(self) -> None:
        """Nothing runs."""

    def folder(self, repository: str, reference: str) -> Path:
        """The unpacked folder of ``repository`` at a tag or ``sha256:…`` digest."""
        return self.find(repository, reference).folder

    def find(self, repository: str, reference: str) -> Image:
        """The image that a repository's tag or digest names; ``ImageError`` where there is none."""
        cloud = self._require_cloud()
        with cloud.lock:
            repositories = cloud.moto("ecr").repositories
            if repository not in repositories:
                raise ImageError(f"repository {repository} does not exist")
            digest = next(
                (
                    image.get_image_digest()
                    for image in repositories[repository].images
                    if reference in image.image_tags or reference == image.get_image_digest()
                ),
                None,
            )
        if digest is None:
            raise ImageError(f"{reference} not found in repository {repository}")
        return self._open(digest)

    def resolve(self, image: str) -> Image:
        """The image that a container definition names; ``ImageError`` in the words of a failed pull."""
        match = REFERENCE.match(image)
        settings = self._require_cloud().settings
        if match is None or (match["account"], match["region"]) != (settings.account, settings.region):
            raise ImageError(f"failed to resolve ref {image}: only images of this account's ECR can be pulled here")
        try:
            return self.find(match["repository"], match["digest"] or match["tag"] or "latest")
        except ImageError as error:
            raise ImageError(f"failed to resolve ref {image}: {image}: not found") from error

    def place(self, digest: str) -> Path:
        """Where an image's ``config.json``, ``manifest.json`` and ``rootfs`` lie, if it is in the store."""
        return image_root(self._require_cloud().settings.state) / digest.removeprefix("sha256:")

    def _open(self, digest: str) -> Image:
        place = self.place(digest)
        try:
            config = read_config((place / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError) as error:
            raise ImageError(f"{digest} is registered, but its content was never pushed to this cloud") from error
        return Image(digest, place / "rootfs", config)

    def _require_cloud(self) -> Cloud:
        if self._cloud is None:
            raise RuntimeError("Images was used before it was started")
        return self._cloud
