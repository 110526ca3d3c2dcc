"""Which database and which cache an environment has by omc.toml: an instance, a cluster, a serverless one, or none."""

from __future__ import annotations

from omc.config.model import Environment
from omc.errors import Refused


def database_name(environment: Environment) -> str:
    """The instance's name or the cluster's; empty where there is no database."""
    return environment.database or environment.database_cluster or ""


def cache_name(environment: Environment) -> str:
    """The replication group's name or the serverless cache's; empty where there is no cache."""
    return environment.cache or environment.cache_serverless or ""


def database_log_group(environment: Environment) -> str:
    """Where RDS exports PostgreSQL's log to; empty where there is no database."""
    if environment.database:
        return f"/aws/rds/instance/{environment.database}/postgresql"
    return f"/aws/rds/cluster/{environment.database_cluster}/postgresql" if environment.database_cluster else ""


def left_out(environment: Environment) -> tuple[str, ...]:
    """What nothing is read of, since omc.toml has none."""
    there = {"database": database_name(environment), "cache": cache_name(environment)}
    return tuple(f"no {name} in omc.toml" for name, value in there.items() if not value)


def required_database(environment: Environment) -> str:
    """The RDS instance. ``Refused`` where there is none, or a cluster, which is changed with RDS's own tools."""
    if environment.database:
        return environment.database
    where = f"[environments.{environment.name}] of omc.toml"
    if environment.database_cluster:
        raise Refused(
            f"{environment.database_cluster} is a DB cluster ({where}), and omc changes, backs up and restores RDS "
            "instances alone: use Terraform, or aws rds (modify-db-cluster, failover-db-cluster, "
            "create-db-cluster-snapshot, restore-db-cluster-to-point-in-time)."
        )
    raise Refused(f'{environment.name} has no database: {where} says database = "". Name one there if there is one.')


def required_cache(environment: Environment) -> str:
    """The replication group. ``Refused`` where there is none, or a serverless cache, which has no nodes."""
    if environment.cache:
        return environment.cache
    where = f"[environments.{environment.name}] of omc.toml"
    if environment.cache_serverless:
        raise Refused(
            f"{environment.cache_serverless} is a serverless cache ({where}): it has no nodes to change, scales and is "
            "patched by itself. Its limits and version are changed with Terraform, or with aws elasticache "
            "modify-serverless-cache."
        )
    raise Refused(f'{environment.name} has no cache: {where} says cache = "". Name one there if there is one.')
