"""Arguments of the actions that only look: how things were before a release, and whether they are as good after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from omc.model.arguments.base import Arguments, Late


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteBefore(Arguments):
    """Note how things are now."""

    ACTION: ClassVar[str] = "cloudwatch.note_before"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle(Arguments):
    """Watch a release for a while."""

    ACTION: ClassVar[str] = "cloudwatch.settle"
    seconds: float
    before: Late[Mapping[str, Any]]
    """``Readings`` of ``omc.judgement.bake`` as JSON, which reads those of an older omc too."""
    services: Mapping[str, Late[str]]
    """The revision that each runs now."""
    incident_seconds: float | None = None
    """For which it is watched where users were served badly before; None: as long as usual."""
    health: Mapping[str, Any] | None = None
    """``Health`` of the last verified release as JSON; None: there is none."""
