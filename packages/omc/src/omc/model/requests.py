"""What people ask for: the plain values with which changes are planned, and planned again.

They are separate from the planners because some facts are about what is asked for: an image, a revision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class DeployRequest:
    """``omc deploy``."""

    images: Mapping[str, str] = field(default_factory=dict)
    """By service: a digest, ``repository@digest`` or a tag."""
    force_new: Sequence[str] = ()
    """Services that get new tasks even though nothing about them changes."""
    watch_seconds: float | None = None
    """How long the release is watched before it counts as good; None: as omc.toml says."""
    migrate: bool = True
    allow_tag: bool = False
    """A tag that can be moved may be named."""
    keep_definition: bool = False
    """Leave out what Terraform changed in the task definition since the running revision."""
    override: str = ""
    """The reason to proceed past a refusal."""


@dataclass(frozen=True, slots=True)
class RollbackRequest:
    """``omc rollback``."""

    services: Sequence[str] = ()
    """None named: all."""
    to: str = ""
    """A revision: ``7`` or ``ohmycoins-backend:7``; empty: the last release that was verified here."""
    override: str = ""


@dataclass(frozen=True, slots=True)
class PruneRequest:
    """``omc releases prune``."""

    keep: int = 10
    """Verified releases, newest first, whose revisions stay registered."""


@dataclass(frozen=True, slots=True)
class RestartRequest:
    """``omc restart``."""

    services: Sequence[str] = ()
    """None named, or ``all``: every service."""
    override: str = ""
    """The reason to proceed past a refusal."""


@dataclass(frozen=True, slots=True)
class ScaleRequest:
    """``omc scale``: a count, limits, or both."""

    service: str
    count: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    seconds: int | None = None
    """Set the limits back after this long."""
    override: str = ""
    """The reason to proceed past a refusal."""
    gives_back: Sequence[int] = ()
    """Of a timer: the limits (or, without an autoscaler, the count) that it sets back. Where somebody has changed
    them since, they stay."""


@dataclass(frozen=True, slots=True)
class RunTaskRequest:
    """``omc exec --detach``."""

    service: str
    command: Sequence[str]
    reason: str = ""
    override: str = ""
    """The reason to proceed past a refusal."""


@dataclass(frozen=True, slots=True)
class MigrateRequest:
    """``omc migrate``."""

    services: Sequence[str] = ()
    """None named: every service that has a migration."""
    override: str = ""
    """The reason to proceed past a refusal."""


@dataclass(frozen=True, slots=True)
class BackupCreateRequest:
    """``omc backup create``."""

    label: str = ""
    """Part of the snapshot's name."""


@dataclass(frozen=True, slots=True)
class BackupVerifyRequest:
    """``omc backup verify``."""

    snapshot: str = ""
    """Empty, and no moment: the newest snapshot."""
    at: str = ""
    """A moment as ISO 8601 in UTC, or ``latest``."""


@dataclass(frozen=True, slots=True)
class BackupRestoreRequest:
    """``omc backup restore``."""

    snapshot: str = ""
    at: str = ""
    override: str = ""
    """The reason to proceed past a refusal."""


@dataclass(frozen=True, slots=True)
class BackupPruneRequest:
    """``omc backup prune``."""

    keep: int | None = None
    """Of omc's own snapshots, the newest that stay however old they are; None: as omc.toml says."""
    days: int | None = None
    """Those younger than this stay too; None: as omc.toml says."""


@dataclass(frozen=True, slots=True)
class BackupSweepRequest:
    """Of a timer: remove the instances of verifications whose time is over."""


# -- the database and the cache -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DatabaseRebootRequest:
    """``omc database reboot``."""

    failover: bool = False
    """By making the standby the primary."""
    override: str = ""
    """The reason to proceed past a refusal."""


@dataclass(frozen=True, slots=True)
class DatabaseClassRequest:
    """``omc database class``."""

    instance_class: str
    override: str = ""


@dataclass(frozen=True, slots=True)
class DatabaseStorageRequest:
    """``omc database storage``."""

    gib: int
    override: str = ""


@dataclass(frozen=True, slots=True)
class DatabaseParameterRequest:
    """``omc database parameter``."""

    values: Mapping[str, str]
    reboot: bool = True
    """Where one of them is static."""
    override: str = ""


@dataclass(frozen=True, slots=True)
class DatabaseRotateRequest:
    """``omc database rotate``."""

    override: str = ""


@dataclass(frozen=True, slots=True)
class DatabaseUpgradeRequest:
    """``omc database upgrade``."""

    version: str
    override: str = ""
    in_place: bool = False
    """A major version by ModifyDBInstance, with an outage, instead of by a copy."""


@dataclass(frozen=True, slots=True)
class DatabaseCleanupRequest:
    """``omc database cleanup``: what a blue/green upgrade left."""

    override: str = ""


@dataclass(frozen=True, slots=True)
class DatabaseCertificateRequest:
    """``omc database certificate``."""

    authority: str
    override: str = ""


@dataclass(frozen=True, slots=True)
class DatabaseApplyRequest:
    """``omc database apply``: AWS's pending maintenance."""

    action: str = ""
    """Empty: all that is pending."""
    override: str = ""


@dataclass(frozen=True, slots=True)
class CacheFailoverRequest:
    """``omc cache failover``."""

    override: str = ""


@dataclass(frozen=True, slots=True)
class CacheScaleRequest:
    """``omc cache scale``: a node type, a number of replicas, or both."""

    node_type: str = ""
    replicas: int | None = None
    override: str = ""


@dataclass(frozen=True, slots=True)
class CacheUpgradeRequest:
    """``omc cache upgrade``."""

    version: str
    override: str = ""


@dataclass(frozen=True, slots=True)
class CacheValkeyRequest:
    """``omc cache valkey``."""

    version: str = "8.0"
    override: str = ""


@dataclass(frozen=True, slots=True)
class CacheRebootRequest:
    """``omc cache reboot``."""

    member: str
    override: str = ""


@dataclass(frozen=True, slots=True)
class CacheApplyRequest:
    """``omc cache apply``: AWS's service updates."""

    update: str = ""
    """Empty: all that are pending."""
    override: str = ""
