"""Arguments of the action that writes into the release ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from omc.model.arguments.base import Arguments, Late


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRelease(Arguments):
    """Write what serves now into the ledger."""

    ACTION: ClassVar[str] = "releases.record"
    services: Mapping[str, Late[str]]
    """The revision of each."""
    commits: Mapping[str, str]
    schema: Late[int | None]
    """None: as before."""
    schema_floor: Late[int | None]
    proof: Late[Mapping[str, Any]]
    """What the watch found; of a rollback by service, the seconds until it was healthy."""
