"""Images as whoever starts containers sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


class ImageError(Exception):
    """An image can't be built or found; the message is one sentence with the way out."""


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What a container of this image starts with, as in the OCI image configuration."""

    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    exposed_ports: tuple[int, ...] = ()
    working_directory: str = "/"
    user: str = ""
    architecture: str = "amd64"
    """The processor that it is built for."""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Image:
    """One image in the store: its digest, its unpacked folder, its configuration."""

    digest: str
    folder: Path
    config: ImageConfig


class ImageStore:
    """Holds images (ECR)."""

    def resolve(self, image: str) -> Image:
        """The image that a container definition names; ``ImageError`` in the words of a failed pull."""
        raise NotImplementedError
