"""When AWS does what an apply asks of a database or a cache: at once, in the maintenance window, or at a reboot.

As the RDS User Guide's table "Settings for DB instances" and ElastiCache's ModifyReplicationGroup have it. A value
that stands in no table is named as one of which omc doesn't know when it comes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from omc.config import Environment
from omc.facts.pending import Pending, Waits
from omc.facts.terraform_json import Change, ChangeAction, Difference
from omc.judgement.maintenance_windows import next_time

WINDOW: Mapping[str, frozenset[str]] = {
    "aws_db_instance": frozenset(
        {
            *("allocated_storage", "ca_cert_identifier", "db_subnet_group_name", "dedicated_log_volume", "domain"),
            *("domain_auth_secret_arn", "domain_dns_ips", "domain_fqdn", "domain_iam_role_name", "domain_ou"),
            *("engine_version", "iam_database_authentication_enabled", "identifier", "instance_class", "iops"),
            *("license_model", "multi_az", "network_type", "option_group_name", "storage_throughput", "storage_type"),
        }
    ),
    "aws_elasticache_replication_group": frozenset(
        {
            *("automatic_failover_enabled", "cluster_mode", "engine", "engine_version", "multi_az_enabled"),
            *("node_type", "parameter_group_name", "transit_encryption_enabled", "transit_encryption_mode"),
        }
    ),
}
"""What waits unless it is to be applied immediately, by Terraform's names."""
AT_ONCE: Mapping[str, frozenset[str]] = {
    "aws_db_instance": frozenset(
        {
            *("allow_major_version_upgrade", "auto_minor_version_upgrade", "backup_window", "copy_tags_to_snapshot"),
            *("customer_owned_ip_enabled", "database_insights_mode", "deletion_protection"),
            *("enabled_cloudwatch_logs_exports", "engine_lifecycle_support", "maintenance_window"),
            *("manage_master_user_password", "master_user_secret_kms_key_id", "max_allocated_storage"),
            *("monitoring_interval", "monitoring_role_arn", "parameter_group_name", "password", "password_wo"),
            *("password_wo_version", "performance_insights_enabled", "performance_insights_kms_key_id"),
            *("performance_insights_retention_period", "port", "publicly_accessible", "vpc_security_group_ids"),
        }
    ),
    "aws_elasticache_replication_group": frozenset(
        {
            *("auth_token", "auth_token_update_strategy", "auto_minor_version_upgrade", "description", "ip_discovery"),
            *("log_delivery_configuration", "maintenance_window", "notification_topic_arn", "num_cache_clusters"),
            *("num_node_groups", "replicas_per_node_group", "security_group_ids", "snapshot_retention_limit"),
            *("snapshot_window", "user_group_ids"),
        }
    ),
}
"""What AWS applies as soon as it can, whatever is said of applying immediately."""
NOT_AWS = frozenset(
    {
        *("apply_immediately", "delete_automated_backups", "final_snapshot_identifier", "skip_final_snapshot"),
        *("tags", "tags_all", "timeouts", "blue_green_update"),
    }
)
"""Terraform's own settings, and tags, of which nobody asks when."""
INTERRUPTS = frozenset(
    {
        *("allocated_storage", "ca_cert_identifier", "db_subnet_group_name", "engine_version", "identifier"),
        *("instance_class", "port", "storage_type", "node_type"),
    }
)
"""What the database or the cache can't be reached during, or may not be, when it is done."""
PARAMETER_GROUPS = frozenset({"aws_db_parameter_group", "aws_elasticache_parameter_group"})


def attribute_of(difference: Difference) -> str:
    return difference.path.split(".")[0].split("[")[0]


def waits(change: Change, difference: Difference) -> str:
    """``window``, ``at once``, ``reboot`` or ``not known`` for one value of an update; empty: nothing to say of it."""
    name = attribute_of(difference)
    if change.kind in PARAMETER_GROUPS:
        return _of_parameter(change, difference) if name == "parameter" else ""
    if change.kind not in WINDOW or name in NOT_AWS:
        return ""
    if name == "parameter_group_name" and change.kind == "aws_db_instance":
        return "reboot"
    known = name in WINDOW[change.kind] or name in AT_ONCE[change.kind] or name == "backup_retention_period"
    if change.after.get("apply_immediately") is True:
        return "at once" if known else "not known"
    if name == "backup_retention_period":
        return "window" if "0" in (difference.before, difference.after) else "at once"
    return "window" if name in WINDOW[change.kind] else "at once" if known else "not known"


def _of_parameter(change: Change, difference: Difference) -> str:
    if change.kind == "aws_elasticache_parameter_group":
        return "not known"
    name = difference.path.partition("[")[2].partition("]")[0].strip('"')
    method = next(
        (
            one.get("apply_method")
            for side in (change.after, change.before)
            for one in side.get("parameter") or ()
            if one.get("name") == name
        ),
        None,
    )
    return {"pending-reboot": "reboot", "immediate": "at once"}.get(str(method), "not known")


def postponed(changes: tuple[Change, ...], pending: Pending, environment: Environment, now: datetime) -> Iterator[str]:
    """What of a plan is done when, a sentence each resource that AWS may let wait."""
    for change in changes:
        if change.does is not ChangeAction.UPDATE or change.kind not in {*WINDOW, *PARAMETER_GROUPS}:
            continue
        by_when: dict[str, list[Difference]] = {}
        for one in change.differences:
            if when := waits(change, one):
                by_when.setdefault(when, []).append(one)
        yield from _told(change, by_when, environment, now)
        yield from _queue(change, pending)


def interruption(changes: tuple[Change, ...]) -> str:
    """What of a plan users notice while it is applied, as a sentence; empty where nothing is known to."""
    found = []
    for change in changes:
        if change.kind not in WINDOW:
            continue
        if change.does in {ChangeAction.REPLACE, ChangeAction.DESTROY}:
            found.append(f"{change.address} is gone while it is applied")
        elif change.does is ChangeAction.UPDATE:
            some = [
                one for one in change.differences if waits(change, one) == "at once" and attribute_of(one) in INTERRUPTS
            ]
            if some:
                found.append(f"{change.address} is interrupted while it is applied ({_names(some)})")
    return f"{'; '.join(found)}." if found else ""


def _told(
    change: Change, by_when: Mapping[str, list[Difference]], environment: Environment, now: datetime
) -> Iterator[str]:
    window = str(change.after.get("maintenance_window") or change.before.get("maintenance_window") or "")
    if later := by_when.get("window"):
        each = ", ".join(f"{one.path} {one.before} → {one.after}" for one in later)
        yield (
            f"{change.address}: AWS does this in the maintenance window ({window or 'not told'} UTC), "
            f"{next_time(window, environment, now)}, since apply_immediately is false: {each}."
            f"{_interrupts(later)} Until then a plan shows it again."
        )
    if by_when.get("window") and (rest := by_when.get("at once")):
        yield f"{change.address}: AWS does this immediately in any case: {_names(rest)}.{_interrupts(rest)}"
    elif (rest := by_when.get("at once")) and any(attribute_of(one) in INTERRUPTS for one in rest):
        when = "immediately, not in the maintenance window"
        yield f"{change.address}: AWS does this {when}: {_names(rest)}.{_interrupts(rest)}"
    if reboot := by_when.get("reboot"):
        yield (
            f"{change.address}: this is in force only after a reboot, which neither the apply nor a maintenance window "
            f"makes: {_names(reboot)}."
        )
    if unknown := by_when.get("not known"):
        where = " Some parameters take a reboot." if change.kind in PARAMETER_GROUPS else ""
        yield f"{change.address}: when AWS does this is not known to omc: {_names(unknown)}.{where}"


def _queue(change: Change, pending: Pending) -> Iterator[str]:
    """Whatever is applied immediately takes along what waits already."""
    if change.after.get("apply_immediately") is not True:
        return
    name = change.after.get("identifier") or change.after.get("replication_group_id")
    waiting = [one for one in pending.changes if one.identifier == name and one.waits is Waits.WINDOW]
    if waiting:
        each = ", ".join(f"{one.difference.path} {one.difference.before} → {one.difference.after}" for one in waiting)
        yield f"{change.address}: applied immediately, it also brings forward what waits for the window: {each}."


def _names(some: list[Difference]) -> str:
    return ", ".join(dict.fromkeys(one.path for one in some))


def _interrupts(some: list[Difference]) -> str:
    found = list(dict.fromkeys(attribute_of(one) for one in some if attribute_of(one) in INTERRUPTS))
    return f" It is interrupted while this is done: {', '.join(found)}." if found else ""
