"""Actions on RDS, a module a subject. Importing the package registers them all."""

from omc.actions.rds import instances, restore, snapshots

__all__ = ["instances", "restore", "snapshots"]
