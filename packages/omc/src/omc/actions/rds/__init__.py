"""Actions on RDS, a module a verb or a subject. Importing the package registers them all."""

from omc.actions.rds import create_snapshot, delete_snapshot, instances, restore

__all__ = ["create_snapshot", "delete_snapshot", "instances", "restore"]
