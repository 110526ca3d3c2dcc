"""Arguments of the actions on backups: snapshots, and instances that are restored, renamed and removed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from omc.model.arguments.base import Arguments, Late


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateSnapshot(Arguments):
    """A manual DB snapshot of an instance."""

    ACTION: ClassVar[str] = "rds.create_snapshot"
    instance: str
    label: str
    """Part of its name, which ends with what is the run's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteSnapshot(Arguments):
    """Delete a manual DB snapshot that omc made."""

    ACTION: ClassVar[str] = "rds.delete_snapshot"
    snapshot: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreInstance(Arguments):
    """A new instance from a snapshot, or from another's automated backups."""

    ACTION: ClassVar[str] = "rds.restore_instance"
    prefix: str
    """What its identifier begins with; it ends with what is the run's own."""
    snapshot: str = ""
    """Empty: a point in time."""
    source: str = ""
    """With ``at``: the resource id of the instance whose backups they are."""
    at: str = ""
    """A moment as ISO 8601, or ``latest``."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What the call names beside: what it doesn't name is RDS's default, and nothing of the source's."""
    purpose: str
    """``verification`` or ``restore``: a tag of it."""
    expires_seconds: float = 0.0
    """After which it is removed, whatever became of the run; 0: it isn't."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigureInstance(Arguments):
    """ModifyDBInstance, applied immediately: what a restore can't be given."""

    ACTION: ClassVar[str] = "rds.configure_instance"
    instance: Late[str]
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteInstance(Arguments):
    """Delete an instance that a run of omc made."""

    ACTION: ClassVar[str] = "rds.delete_instance"
    instance: Late[str]
    purpose: str
    run: Late[str] = ""
    """The run that made it; empty: this one."""
    keeps: bool = False
    """A last snapshot of it is taken: it may have been written to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameInstance(Arguments):
    """Give an instance another identifier, and with it another endpoint. It is rebooted."""

    ACTION: ClassVar[str] = "rds.rename_instance"
    resource: Late[str]
    """Its resource id, which no renaming changes."""
    before: Late[str]
    after: Late[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeBackup(Arguments):
    """Compare what was restored with its source, and write down what it comes to."""

    ACTION: ClassVar[str] = "backups.judge"
    backup: str
    """``snapshot rds:ohmycoins-staging-2026-11-30-13-00``, ``point in time``."""
    restored: Late[Mapping[str, Any]]
    """What the inspection of the restored instance said."""
    source: Late[Mapping[str, Any]] | None = None
    """The same of the source; None: there is nothing to compare with."""
    taken_at: Late[str]
    asked_at: Late[str]
    available_at: Late[str]
    tolerance_percent: float
