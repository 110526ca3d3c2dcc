"""Arguments of the action that keeps an image from expiring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from omc.model.arguments.base import Arguments


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectImage(Arguments):
    """Keep the image of a verified release."""

    ACTION: ClassVar[str] = "ecr.protect_image"
    repository: str
    digest: str
