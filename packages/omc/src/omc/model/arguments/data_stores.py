"""Arguments of the actions that maintain the database and the cache: what is modified, rebooted, rotated, scaled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from omc.model.arguments.base import Arguments

# -- the database ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ModifyInstance(Arguments):
    """ModifyDBInstance, applied immediately, until the values are in force."""

    ACTION: ClassVar[str] = "rds.modify_instance"
    instance: str
    settings: Mapping[str, Any]
    """By names that ModifyDBInstance takes and DescribeDBInstances shows alike."""
    flags: Mapping[str, Any] = field(default_factory=dict)
    """What the call is given beside, and no answer shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RebootInstance(Arguments):
    """RebootDBInstance."""

    ACTION: ClassVar[str] = "rds.reboot_instance"
    instance: str
    failover: bool = False
    """By making the standby the primary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetParameters(Arguments):
    """Values of a DB parameter group."""

    ACTION: ClassVar[str] = "rds.set_parameters"
    group: str
    instance: str
    values: Mapping[str, str | None]
    """None: the engine's default again."""
    methods: Mapping[str, str]
    """``immediate`` or ``pending-reboot``, by parameter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyMaintenance(Arguments):
    """ApplyPendingMaintenanceAction, at once."""

    ACTION: ClassVar[str] = "rds.apply_maintenance"
    instance: str
    arn: str
    action: str
    """``system-update``, ``db-upgrade`` …"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RotateMasterSecret(Arguments):
    """RotateSecret of the master password that RDS manages."""

    ACTION: ClassVar[str] = "rds.rotate_master_secret"
    instance: str
    secret: str
    """Its ARN."""
    version: str
    """The id of the version that is current before: what shows that another one is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateGreen(Arguments):
    """CreateBlueGreenDeployment: a copy of the instance on another version, kept up to date."""

    ACTION: ClassVar[str] = "rds.create_green"
    name: str
    instance: str
    arn: str
    version: str
    parameter_group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchToGreen(Arguments):
    """SwitchoverBlueGreenDeployment: the copy gets the instance's name, the old one another."""

    ACTION: ClassVar[str] = "rds.switch_to_green"
    name: str
    instance: str
    timeout_seconds: int
    """After which RDS gives up and leaves all as it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteGreen(Arguments):
    """DeleteBlueGreenDeployment; before a switchover with the copy, after one without any instance."""

    ACTION: ClassVar[str] = "rds.delete_green"
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteOldInstance(Arguments):
    """Delete what a switchover put aside, after a last snapshot of it."""

    ACTION: ClassVar[str] = "rds.delete_old_instance"
    instance: str
    """Ends with ``-old`` and a number."""
    resource: str
    """Its resource id, so that no other of the name is deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitServices(Arguments):
    """Wait until all tasks of some services run and are healthy, and have stayed so."""

    ACTION: ClassVar[str] = "ecs.await_services"
    services: tuple[str, ...]
    settle_seconds: float = 0.0


# -- the cache ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ModifyCache(Arguments):
    """ModifyReplicationGroup, applied immediately, until the values are in force in each member."""

    ACTION: ClassVar[str] = "elasticache.modify_group"
    group: str
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetReplicas(Arguments):
    """IncreaseReplicaCount or DecreaseReplicaCount."""

    ACTION: ClassVar[str] = "elasticache.set_replicas"
    group: str
    replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FailOverCache(Arguments):
    """TestFailover: a replica becomes the primary."""

    ACTION: ClassVar[str] = "elasticache.fail_over"
    group: str
    node_group: str
    primary: str
    """The member that is the primary before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RebootMember(Arguments):
    """RebootCacheCluster of one member. What it holds is lost."""

    ACTION: ClassVar[str] = "elasticache.reboot_member"
    group: str
    member: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyUpdate(Arguments):
    """BatchApplyUpdateAction of one service update."""

    ACTION: ClassVar[str] = "elasticache.apply_update"
    group: str
    update: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyCacheParameters(Arguments):
    """A cache parameter group of another family, with what was set in one of the old."""

    ACTION: ClassVar[str] = "elasticache.copy_parameters"
    source: str
    name: str
    family: str
    values: Mapping[str, str]
